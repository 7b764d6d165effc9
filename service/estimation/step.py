"""How long one optimizer step takes on a machine under a plan: micro-steps, update, links, host."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from service.estimation.chips import Chips, Software
from service.estimation.efficiencies import Efficiencies
from service.estimation.flops import Floats, Work, split, spread_experts
from service.estimation.memory import Layout, residual_bytes, update_bytes, value_bytes
from service.estimation.scaling import Links, all_reduce, exposed, replicas, within
from service.estimation.throughput import micro_step
from service.estimation.workload import Precision

GRADIENT_PASSES = 4.0  # 16-bit gradients read twice (norm, update) beside states read and written once
ORTHOGONALISE_STEPS = 5  # Newton-Schulz iterations of Muon: keras.io/api/optimizers/muon
QUANTISED_SLOWER = 0.02  # of a step; a caution, not a measurement
OFFLOAD_SLOWER = 0.01  # of the computation, for waiting on the host; a caution, not a measurement
CUT_SLOWER = 0.02  # of the computation, for stages and parts that are never quite equal; a caution, not a measurement
PARTS = (
    "matmul",
    "attention",
    "element_wise",
    "logits",
    "recompute",
    "launch",
    "optimizer",
    "communication",
    "offload",
)


@dataclass(frozen=True, slots=True)
class Step:
    """Seconds of an optimizer step by what takes them, rows as given; `total` is their sum."""

    parts: dict[str, Floats]
    total: Floats

    def at(self, rows: NDArray[np.intp]) -> Step:
        """Some of the rows."""
        return Step({name: part[rows] for name, part in self.parts.items()}, self.total[rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Rows of work on machines under plans: everything that decides a step."""

    work: Work
    chips: Chips
    software: Software
    layout: Layout
    links: Links
    sequences: Floats  # per step, of all GPUs together
    stages: Floats  # into which a GPU's layers are interleaved under pipeline parallelism
    repeated: Floats  # forwards that checkpointing repeats
    orthogonalised: Floats  # 1 under Muon
    quantised: Floats  # 1 when the plan holds states in 8 bits though the workload does not ask for it
    precision: Precision


def working_replicas(sequences: Floats, gpus: Floats, layout: Layout) -> Floats:
    """Copies of the model that have something to do: no more than the step has sequences."""
    groups = gpus / (layout.tensor * layout.pipeline * layout.context)
    busy: Floats = np.minimum(groups, np.maximum(1.0, np.floor(sequences)))
    return busy


def step(rows: Situation, known: Efficiencies) -> Step:
    """The time of one optimizer step."""
    layout, value = rows.layout, value_bytes(rows.precision)
    mine, micro_steps = share_of_one(rows), micro_steps_of(rows)
    micro = micro_step(mine.work, rows.chips, rows.software, layout.micro_batch, rows.repeated, value, known)
    parts = {
        "matmul": micro.matmul * micro_steps,
        "attention": micro.attention * micro_steps,
        "element_wise": micro.element_wise * micro_steps,
        "logits": micro.logits * micro_steps,
        "recompute": micro.recompute * micro_steps,
        "launch": micro.launch * micro_steps,
        "optimizer": _optimizer(mine, micro_steps, value),
        "communication": _communication(mine, rows.links, micro_steps, micro.total, value, known)
        + _cut_model(mine, rows.links, micro_steps, micro.total, value, known),
        "offload": _offload(mine, micro_steps, micro.total, value, known),
    }
    # states of 8 bits are unpacked and packed again; the little it costs keeps plans as given where both fit
    parts["optimizer"] = parts["optimizer"] + rows.quantised * QUANTISED_SLOWER * sum(parts.values())
    total = parts["matmul"]
    for name in PARTS[1:]:
        total = total + parts[name]
    return Step(parts, total)


def share_of_one(rows: Situation) -> Situation:
    """What one GPU works on, and the GPUs that hold the same part of the model."""
    layout = rows.layout
    group = replicas(rows.links, layout.tensor, layout.pipeline)
    part = split(rows.work, layout.tensor, layout.pipeline, layout.context)
    return replace(rows, work=spread_experts(part, group.gpus), links=group)


def micro_steps_of(rows: Situation) -> Floats:
    """Micro-steps of an optimizer step."""
    each: Floats = rows.sequences / working_replicas(rows.sequences, rows.links.gpus, rows.layout)
    return each / rows.layout.micro_batch


def _cut_model(
    mine: Situation, links: Links, micro_steps: Floats, micro_total: Floats, value: float, known: Efficiencies
) -> Floats:
    """What cutting matrices and layers costs: sums over the cut in every layer, and stages that wait."""
    layout, work = mine.layout, mine.work
    if not np.any(layout.tensor * layout.pipeline > 1):
        return np.zeros(micro_total.shape)
    volume = layout.micro_batch * work.seq_len * work.width * value * work.layers
    together = replace(links, gpus=layout.tensor, in_node=np.minimum(layout.tensor, links.in_node))
    sums = (4 + 2 * mine.repeated) * all_reduce(volume, together, known)
    # interleaved stages wait less, if enough micro-steps follow each other and each has a layer
    stages = np.where(micro_steps >= layout.pipeline, np.minimum(mine.stages, np.maximum(1.0, work.layers)), 1.0)
    waiting = (layout.pipeline - 1) / stages * micro_total
    slowest = np.maximum(CUT_SLOWER, np.ceil(work.layers) / work.layers - 1)  # the stage with the most layers
    uneven = slowest * (layout.tensor * layout.pipeline > 1) * micro_total * micro_steps
    return sums * (1 - known.overlap_tensor) * micro_steps + waiting + uneven


def _optimizer(rows: Situation, micro_steps: Floats, value: float) -> Floats:
    moved, flops = updated_bytes(rows, micro_steps, value), orthogonalising_flops(rows)
    return moved / rows.chips.bandwidth + flops / rows.chips.wide_matmul


def updated_bytes(rows: Situation, micro_steps: Floats, value: float) -> Floats:
    """Bytes that the update reads and writes, and adding gradients up before it."""
    work, layout = rows.work, rows.layout
    states = update_bytes(work, layout, rows.precision)
    moved = (2 * states + GRADIENT_PASSES * work.parameters) / _owners(rows)
    return moved + 3 * value * work.parameters * np.maximum(0.0, micro_steps - 1)


def orthogonalising_flops(rows: Situation) -> Floats:
    """FLOPs of Muon's Newton-Schulz iterations; 0 under other rules."""
    work = rows.work
    square = 2 * work.width**3 * (work.ffn_matrices + 4)
    flops = ORTHOGONALISE_STEPS * work.layers * (4 * work.width * work.layer_matmul_parameters + square)
    return rows.orthogonalised * flops / work.ffn_share / _owners(rows)


def _owners(rows: Situation) -> Floats:
    """GPUs that share the states of one copy of the model out."""
    return np.where(rows.layout.shard_states > 0, rows.links.gpus, 1.0)


def _ring(rows: Situation, links: Links, value: float, known: Efficiencies) -> Floats:
    """Seconds of a micro-step to pass keys and values on to all GPUs of a cut sequence, and their gradients back."""
    work, layout = rows.work, rows.layout
    if not np.any(layout.context > 1):
        return np.zeros(1)
    block = layout.micro_batch * work.seq_len * work.key_value_width * value * work.layers
    passes = (3 + rows.repeated) * (layout.context - 1)
    seconds: Floats = passes * block / (within(links, layout.tensor * layout.context) * known.bus)
    return seconds


def _communication(
    rows: Situation, links: Links, micro_steps: Floats, micro_total: Floats, value: float, known: Efficiencies
) -> Floats:
    work, layout = rows.work, rows.layout
    if not np.any(rows.links.gpus > 1):
        return np.zeros(micro_total.shape)
    dense = all_reduce((work.parameters - work.expert_parameters) * value, rows.links, known)
    per_micro_step = np.where(
        layout.shard_parameters > 0,
        1.5 * dense,  # gathered forward and backward, gradients scattered
        np.where(layout.shard_gradients > 0, 0.5 * dense, 0.0),
    )
    per_micro_step = per_micro_step + _to_experts(rows, value, known) + _ring(rows, links, value, known)
    per_step = np.where(layout.shard_parameters > 0, 0.0, np.where(layout.shard_gradients > 0, 0.5, 1.0) * dense)
    # windows are shared out: together they are at most the computation, so that a faster chip is never slower
    repeats = per_micro_step > 0
    steady = exposed(per_micro_step, 0.4 * micro_total, known.overlap) * micro_steps
    once = exposed(per_step, np.where(repeats, 0.3, 0.6) * micro_total, known.overlap)
    return np.where(rows.links.gpus > 1, steady + once, 0.0)


def _to_experts(rows: Situation, value: float, known: Efficiencies) -> Floats:
    """Seconds of a micro-step to send tokens to experts, which stay where they are: forward and back, and both ways."""
    work, layout = rows.work, rows.layout
    if not np.any(work.expert_parameters > 0):
        return np.zeros(1)
    sent = 4 * work.experts_per_token * layout.micro_batch * work.seq_len * work.residual_width * value * work.layers
    return np.where(work.expert_parameters > 0, all_reduce(sent / 2, rows.links, known), 0.0)


def sent_bytes(rows: Situation, micro_steps: Floats, value: float) -> Floats:
    """Bytes that one GPU sends in a step: gradients and weights in rings, and the sums over cut matrices."""
    work, layout, gpus = rows.work, rows.layout, rows.links.gpus
    ring = 2 * (gpus - 1) / gpus * (work.parameters - work.expert_parameters) * value
    passes = np.where(
        layout.shard_parameters > 0,
        1.5 * micro_steps,
        np.where(layout.shard_gradients > 0, 0.5 * micro_steps + 0.5, 1.0),
    )
    residual = layout.micro_batch * work.seq_len * work.width * value * work.layers * micro_steps
    return ring * passes + (4 + 2 * rows.repeated) * 2 * (layout.tensor - 1) / layout.tensor * residual


def _offload(rows: Situation, micro_steps: Floats, micro_total: Floats, value: float, known: Efficiencies) -> Floats:
    """What does not hide of the transfers to and from host memory."""
    window = np.where(rows.links.gpus > 1, 0.3, 0.9)
    busy = rows.layout.states_on_host * OFFLOAD_SLOWER * micro_total * micro_steps
    moved = offloaded_bytes(rows, micro_steps, value)
    return busy + exposed(moved / rows.links.host, window * micro_total * micro_steps, known.overlap_host)


def offloaded_bytes(rows: Situation, micro_steps: Floats, value: float) -> Floats:
    """Bytes over PCIe: states stream through the card once a step; the rest once or twice a micro-step."""
    work, layout = rows.work, rows.layout
    states = update_bytes(work, layout, rows.precision) / _owners(rows)
    gradients = work.parameters * value / np.where(layout.shard_gradients > 0, rows.links.gpus, 1.0)
    weights = work.parameters * value / np.where(layout.shard_parameters > 0, rows.links.gpus, 1.0)
    saved = work.layers * residual_bytes(work, layout, value)
    moved: Floats = 2 * layout.states_on_host * states + micro_steps * (
        2 * layout.gradients_on_host * gradients
        + 2 * layout.parameters_on_host * weights
        + 2 * layout.activations_on_host * saved
    )
    return moved
