"""What the core answers: hours with their interval, the plan, the evidence; or why there are none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from service.estimation.workload import Checkpointing, Offload, Optimizer, Sharding

Method = Literal["model", "ratio"]


@dataclass(frozen=True, slots=True)
class Interval:
    """P10, P50 and P90 of a positive quantity: eight of ten such runs end between the outer two."""

    p10: float
    p50: float
    p90: float

    def __post_init__(self) -> None:
        if not 0 <= self.p10 <= self.p50 <= self.p90:
            raise ValueError(f"not an interval: {self.p10}, {self.p50}, {self.p90}")

    def __mul__(self, factor: float) -> Interval:
        return Interval(self.p10 * factor, self.p50 * factor, self.p90 * factor)


@dataclass(frozen=True, slots=True)
class PlanMemory:
    """GB (binary) that a plan needs on each GPU, and that a GPU has after the stated margin."""

    needed: float
    available: float
    host_needed: float = 0.0  # GB of host RAM for what is offloaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How the workload is made to fit: the settings a user would type."""

    micro_batch: int
    activation_checkpointing: Checkpointing
    optimizer: Optimizer
    offload: tuple[Offload, ...]
    sharding: Sharding
    compiled: bool
    flash_attention: bool
    memory_gb: PlanMemory
    recompute_factor: float  # hardware FLOPs over model FLOPs
    loss_chunk_tokens: int | None = None  # None: the loss is computed at once
    tensor_parallel: int = 1  # GPUs that cut each matrix between them
    pipeline_parallel: int = 1  # groups of GPUs that hold some of the layers each
    context_parallel: int = 1  # GPUs that cut each sequence between them
    virtual_stages: int = 1  # parts of the model that each group of a pipeline has, turn by turn


@dataclass(frozen=True, slots=True)
class Evidence:
    """On whose word: a tier and the published runs nearest to this estimate (their ids in catalogue/runs.csv)."""

    tier: Literal["measured", "same_gpu", "same_family", "data_sheet", "reference"]
    runs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Hours of a workload on a machine."""

    hours: Interval
    evidence: Evidence
    plan: Plan | None = None  # None: memory could not be checked (no model, or method ratio)
    fits: bool = True  # false only for a pinned plan that does not fit
    lacks_gb: float = 0.0
    tokens_per_s_per_gpu: Interval | None = None  # None: the workload's tokens are unknown
    mfu: float | None = None
    sigma_shared: float = 0.0  # log standard deviation shared by every machine (the workload's own part)
    sigma_own: float = 0.0  # log standard deviation of this GPU's part
    step_parts_s: Mapping[str, float] = field(default_factory=dict)  # sums to the seconds of one optimizer step
    memory_parts_gb: Mapping[str, float] = field(default_factory=dict)  # sums to plan.memory_gb.needed
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Infeasible:
    """Why a machine cannot run the workload: a value, shown to the user."""

    reason: Literal[
        "out_of_memory",
        "plan_out_of_memory",
        "plan_does_not_divide",
        "unsupported_precision",
        "no_reference",
        "batch_too_small",
    ]
    detail: str
    lacks_gb: float | None = None
    estimate: Estimate | None = None  # the hours it would take, for a pinned plan that does not fit
