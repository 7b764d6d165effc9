"""The plans of published runs as columns, with the software that their sources state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from service.estimation.choices import Choice, layout_of
from service.estimation.memory import Layout
from service.estimation.runs import PublishedRun

USUAL_MICRO_BATCH = 8.0  # where a source does not say


def layout_of_runs(runs: Sequence[PublishedRun]) -> Layout:
    """One row per run; the micro-batch as published, however few sequences a step holds."""
    layout = layout_of(
        [_choice(run) for run in runs],
        [run.framework for run in runs],
        [run.kernel for run in runs],
        [run.workload.plan.compiled is True for run in runs],
    )
    return replace(
        layout, micro_batch=np.array([float(run.workload.plan.micro_batch or USUAL_MICRO_BATCH) for run in runs])
    )


def layout_of_run(run: PublishedRun) -> Layout:
    """The same for one."""
    return layout_of_runs([run])


def _choice(run: PublishedRun) -> Choice:
    plan = run.workload.plan
    sharding = plan.sharding or ("none" if run.machine.gpu_count == 1 else "zero1")
    return Choice(
        plan.activation_checkpointing or "none",
        run.workload.optimizer,
        plan.offload or (),
        sharding,
        *plan.cut,
        kind="frugal" if run.framework == "fused" else "usual",
    )
