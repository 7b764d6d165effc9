"""What is to be trained: by architecture, by a measured reference run, or by both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from service.estimation.hardware import Gpu

Precision = Literal["bf16", "fp16", "fp8", "tf32", "fp32"]
Optimizer = Literal["adamw", "adamw_bf16_states", "adamw_8bit", "muon", "lion", "sgd", "adafactor"]
Checkpointing = Literal["none", "selective", "full"]
Offload = Literal["optimizer", "gradients", "activations", "parameters"]
Sharding = Literal["none", "ddp", "zero1", "zero2", "fsdp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A decoder-only transformer by its shapes. `parameters` counts for memory; matmul work follows from the shapes."""

    parameters: float  # all of them: embeddings, value embeddings, every expert
    layers: int
    width: int
    heads: int
    vocabulary: int
    seq_len: int
    kv_heads: int  # equal to heads without grouped-query attention
    ffn_width: int
    ffn_gated: bool
    tied_embeddings: bool
    attention_window: int | None = None  # None: every token sees all before it
    active_parameters: float | None = None  # mixture of experts; None: dense


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A run that somebody measured: the same workload on `gpu_count` GPUs took `hours` of wall time."""

    gpu: Gpu
    gpu_count: int
    hours: float
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedPlan:
    """The settings that the user has fixed; None: searched."""

    micro_batch: int | None = None
    activation_checkpointing: Checkpointing | None = None
    optimizer: Optimizer | None = None
    offload: tuple[Offload, ...] | None = None
    sharding: Sharding | None = None
    compiled: bool | None = None
    flash_attention: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is to be trained. Has a model, a reference, or both."""

    name: str
    tokens: float | None  # None only with a reference and no model
    tokens_per_step: int | None
    slug: str | None = None  # None: given with the request
    precision: Precision = "bf16"
    optimizer: Optimizer = "adamw"
    model: Model | None = None
    reference: Reference | None = None
    plan: PinnedPlan = PinnedPlan()
    assumed: tuple[str, ...] = ()  # what was filled in by the usual rules, in words
    source: str | None = None
