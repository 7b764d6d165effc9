"""What is to be trained: by architecture, by a measured reference run, or by both."""

from __future__ import annotations

import math
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
    head_width: int | None = None  # None: width / heads

    def __post_init__(self) -> None:
        if reason := why_impossible(self):
            raise ValueError(reason)


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
    tensor_parallel: int | None = None  # GPUs that cut each matrix between them
    pipeline_parallel: int | None = None  # groups of GPUs that hold some of the layers each
    context_parallel: int | None = None  # GPUs that cut each sequence between them
    virtual_stages: int | None = None  # parts of the model that each group of a pipeline has, turn by turn

    @property
    def cut(self) -> tuple[int, int, int]:
        """Over how many GPUs matrices, layers and sequences are cut: 1 where that is not fixed."""
        return self.tensor_parallel or 1, self.pipeline_parallel or 1, self.context_parallel or 1


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


def why_uncuttable(plan: PinnedPlan, model: Model) -> str | None:
    """What keeps a model from being cut as pinned, beginning with the field at fault; None: nothing.

    Stages need not be equal: the 126 layers of Llama 3.1 405B are trained in 8 and in 16.
    """
    tensor, pipeline, context = plan.cut
    if model.heads % tensor:
        return f"tensor_parallel: {tensor} does not divide {model.heads} heads"
    if model.kv_heads % tensor and tensor % model.kv_heads:  # fewer heads of keys than GPUs are held more than once
        return f"tensor_parallel: {tensor} GPUs cannot share {model.kv_heads} heads of keys and values evenly"
    if pipeline > model.layers:
        return f"pipeline_parallel: {pipeline} stages are more than {model.layers} layers"
    if (plan.virtual_stages or 1) * pipeline > model.layers:
        return f"virtual_stages: {plan.virtual_stages} for each of {pipeline} are more than {model.layers} layers"
    if model.seq_len % context:
        return f"context_parallel: {context} does not divide a sequence of {model.seq_len} tokens"
    return None


# Tokens of an optimizer step, by parameters, as the models of GPT-3 were trained (Brown et al., arXiv:2005.14165, table
# 2.1: 0.5 M below 1 B, 1 M to 2.7 B, 2 M to 13 B, 3.2 M at 175 B; all of 2020), as powers of two.
USUAL_TOKENS_PER_STEP = ((1e9, 524_288), (5e9, 1_048_576), (5e10, 2_097_152), (math.inf, 4_194_304))


def usual_tokens_per_step(model: Model) -> int:
    """Tokens of an optimizer step for a model of this size, where nobody says: at least a sequence."""
    usual = next(tokens for below, tokens in USUAL_TOKENS_PER_STEP if model.parameters < below)
    return max(usual, model.seq_len)


def tokens_per_step(workload: Workload) -> int:
    """Tokens of an optimizer step: as given, else as usual."""
    if workload.tokens_per_step is not None or workload.model is None:
        return workload.tokens_per_step or USUAL_TOKENS_PER_STEP[0][1]
    return usual_tokens_per_step(workload.model)


def why_impossible(model: Model) -> str | None:
    """What contradicts itself in these shapes, beginning with the field at fault; None: nothing."""
    for name in ("layers", "width", "heads", "vocabulary", "seq_len", "kv_heads", "ffn_width", "parameters"):
        if not getattr(model, name) > 0:
            return f"{name}: must be positive"
    if model.head_width is None and model.width % model.heads:
        return f"heads: {model.heads} heads do not divide a width of {model.width}"
    if model.kv_heads > model.heads or model.heads % model.kv_heads:
        return f"kv_heads: {model.kv_heads} do not divide {model.heads} heads"
    if model.attention_window is not None and model.attention_window <= 0:
        return "attention_window: must be positive"
    if model.head_width is not None and model.head_width <= 0:
        return "head_width: must be positive"
    if model.active_parameters is not None and not 0 < model.active_parameters <= model.parameters:
        return "active_parameters: must be positive and at most parameters"
    return None


def complete_model(
    *,
    layers: int,
    width: int,
    heads: int,
    vocabulary: int,
    seq_len: int,
    parameters: float | None = None,
    kv_heads: int | None = None,
    ffn_width: int | None = None,
    ffn_gated: bool | None = None,
    tied_embeddings: bool | None = None,
    attention_window: int | None = None,
    active_parameters: float | None = None,
    head_width: int | None = None,
) -> tuple[Model, tuple[str, ...]]:
    """A model whose missing shapes follow by the usual rules, and those assumptions in words. Raises ValueError."""
    assumed = []
    if kv_heads is None:
        kv_heads = heads
        assumed.append(f"kv_heads {heads}: as many as heads")
    if ffn_gated is None:
        ffn_gated = False
        assumed.append("ffn_gated false: a plain feed-forward block")
    attention = _attention_parameters(width, heads, kv_heads, head_width or width // max(heads, 1))
    if min(layers, width, vocabulary) > 0:  # else Model says what is wrong
        target = None if active_parameters is not None else parameters
        tied, ffn = _embedding_and_feed_forward(
            layers, width, vocabulary, attention, ffn_gated, target, tied_embeddings, ffn_width
        )
        if tied_embeddings is None:
            assumed.append(f"tied_embeddings {str(tied).lower()}: {_by_rule(parameters, 'a separate output head')}")
        if ffn_width is None:
            assumed.append(f"ffn_width {ffn}: {_by_rule(parameters, 'the usual share of the width')}")
        if parameters is None:
            parameters = _parameters(layers, width, vocabulary, attention, ffn_gated, tied, ffn)
            assumed.append(f"parameters {parameters:,.0f}: from the shapes")
        tied_embeddings, ffn_width = tied, ffn
    model = Model(
        parameters=parameters or 0.0,
        layers=layers,
        width=width,
        heads=heads,
        vocabulary=vocabulary,
        seq_len=seq_len,
        kv_heads=kv_heads,
        ffn_width=ffn_width or 0,
        ffn_gated=ffn_gated,
        tied_embeddings=bool(tied_embeddings),
        attention_window=attention_window,
        active_parameters=active_parameters,
        head_width=head_width,
    )
    if mismatch := _why_too_few(model, attention):
        raise ValueError(mismatch)
    return model, tuple(assumed)


def _by_rule(parameters: float | None, rule: str) -> str:
    return rule if parameters is None else "fits the number of parameters best"


def _attention_parameters(width: int, heads: int, kv_heads: int, head_width: int) -> int:
    return 2 * width * head_width * (heads + kv_heads)


def _parameters(
    layers: int, width: int, vocabulary: int, attention: int, gated: bool, tied: bool, ffn_width: int
) -> float:
    """Weights of the shapes; norms and biases are left out (less than 0.1 %)."""
    feed_forward = (3 if gated else 2) * width * ffn_width
    return float(layers * (attention + feed_forward) + vocabulary * width * (1 if tied else 2))


def _embedding_and_feed_forward(
    layers: int,
    width: int,
    vocabulary: int,
    attention: int,
    gated: bool,
    parameters: float | None,
    tied: bool | None,
    ffn_width: int | None,
) -> tuple[bool, int]:
    """What is missing of the two, so that the number of parameters comes out; by the usual rule if none is given."""
    usual = math.ceil(8 / 3 * width / 256) * 256 if gated else 4 * width
    if parameters is None:
        return bool(tied), ffn_width or usual
    choices = []
    for choice in [False, True] if tied is None else [tied]:
        rest = parameters - vocabulary * width * (1 if choice else 2) - layers * attention
        solved = rest / (layers * width * (3 if gated else 2))
        within = usual / 2 <= solved <= usual * 2  # else the difference is something that multiplies nothing
        ffn = ffn_width or (round(solved / 64) * 64 if within and width >= 256 else usual)
        total = _parameters(layers, width, vocabulary, attention, gated, choice, ffn)
        surprise = abs(math.log(ffn / usual))
        choices.append((abs(math.log(total / parameters)) + surprise, choice, ffn))
    _, best, ffn = min(choices)
    return best, ffn


def _why_too_few(model: Model, attention: int) -> str | None:
    """More parameters than the shapes hold multiply nothing (value embeddings); fewer by a tenth contradict them."""
    least = model.layers * attention + model.vocabulary * model.width
    if model.active_parameters is None:
        least += model.layers * (3 if model.ffn_gated else 2) * model.width * model.ffn_width
    if model.parameters < 0.9 * least:
        return f"parameters: the shapes alone hold {least:,.0f}, more than {model.parameters:,.0f}"
    return None
