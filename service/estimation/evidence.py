"""On whose word: the published runs nearest to a question, and how wide the interval is by that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from service.estimation.answer import Interval
from service.estimation.hardware import Gpu
from service.estimation.runs import PublishedRun
from service.estimation.workload import Workload

TEN_PERCENT = 1.2816  # standard deviations from the median of a normal distribution to its 10 % and 90 % points
Tier = Literal["measured", "same_gpu", "same_family", "data_sheet", "reference"]


@dataclass(frozen=True, slots=True)
class Certainty:
    """How sure, and by which runs. Errors are multiplicative: standard deviations of the logarithm."""

    tier: Tier
    runs: tuple[str, ...]
    shared: float  # the workload's and its software's part, the same for every machine
    own: float  # this GPU's part

    @property
    def sigma(self) -> float:
        return math.hypot(self.shared, self.own)


def interval(median: float, sure: Certainty) -> Interval:
    """P10, P50, P90 around a median."""
    factor = math.exp(TEN_PERCENT * sure.sigma)
    return Interval(median / factor, median, median * factor)


def certainty(workload: Workload, gpu: Gpu, runs: Sequence[PublishedRun]) -> Certainty:
    """The tier of a GPU for a workload, and its nearest runs."""
    same = [run for run in runs if run.machine.gpu.name == gpu.name]
    if same:
        near = nearest(workload, same)
        return Certainty("same_gpu", tuple(run.id for run in near[:3]), 0.12, 0.09)
    family = [run for run in runs if run.machine.gpu.architecture == gpu.architecture]
    if family:
        own = 0.11 if gpu.matmul_bf16_tflops else 0.14
        return Certainty("same_family", tuple(run.id for run in nearest(workload, family)[:3]), 0.12, own)
    return Certainty("data_sheet", (), 0.12, 0.17 if gpu.vendor == "NVIDIA" else 0.3)


def nearest(workload: Workload, runs: Sequence[PublishedRun]) -> list[PublishedRun]:
    """Runs of the most similar models first."""
    return sorted(runs, key=lambda run: _distance(workload, run))


def _distance(workload: Workload, run: PublishedRun) -> float:
    ours, theirs = workload.model, run.workload.model
    if ours is None or theirs is None:
        return math.inf
    apart = abs(math.log(ours.width / theirs.width)) + abs(math.log(ours.layers / theirs.layers))
    apart += 0.5 * abs(math.log(ours.seq_len / theirs.seq_len))
    return apart + (0.5 if workload.precision != run.workload.precision else 0.0)
