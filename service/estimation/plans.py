"""Which plans are worth trying, and the fastest that fits: one search for many machines at once.

Memory comes first: for every way to lay a model out, the largest micro-batch that fits follows without trying, and only
what fits is timed. More memory never removes a plan, so it never costs time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from service.estimation.chips import Chips, chip_table, chips_of, software_of
from service.estimation.choices import Choice, framework_of
from service.estimation.efficiencies import Efficiencies
from service.estimation.flops import Floats, work_of
from service.estimation.hardware import Machine
from service.estimation.memory import (
    Layout,
    MemoryParts,
    available_gb,
    standing,
    with_activations,
)
from service.estimation.scaling import Links, links_of
from service.estimation.step import Situation, Step, step, working_replicas
from service.estimation.ways import Rows, Ways, ways_for, ways_of
from service.estimation.workload import Model, PinnedPlan, Workload, tokens_per_step

# Host RAM when a machine does not say: twice the memory of its cards, or what the four slots of a desktop take (4 x 32
# GB). A plan that needs RAM says how much, so that whoever has less knows.
DEFAULT_HOST_SHARE, DEFAULT_HOST_GB = 2.0, 128.0
CARD_OVER_HOST = 10.0  # what a missing GB of the card weighs over one of the host's, to which RAM can be added
HOST_USABLE = 0.85  # of the host's RAM: the operating system and the data loader need some
INTERLEAVED_STAGES = 4  # of a pipeline that is searched for: a setting of Megatron, which the plan tells
CUT_FROM_PARAMETERS = 5e9  # smaller models are not worth cutting over GPUs
SPLIT_FROM_TOKENS = 16_384  # shorter sequences are not worth splitting as long as every GPU has some of its own
LEAST_TOKENS = 128  # of a sequence on one GPU
FEW, MANY = 64.0, 128.0  # sequences, between which memory is taken as a straight line
Columns = TypeVar("Columns", Chips, Links, Layout)


@dataclass(frozen=True, slots=True)
class Found:
    """The plan of one machine: the fastest that fits, else the most frugal one."""

    choice: Choice
    micro_batch: float
    fits: bool
    lacks_gb: float  # of the GPU's memory
    host_lacks_gb: float  # of the host's RAM, per GPU
    working_gpus: float
    step_s: float
    parts_s: dict[str, float]
    memory_gb: dict[str, float]
    needed_gb: float
    available_gb: float
    host_gb: float  # per GPU
    host_available_gb: float  # per GPU
    recompute_factor: float


def search(workload: Workload, machines: Sequence[Machine], known: Efficiencies) -> list[Found]:
    """The plan of each machine for a workload that has a model."""
    if workload.model is None:
        raise ValueError("without a model there is no plan to search")
    alike: dict[tuple[bool, bool], list[int]] = {}
    for row, machine in enumerate(machines):
        alike.setdefault((machine.gpu_count > 1, _splits(workload, workload.model, machine)), []).append(row)
    found: dict[int, Found] = {}
    for (_, split), rows in alike.items():
        most = max(machines[row].gpu_count for row in rows)
        cut = workload.model.parameters >= CUT_FROM_PARAMETERS
        ways = ways_for(workload.plan, workload.optimizer, most, cut, split)
        table = _Search(workload, workload.model, [machines[row] for row in rows], ways, known)
        found.update(zip(rows, table.best(), strict=True))
    return [found[row] for row in range(len(machines))]


def sequences_of(workload: Workload, model: Model) -> float:
    """Sequences of a step."""
    return max(1.0, tokens_per_step(workload) / model.seq_len)


def interleaved(pinned: PinnedPlan) -> int:
    """Parts of the model that each group of a pipeline has; one where a pinned pipeline does not say."""
    return pinned.virtual_stages or (INTERLEAVED_STAGES if pinned.pipeline_parallel is None else 1)


def may_split(plan: PinnedPlan) -> bool:
    """Whether sequences may be cut over GPUs as the search sees fit."""
    return plan.context_parallel is None and plan.flash_attention is not False and not plan.offload


def _splits(workload: Workload, model: Model, machine: Machine) -> bool:
    """Whether it is worth trying to cut sequences over GPUs: never by memory, of which more must not cost time."""
    if machine.gpu_count == 1 or not may_split(workload.plan):
        return False
    return model.seq_len >= SPLIT_FROM_TOKENS or machine.gpu_count > sequences_of(workload, model)


def situation_of(workload: Workload, model: Model, machine: Machine, found: Found, known: Efficiencies) -> Situation:
    """Everything that decides a step of the plan that was found for one machine, as one row."""
    ways = ways_of([found.choice], workload.plan, workload.optimizer)
    table, row = _Search(workload, model, [machine], ways, known), np.zeros(1, dtype=np.intp)
    return table.situation(row, row, np.array([found.micro_batch]))


def gathered(columns: Columns, rows: Rows) -> Columns:
    """The same columns with other rows."""
    return type(columns)(**{item.name: getattr(columns, item.name)[rows] for item in fields(columns)})


@dataclass(frozen=True, slots=True)
class _Rooms:
    """Machines as rows, as far as memory and cuts see them: many cards are alike in that."""

    gpus: Floats
    in_node: Floats
    offered: Floats  # GB of a card
    host: Floats  # GB of RAM per GPU


def _rooms_of(machines: Sequence[Machine], links: Links, pinned: PinnedPlan) -> tuple[_Rooms, Rows]:
    """The different ones, and which of them each machine is."""
    offered = [available_gb(one.gpu) for one in machines]
    host = [_host_gb(one, pinned) for one in machines]
    seen: dict[tuple[float, ...], int] = {}
    rows = zip(links.gpus.tolist(), links.in_node.tolist(), offered, host, strict=True)
    room_of = np.array([seen.setdefault(row, len(seen)) for row in rows])
    return _Rooms(*np.array(list(seen)).T[:, :, np.newaxis]), room_of


# The search -----------------------------------------------------------------------------------------------------------


class _Search:
    """Machines times choices: what fits is found once for all machines that are alike in memory, then each is timed."""

    def __init__(
        self, workload: Workload, model: Model, machines: Sequence[Machine], ways: Ways, known: Efficiencies
    ) -> None:
        self.workload, self.ways, self.layout, self.known = workload, ways, ways.layout, known
        framework, kernel = framework_of(workload.plan, model.seq_len)
        self.work = work_of([model])
        self.software = software_of([framework], [kernel], known)
        several = len(machines)
        sheet = chip_table([one.gpu for one in machines], [workload.precision] * several, [kernel] * several)
        self.chips = chips_of(sheet, known)
        self.links = links_of(machines)
        self.sequences = sequences_of(workload, model)
        self.rooms, self.room_of = _rooms_of(machines, self.links, workload.plan)

    def best(self) -> list[Found]:
        self.standing = standing(self.work, self.layout, self.rooms.gpus, self.workload.precision)
        replicas = working_replicas(np.array(self.sequences), self.rooms.gpus, self.layout)
        batch = self._micro_batches(self.sequences / replicas)
        memory = self._memory(batch)
        lacks = self._lacks(memory)
        fitting = lacks <= 0
        fits: NDArray[np.bool_] = np.any(fitting, axis=1)
        tried = self._worth_timing(fitting, batch)
        tried[~fits, lacks[~fits].argmin(axis=1)] = True  # where nothing fits, the most frugal plan is told
        machine, choice = np.nonzero(tried[self.room_of])
        timed = step(self.situation(machine, choice, batch[self.room_of[machine], choice]), self.known)
        fastest = _fastest(timed.total, machine)
        return self._found(choice[fastest], replicas, batch, memory, fits, timed.at(fastest))

    def _memory(self, batch: Floats) -> MemoryParts:
        layout = replace(self.layout, micro_batch=batch)
        return with_activations(self.standing, layout, self.workload.precision)

    def _micro_batches(self, most: Floats) -> Floats:
        """Pinned, else the largest that fits: more tokens at once are never slower per token."""
        pinned = self.workload.plan.micro_batch
        if pinned is not None:
            return np.minimum(float(pinned), most)
        # at each moment memory grows with a straight line once the loss is chunked, and never lies above it before
        line = self._memory(np.array([FEW, MANY]).reshape(2, 1, 1))
        moments = (line.activations + line.logits, line.activations + line.working)
        loss, backward = (_largest(moment, self.rooms.offered - line.always) for moment in moments)
        largest = np.minimum(np.minimum(loss, backward), _largest(line.host, self.rooms.host))
        largest = np.where(np.isfinite(self.ways.stated), self.ways.stated, largest)
        return _allowed(np.clip(largest, np.minimum(1.0, most), most), most)

    def _lacks(self, memory: MemoryParts) -> Floats:
        """How far a plan is from fitting: 0 if it does; infinite for what the machine cannot be cut into."""
        on_card = np.maximum(memory.total - self.rooms.offered, 0.0)
        on_host = np.maximum(memory.host - self.rooms.host, 0.0)
        lacks: Floats = CARD_OVER_HOST * on_card + on_host
        cut = self.ways.cut
        if cut.size:
            lacks[:, cut] = np.where(self._can_cut(cut), lacks[:, cut], np.inf)
        return lacks

    def _can_cut(self, choice: Rows) -> NDArray[np.bool_]:
        """What the model and the machines can be cut into; what is pinned was checked before."""
        tensor, pipeline, context = (
            column[choice] for column in (self.layout.tensor, self.layout.pipeline, self.layout.context)
        )
        pinned, tokens = self.workload.plan.cut, self.work.seq_len / context
        possible: NDArray[np.bool_] = self.rooms.gpus % (tensor * pipeline * context) == 0
        possible &= (tensor <= self.rooms.in_node) | (tensor == pinned[0])
        possible &= (pipeline <= self.work.layers) | (pipeline == pinned[1])
        possible &= ((tokens >= LEAST_TOKENS) & (tokens % 1 == 0)) | (context == pinned[2])
        return possible

    def _worth_timing(self, fits: NDArray[np.bool_], batch: Floats) -> NDArray[np.bool_]:
        """What fits, unless a plainer plan fits with the same micro-batch: offloading and repeating only cost time."""
        worth = fits.copy()
        for rows, than in self.ways.plainer:
            worth[:, rows] &= ~(fits[:, than] & (batch[:, than] == batch[:, rows]))
        return worth

    def situation(self, machine: Rows, choice: Rows, batch: Floats) -> Situation:
        """Everything that decides the steps of some machines under some choices."""
        asked = self.workload.plan.optimizer or self.workload.optimizer
        return Situation(
            work=self.work,
            chips=gathered(self.chips, machine),
            software=self.software,
            layout=replace(gathered(self.layout, choice), micro_batch=batch),
            links=gathered(self.links, machine),
            sequences=np.array(self.sequences),
            stages=np.array(float(interleaved(self.workload.plan))),
            repeated=self._repeated()[choice],
            orthogonalised=np.array(float(asked == "muon")),
            quantised=self.ways.quantised[choice],
            precision=self.workload.precision,
        )

    def _repeated(self) -> Floats:
        """Forwards that checkpointing repeats, by choice."""
        repeated: Floats = self.layout.full + self.layout.selective * self.known.selective_recompute
        return repeated

    def _found(
        self,
        choice: Rows,
        replicas: Floats,
        batch: Floats,
        memory: MemoryParts,
        fits: NDArray[np.bool_],
        taken: Step,
    ) -> list[Found]:
        room, chosen = self.room_of, (self.room_of, choice)
        cut = (self.layout.tensor * self.layout.pipeline * self.layout.context)[choice]
        working = np.minimum(replicas[chosen] * cut, self.links.gpus).tolist()
        on_card = memory.at_peak(chosen)
        memory_rows = list(zip(*(part.tolist() for part in on_card.values()), strict=True))
        part_rows = list(zip(*(part.tolist() for part in taken.parts.values()), strict=True))
        factors, needed = (1 + self._repeated() / 3)[choice].tolist(), memory.total[chosen].tolist()
        offered, has = self.rooms.offered[room, 0].tolist(), self.rooms.host[room, 0].tolist()
        totals, hosts = taken.total.tolist(), memory.host[chosen].tolist()
        batches, fitting = batch[chosen].tolist(), fits[room].tolist()
        return [
            Found(
                choice=self.ways.choices[column],
                micro_batch=batches[row],
                fits=fitting[row],
                lacks_gb=max(0.0, needed[row] - offered[row]),
                host_lacks_gb=max(0.0, hosts[row] - has[row]),
                working_gpus=working[row],
                step_s=totals[row],
                parts_s=dict(zip(taken.parts, part_rows[row], strict=True)),
                memory_gb=dict(zip(on_card, memory_rows[row], strict=True)),
                needed_gb=needed[row],
                available_gb=offered[row],
                host_gb=hosts[row],
                host_available_gb=has[row],
                recompute_factor=factors[row],
            )
            for row, column in enumerate(choice.tolist())
        ]


def _fastest(seconds: Floats, machine: Rows) -> Rows:
    """The row of each machine that takes least, the first of equals; rows are sorted by machine, and each has one."""
    machines = np.arange(machine[-1] + 1)
    least = np.minimum.reduceat(seconds, np.searchsorted(machine, machines))
    rows = np.flatnonzero(~(seconds > least[machine]))
    return rows[np.searchsorted(machine[rows], machines)]


def _host_gb(machine: Machine, pinned: PinnedPlan) -> float:
    """GB of host RAM that one GPU may use; who pins an offload without saying has enough."""
    if machine.host_memory_gb is None and pinned.offload:
        return math.inf
    if machine.host_memory_gb is None:
        return HOST_USABLE * max(DEFAULT_HOST_GB, DEFAULT_HOST_SHARE * machine.gpu.memory_gb)
    return HOST_USABLE * machine.host_memory_gb / min(machine.gpu_count, machine.gpus_per_node)


def _largest(line: Floats, limit: Floats) -> Floats:
    """The micro-batch at which memory, told at FEW and at MANY sequences, reaches a limit."""
    few, many = line
    per_sequence = np.maximum((many - few) / (MANY - FEW), 1e-12)
    largest: Floats = FEW + (limit - few) / per_sequence
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
    divisors = {float(size) for size in range(1, min(whole, 4096) + 1) if whole == sequences and whole % size == 0}
    return tuple(sorted({min(1.0, sequences)} | powers | divisors))
