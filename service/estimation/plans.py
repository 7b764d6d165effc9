"""Which plans are worth trying, and the fastest that fits: one search for many machines at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from service.estimation.flops import Floats, Work, work_of
from service.estimation.hardware import Machine
from service.estimation.memory import Layout, MemoryParts, available_gb, memory_parts, state_bytes
from service.estimation.scaling import Links, links_of
from service.estimation.step import Situation, Step, step
from service.estimation.throughput import Chips, Efficiencies, Software, chips_of
from service.estimation.workload import Checkpointing, Model, Offload, Optimizer, PinnedPlan, Sharding, Workload

DEFAULT_TOKENS_PER_STEP = 524_288  # GPT-2's, when a workload does not say
# Host RAM per GPU when a machine does not say: twice the card's memory, and what a desktop has at least.
DEFAULT_HOST_SHARE, DEFAULT_HOST_GB = 2.0, 32.0
HOST_USABLE = 0.85  # of the host's RAM: the operating system and the data loader need some
T = TypeVar("T", Chips, Links, MemoryParts, Layout, Work)


@dataclass(frozen=True, slots=True)
class Choice:
    """A plan without its micro-batch."""

    checkpointing: Checkpointing
    optimizer: Optimizer
    offload: tuple[Offload, ...]
    sharding: Sharding


@dataclass(frozen=True, slots=True)
class Found:
    """The plan of one machine: the fastest that fits, else the most frugal one."""

    choice: Choice
    micro_batch: float
    fits: bool
    lacks_gb: float
    working_gpus: float
    step_s: float
    parts_s: dict[str, float]
    memory_gb: dict[str, float]
    needed_gb: float
    available_gb: float
    host_gb: float
    recompute_factor: float


def search(workload: Workload, machines: Sequence[Machine], known: Efficiencies) -> list[Found]:
    """The plan of each machine for a workload that has a model."""
    if workload.model is None:
        raise ValueError("without a model there is no plan to search")
    found: list[Found | None] = [None] * len(machines)
    alone = [index for index, machine in enumerate(machines) if machine.gpu_count == 1]
    together = [index for index, machine in enumerate(machines) if machine.gpu_count > 1]
    for indices, many in ((alone, False), (together, True)):
        if indices:
            choices = choices_for(workload.plan, workload.optimizer, many)
            rows = _Search(workload, workload.model, [machines[index] for index in indices], choices, known)
            for index, best in zip(indices, rows.best(), strict=True):
                found[index] = best
    return [one for one in found if one is not None]


@lru_cache(maxsize=256)
def choices_for(pinned: PinnedPlan, optimizer: Optimizer, many: bool) -> tuple[Choice, ...]:
    """What is searched: all that is not pinned, plainest first."""
    checkpointings: tuple[Checkpointing, ...] = ("none", "selective", "full")
    if pinned.activation_checkpointing is not None:
        checkpointings = (pinned.activation_checkpointing,)
    shardings: tuple[Sharding, ...] = ("ddp", "zero1", "zero2", "fsdp") if many else ("none",)
    if many and pinned.sharding not in (None, "none"):
        shardings = (pinned.sharding,)
    elif many and pinned.sharding == "none":
        shardings = ("ddp",)  # several GPUs that share nothing but gradients
    return tuple(
        Choice(checkpointing, rule, offload, sharding)
        for sharding in shardings
        for rule, offload in _states(pinned, optimizer)
        for checkpointing in checkpointings
        if sharding != "ddp" or not offload or pinned.sharding is not None
    )


def _states(pinned: PinnedPlan, optimizer: Optimizer) -> list[tuple[Optimizer, tuple[Offload, ...]]]:
    rule = pinned.optimizer or optimizer
    if pinned.offload is not None:
        kinds = [(rule, pinned.offload)]
    else:
        kinds = [
            (rule, ()),
            (rule, ("optimizer",)),
            (rule, ("optimizer", "gradients")),
            (rule, ("optimizer", "gradients", "activations")),
            (rule, ("optimizer", "gradients", "activations", "parameters")),
        ]
    if pinned.optimizer is None and rule not in ("adamw_8bit", "adafactor"):
        kinds += [("adamw_8bit", pinned.offload or ())]
    return kinds


def layout_of(choices: Sequence[Choice], eager: bool, fused_attention: bool) -> Layout:
    """Plans as columns; the micro-batch is one sequence until it is chosen."""
    bytes_of = [state_bytes(choice.optimizer) for choice in choices]

    def flag(values: Sequence[bool]) -> Floats:
        return np.array(values, dtype=float)

    return Layout(
        micro_batch=np.ones(len(choices)),
        full=flag([choice.checkpointing == "full" for choice in choices]),
        selective=flag([choice.checkpointing == "selective" for choice in choices]),
        state_bytes=np.array([hidden for hidden, _ in bytes_of]),
        state_bytes_embedding=np.array([embedding for _, embedding in bytes_of]),
        states_on_host=flag(["optimizer" in choice.offload for choice in choices]),
        gradients_on_host=flag(["gradients" in choice.offload for choice in choices]),
        activations_on_host=flag(["activations" in choice.offload for choice in choices]),
        parameters_on_host=flag(["parameters" in choice.offload for choice in choices]),
        shard_states=flag([choice.sharding in ("zero1", "zero2", "fsdp") for choice in choices]),
        shard_gradients=flag([choice.sharding in ("zero2", "fsdp") for choice in choices]),
        shard_parameters=flag([choice.sharding == "fsdp" for choice in choices]),
        fused_attention=flag([fused_attention] * len(choices)),
        eager=flag([eager] * len(choices)),
    )


def software_of(pinned: PinnedPlan, known: Efficiencies) -> Software:
    """The framework that a plan implies: the best current one unless it says otherwise."""
    eager = pinned.compiled is False
    traffic = {True: known.traffic_compiled, False: known.traffic_eager, None: known.traffic_current}[pinned.compiled]
    return Software(
        traffic=np.array(traffic),
        launch=np.array(known.launch_eager if eager else known.launch_current),
        fused_attention=np.array(0.0 if pinned.flash_attention is False else 1.0),
    )


def gathered(columns: T, rows: NDArray[np.intp]) -> T:
    """The same columns with other rows."""
    return type(columns)(**{item.name: getattr(columns, item.name)[rows] for item in fields(columns)})


class _Search:
    """Machines times choices: memory first, then the time of what fits."""

    def __init__(
        self,
        workload: Workload,
        model: Model,
        machines: Sequence[Machine],
        choices: Sequence[Choice],
        known: Efficiencies,
    ) -> None:
        self.workload, self.model, self.machines, self.choices, self.known = workload, model, machines, choices, known
        pinned = workload.plan
        self.work = work_of([model])
        self.software = software_of(pinned, known)
        newest = np.full(len(machines), 0.0 if pinned.compiled is False else 1.0)
        self.chips = chips_of(
            [machine.gpu for machine in machines], [workload.precision] * len(machines), newest, known
        )
        self.links = links_of(machines)
        sequences = (workload.tokens_per_step or DEFAULT_TOKENS_PER_STEP) / model.seq_len
        self.working = np.minimum(self.links.gpus, max(1.0, np.floor(sequences)))
        self.sequences = np.maximum(sequences, 1.0) / self.working
        self.layout = layout_of(choices, pinned.compiled is False, pinned.flash_attention is not False)

    def best(self) -> list[Found]:
        machine, choice = np.divmod(np.arange(len(self.machines) * len(self.choices)), len(self.choices))
        batch = self._micro_batches(machine, choice)
        memory = self._memory(machine, choice, batch)
        lacks = self._lacks(machine, memory)
        runs = np.flatnonzero(lacks <= 0)
        seconds = np.full(len(machine), np.inf)
        if len(runs):
            seconds[runs] = self._step(machine[runs], choice[runs], batch[runs]).total
        shape = (len(self.machines), len(self.choices))
        table = seconds.reshape(shape)
        fits = np.isfinite(table).any(axis=1)
        column = np.where(fits, table.argmin(axis=1), lacks.reshape(shape).argmin(axis=1))
        chosen = np.arange(len(self.machines)) * len(self.choices) + column
        return self._found(column, batch[chosen], gathered(memory, chosen), lacks[chosen], fits)

    def _memory(self, machine: NDArray[np.intp], choice: NDArray[np.intp], batch: Floats) -> MemoryParts:
        layout = replace(gathered(self.layout, choice), micro_batch=batch)
        return memory_parts(self.work, layout, self.links.gpus[machine], self.workload.precision)

    def _micro_batches(self, machine: NDArray[np.intp], choice: NDArray[np.intp]) -> Floats:
        """Pinned, else the largest that fits: more tokens at once are never slower per token."""
        most = self.sequences[machine]
        pinned = self.workload.plan.micro_batch
        if pinned is not None:
            return np.minimum(float(pinned), most)
        # memory grows with a straight line once the loss is chunked, and never lies above it before
        few, more = self._memory(machine, choice, np.array(64.0)), self._memory(machine, choice, np.array(128.0))
        room = _largest(few.total, more.total, self._available(machine))
        largest = np.minimum(room, _largest(few.host, more.host, self._host(machine)))
        return _allowed(np.clip(largest, 1.0, most), most)

    def _available(self, machine: NDArray[np.intp]) -> Floats:
        offered: Floats = available_gb(np.array([one.gpu.memory_gb for one in self.machines]))[machine]
        return offered

    def _host(self, machine: NDArray[np.intp]) -> Floats:
        """GB of host RAM per GPU."""
        per_gpu = [
            max(DEFAULT_HOST_GB, DEFAULT_HOST_SHARE * one.gpu.memory_gb)
            if one.host_memory_gb is None
            else one.host_memory_gb / min(one.gpu_count, one.gpus_per_node)
            for one in self.machines
        ]
        usable: Floats = HOST_USABLE * np.array(per_gpu)[machine]
        return usable

    def _lacks(self, machine: NDArray[np.intp], memory: MemoryParts) -> Floats:
        lacks: Floats = np.maximum(memory.total - self._available(machine), memory.host - self._host(machine))
        return lacks

    def _step(self, machine: NDArray[np.intp], choice: NDArray[np.intp], batch: Floats) -> Step:
        layout = replace(gathered(self.layout, choice), micro_batch=batch)
        asked = self.workload.plan.optimizer or self.workload.optimizer
        quantised = [one.optimizer != asked for one in self.choices]
        muon = [asked == "muon"] * len(self.choices)
        rows = Situation(
            work=self.work,
            chips=gathered(self.chips, machine),
            software=self.software,
            layout=layout,
            links=gathered(self.links, machine),
            sequences=self.sequences[machine],
            orthogonalised=np.array(muon, dtype=float)[choice],
            quantised=np.array(quantised, dtype=float)[choice],
            precision=self.workload.precision,
        )
        return step(rows, self.known)

    def _found(
        self, column: NDArray[np.intp], batch: Floats, memory: MemoryParts, lacks: Floats, fits: NDArray[np.bool_]
    ) -> list[Found]:
        everyone = np.arange(len(self.machines))
        taken = self._step(everyone, column, batch)
        available, needed = self._available(everyone).tolist(), memory.total.tolist()
        names = [item.name for item in fields(MemoryParts) if item.name != "host"]
        memory_rows = list(zip(*(getattr(memory, name).tolist() for name in names), strict=True))
        part_rows = list(zip(*(part.tolist() for part in taken.parts.values()), strict=True))
        factor = (1 + taken.forwards_repeated / 3).tolist()
        totals, hosts, working = taken.total.tolist(), memory.host.tolist(), self.working.tolist()
        return [
            Found(
                choice=self.choices[column[row]],
                micro_batch=float(batch[row]),
                fits=bool(fits[row]),
                lacks_gb=max(0.0, float(lacks[row])),
                working_gpus=working[row],
                step_s=totals[row],
                parts_s=dict(zip(taken.parts, part_rows[row], strict=True)),
                memory_gb=dict(zip(names, memory_rows[row], strict=True)),
                needed_gb=needed[row],
                available_gb=available[row],
                host_gb=hosts[row],
                recompute_factor=factor[row],
            )
            for row in everyone
        ]


def _largest(at_64: Floats, at_128: Floats, limit: Floats) -> Floats:
    per_sequence = np.maximum((at_128 - at_64) / 64, 1e-12)
    largest: Floats = 64 + (limit - at_64) / per_sequence
    return largest


def _allowed(largest: Floats, most: Floats) -> Floats:
    """The largest micro-batch that a user would type: a divisor of the sequences per step, or a power of two."""
    batches = np.ones_like(largest)
    for count in np.unique(most):
        rows = most == count
        steps = np.array(_micro_batches_for(float(count)))
        batches[rows] = steps[np.searchsorted(steps, largest[rows] * (1 + 1e-9), side="right") - 1]
    return batches


@lru_cache(maxsize=4096)
def _micro_batches_for(sequences: float) -> tuple[float, ...]:
    powers = {2.0**exponent for exponent in range(13) if 2.0**exponent <= sequences}
    whole = round(sequences)
    divisors = (
        {float(size) for size in range(1, min(whole, 4096) + 1) if whole % size == 0} if whole == sequences else set()
    )
    return tuple(sorted({min(1.0, sequences)} | powers | divisors))
