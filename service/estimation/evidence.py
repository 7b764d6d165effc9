"""On whose word: the published runs nearest to a question, and how wide the interval is by that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from service.estimation.answer import Interval
from service.estimation.efficiencies import Efficiencies
from service.estimation.flops import Floats
from service.estimation.hardware import Gpu, Machine
from service.estimation.runs import PublishedRun
from service.estimation.scaling import gpus_in_node
from service.estimation.workload import Model, PinnedPlan, Workload

TEN_PERCENT = 1.2816  # standard deviations from the median of a normal distribution to its 10 % and 90 % points
LONG_SEQUENCE = 4096  # beyond it attention decides, and attention kernels differ most
SETTINGS = {item.name for item in fields(PinnedPlan)} - {"micro_batch", "optimizer"}
Tier = Literal["measured", "same_gpu", "same_family", "data_sheet", "reference"]


@dataclass(frozen=True, slots=True)
class Certainty:
    """How sure, and by which runs. Errors are multiplicative: standard deviations of the logarithm."""

    tier: Tier
    runs: tuple[str, ...]
    shared: float  # the workload's and its software's part, the same for every machine
    own: float  # this machine's part

    @property
    def sigma(self) -> float:
        return math.hypot(self.shared, self.own)


def interval(median: float, sure: Certainty) -> Interval:
    """P10, P50, P90 around a median."""
    factor = math.exp(TEN_PERCENT * sure.sigma)
    return Interval(median / factor, median, median * factor)


class Evidences:
    """Published runs, by GPU and by generation."""

    def __init__(self, runs: Sequence[PublishedRun], known: Efficiencies) -> None:
        self.known = known
        self.by_gpu = _grouped([(run.machine.gpu.name, run) for run in runs])
        self.by_family = _grouped([(run.machine.gpu.architecture, run) for run in runs])
        self.ran_out = [run for run in runs if run.runs_out_at_micro_batch is not None]

    def certainty(self, workload: Workload, machine: Machine) -> Certainty:
        """The tier of a machine for a workload, its nearest runs, and the width that follows."""
        gpu = machine.gpu
        shared = shared_sigma(workload, self.known)
        nodes = self.known.spread_nodes if machine.gpu_count > gpus_in_node(machine) else 0.0
        if near := self.by_gpu.get(gpu.name):
            return Certainty("same_gpu", near.nearest(workload), shared, math.hypot(self.known.spread_gpu, nodes))
        if near := self.by_family.get(gpu.architecture):
            own = math.hypot(self.known.spread_family, nodes)
            return Certainty("same_family", near.nearest(workload), shared, own)
        return Certainty("data_sheet", (), shared, math.hypot(_unknown_sigma(gpu, self.known), nodes))

    def out_of_memory(self, workload: Workload, machine: Machine) -> PublishedRun | None:
        """The published run that shows a pinned plan to run out of memory, whatever the formula says; None: none does.

        It had the same GPUs, model and settings, and no larger a micro-batch.
        """
        pinned = workload.plan
        if pinned.micro_batch is None:
            return None
        for run in self.ran_out:
            if (
                pinned.micro_batch >= (run.runs_out_at_micro_batch or 0)
                and (run.machine.gpu, run.machine.gpu_count) == (machine.gpu, machine.gpu_count)
                and (run.workload.model, run.workload.precision) == (workload.model, workload.precision)
                and (pinned.optimizer or workload.optimizer) == run.workload.optimizer
                and _same_settings(pinned, run.workload.plan)
            ):
                return run
        return None


def _same_settings(pinned: PinnedPlan, published: PinnedPlan) -> bool:
    """Whether all settings that a publication tells are pinned alike; its micro-batch and update rule apart."""
    told = {name: value for name in SETTINGS if (value := getattr(published, name)) is not None}
    told["offload"] = published.offload or ()  # nobody offloads without saying so
    return all(getattr(pinned, name) == value for name, value in told.items())


def shared_sigma(workload: Workload, known: Efficiencies) -> float:
    """What is unsure about a workload on any machine: its software, and what is harder to model."""
    parts = [known.spread]
    if workload.precision == "fp8":
        parts.append(known.spread_fp8)
    if workload.plan.flash_attention is False:
        parts.append(known.spread_old)
    if workload.model is not None:
        parts.append(known.spread_long * math.sqrt(max(0.0, math.log2(workload.model.seq_len / LONG_SEQUENCE))))
        parts.append(known.spread_experts if workload.model.active_parameters is not None else 0.0)
    return math.hypot(*parts)


def _unknown_sigma(gpu: Gpu, known: Efficiencies) -> float:
    """A generation without any run; twice as unsure where even the software is another vendor's."""
    return known.spread_sheet * (1.0 if gpu.vendor == "NVIDIA" else 2.0)


@dataclass(frozen=True, slots=True)
class _Group:
    ids: tuple[str, ...]
    shapes: Floats  # logarithms of width, layers and sequence length, one row per run
    precisions: tuple[str, ...]

    def nearest(self, workload: Workload) -> tuple[str, ...]:
        """The three runs of the most similar models, nearest first."""
        if workload.model is None:
            return ()
        apart = np.abs(self.shapes - _shape(workload.model)) @ np.array([1.0, 1.0, 0.5])
        other = np.array([precision != workload.precision for precision in self.precisions])
        return tuple(self.ids[row] for row in np.argsort(apart + 0.5 * other, kind="stable")[:3])


def _grouped(pairs: Sequence[tuple[str, PublishedRun]]) -> dict[str, _Group]:
    groups: dict[str, list[PublishedRun]] = {}
    for name, run in pairs:
        if run.fitted and run.workload.model is not None:
            groups.setdefault(name, []).append(run)
    return {name: _group(runs) for name, runs in groups.items()}


def _group(runs: Sequence[PublishedRun]) -> _Group:
    shapes = [_shape(run.workload.model) for run in runs if run.workload.model is not None]
    return _Group(tuple(run.id for run in runs), np.array(shapes), tuple(run.workload.precision for run in runs))


def _shape(model: Model) -> Floats:
    shape: Floats = np.log(np.array([model.width, model.layers, model.seq_len], dtype=float))
    return shape
