"""How the memory formula does on what was published: peaks, plans that ran, and micro-batches that ran out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from service.estimation.answer import Infeasible
from service.estimation.choices import OP_BY_OP
from service.estimation.estimate import Estimator
from service.estimation.flops import work_of
from service.estimation.layouts import layout_of_run
from service.estimation.memory import GB, memory_parts
from service.estimation.runs import PublishedRun

DECIMAL_GB = 1e9
CAREFUL = "fits "  # how the note of an answer begins that asks for more than software does unasked


# What a peak was read of. Held: all that the card showed as taken, which is more than a plan needs, since the allocator
# keeps what it once had. The rest is what the run had of its framework's allocator, which knows nothing of the driver's
# context, by what decides how well the formula can know it.
PeakKind = Literal["compiled", "op by op", "cut", "held"]


@dataclass(frozen=True, slots=True)
class Peak:
    """One published peak, in binary GB, and what the formula says for the same plan."""

    run: str
    gpu: str
    predicted_gb: float
    published_gb: float
    kind: PeakKind

    @property
    def error(self) -> float:
        return self.predicted_gb / self.published_gb - 1


@dataclass(frozen=True, slots=True)
class MemoryReport:
    """Peaks, and how often plans are called fitting."""

    peaks: tuple[Peak, ...]
    ran: int  # published plans with a micro-batch
    ran_but_refused: dict[str, float]  # and the share of the offered memory that each is said to need: over 1
    ran_out: int
    ran_out_but_accepted: dict[str, float]  # the same, at most 1: of software that does what is usual
    ran_out_unless_careful: dict[str, float]  # the same where the answer asks for more, as the loss in chunks


def memory_report(runs: Sequence[PublishedRun], estimator: Estimator) -> MemoryReport:
    """Every run that says something about memory."""
    ran = [run for run in runs if _ran(run)]
    filled = {run.id: _filled(run, run.workload.plan.micro_batch, estimator) for run in ran}
    over = {run.id: _filled(run, run.runs_out_at_micro_batch, estimator) for run in runs if run.runs_out_at_micro_batch}
    accepted = {name: found for name, found in over.items() if found.share <= 1}
    return MemoryReport(
        tuple(_peak(run, run.peak_memory_gb) for run in runs if run.peak_memory_gb and _is_told(run)),
        len(ran),
        {name: found.share for name, found in filled.items() if found.share > 1},
        len(over),
        {name: found.share for name, found in accepted.items() if not found.careful},
        {name: found.share for name, found in accepted.items() if found.careful},
    )


def _is_told(run: PublishedRun) -> bool:
    """Whether a source states what decides most of the memory."""
    plan = run.workload.plan
    sharded = plan.sharding is not None or run.machine.gpu_count == 1
    return sharded and plan.activation_checkpointing is not None


def _peak(run: PublishedRun, published: float) -> Peak:
    layout = layout_of_run(run)
    model = run.workload.model
    assert model is not None  # every published run has its shapes
    parts = memory_parts(work_of([model]), layout, np.array([float(run.machine.gpu_count)]), run.workload.precision)
    counted = parts.total if run.peak_memory_of == "card" else parts.total - parts.context
    return Peak(run.id, run.machine.gpu.name, float(counted[0]), published * DECIMAL_GB / GB, _kind(run))


def _kind(run: PublishedRun) -> PeakKind:
    tensor, pipeline, _ = run.workload.plan.cut
    if run.peak_memory_of == "card":
        return "held"
    if tensor * pipeline > 1:
        return "cut"
    return "op by op" if run.framework in OP_BY_OP else "compiled"


def _ran(run: PublishedRun) -> bool:
    """Whether the published plan itself is known to run."""
    micro_batch, out = run.workload.plan.micro_batch, run.runs_out_at_micro_batch
    return micro_batch is not None and (out is None or micro_batch < out)


@dataclass(frozen=True, slots=True)
class _Filled:
    """The share of the offered memory that a plan takes, and whether it asks for careful software."""

    share: float
    careful: bool


def _filled(run: PublishedRun, micro_batch: int | None, estimator: Estimator) -> _Filled:
    """Of a published plan with some micro-batch, optimizer and offload pinned as published."""
    plan = replace(run.workload.plan, micro_batch=micro_batch, optimizer=run.workload.optimizer)
    if plan.offload is None:
        plan = replace(plan, offload=())
    per_step, model = run.workload.tokens_per_step, run.workload.model
    if micro_batch and model and per_step:  # the step of a larger batch is larger, too
        per_step = max(per_step, micro_batch * model.seq_len * run.machine.gpu_count)
    answer = estimator.estimate(replace(run.workload, plan=plan, tokens_per_step=per_step), run.machine)
    told = answer.estimate if isinstance(answer, Infeasible) else answer
    if told is None or told.plan is None:
        return _Filled(math.inf, False)
    memory = told.plan.memory_gb
    return _Filled(memory.needed / memory.available, any(note.startswith(CAREFUL) for note in told.notes))


def as_lines(told: MemoryReport) -> list[str]:
    """The report as plain lines."""
    lines = [
        "Memory of one GPU, binary GB (runs that state sharding and checkpointing; held: what the card shows as taken)",
        f"{'':30s}{'GPU':38s}{'predicted':>10s}{'published':>10s}{'error':>8s}",
    ]
    lines += [
        f"{peak.run:30s}{peak.gpu:38s}{peak.predicted_gb:10.1f}{peak.published_gb:10.1f}{peak.error:+8.0%}  {peak.kind}"
        for peak in sorted(told.peaks, key=lambda peak: peak.kind)
    ]
    return [
        *lines,
        *(_summary(kind, [abs(peak.error) for peak in told.peaks if peak.kind == kind]) for kind in get_args(PeakKind)),
        f"{told.ran} published plans ran; called unfitting: {_shares(told.ran_but_refused)}",
        f"{told.ran_out} micro-batches ran out of memory; fitting by the formula alone: "
        f"{_shares(told.ran_out_but_accepted)}; fitting with less than is usual, which the answer says: "
        f"{_shares(told.ran_out_unless_careful)}",
        "",
    ]


def _summary(kind: str, errors: Sequence[float]) -> str:
    near = sum(error <= 0.10 for error in errors)
    return f"{kind}: {near} of {len(errors)} peaks within 10 %, median {float(np.median(errors)):.0%}"


def _shares(runs: Mapping[str, float]) -> str:
    """Runs, and how much of the offered memory each is said to need."""
    return ", ".join(f"{run} ({share:.0%} of the room)" for run, share in runs.items()) or "none"
