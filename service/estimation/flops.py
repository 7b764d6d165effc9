"""What a model multiplies and moves for one token, from its shapes.

Conventions: a multiply and an add are two FLOPs; model FLOPs are forward and backward (three times forward), causal
attention counts only the half that is not masked, recomputation never counts. MFU is against these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from service.estimation.workload import Model

MOST_EXPERT_GROUPS = 64.0  # over which experts are spread
# Experts that see a token decide what reaching them costs: two where a fifth or more of their weights is active
# (Mixtral and Grok-1 2 of 8, DBRX 4 of 16), else eight (DeepSeek-V3 8 of 256, Qwen3 8 of 128): model cards.
COARSE_EXPERTS, COARSE_EXPERTS_PER_TOKEN, EXPERTS_PER_TOKEN = 0.2, 2.0, 8.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Models as columns, so that one formula serves one model and a table of runs."""

    layers: Floats
    width: Floats
    residual_width: Floats  # of the residual stream on one GPU: the width, or its part under tensor parallelism
    query_width: Floats  # heads x head width
    key_value_width: Floats  # both together
    head_width: Floats
    heads: Floats
    ffn_width: Floats  # what a token passes through; of experts, the active ones together
    ffn_share: Floats  # of a layer's feed-forward weights that a token passes through: 1 unless experts
    experts_per_token: Floats  # 1 unless experts
    expert_groups: Floats  # GPUs that share the experts of a layer out
    ffn_matrices: Floats  # 3 when gated, else 2
    vocabulary: Floats
    seq_len: Floats
    keys: Floats  # that a query attends to on average, causal and within the window
    parameters: Floats  # all that sit in memory
    embedding_parameters: Floats  # trained by Adam even under Muon
    expert_parameters: Floats

    @property
    def layer_matmul_parameters(self) -> Floats:
        """Weights that multiply a token in one layer."""
        attention = self.width * (2 * self.query_width + self.key_value_width)
        return attention + self.ffn_matrices * self.width * self.ffn_width

    @property
    def head_parameters(self) -> Floats:
        return self.vocabulary * self.width

    @property
    def attention_flops(self) -> Floats:
        """Forward FLOPs per token and layer: scores and their sum over values."""
        return 4 * self.keys * self.query_width

    @property
    def model_flops(self) -> Floats:
        """Forward and backward, per token."""
        return 6 * (self.layers * self.layer_matmul_parameters + self.head_parameters) + (
            3 * self.layers * self.attention_flops
        )


def split(work: Work, tensor: Floats, pipeline: Floats, context: Floats) -> Work:
    """One GPU's part of a model whose matrices are cut `tensor` ways, its layers and its sequences as told.

    Every GPU gets an early and a late part of a sequence, so that its queries attend to as many keys as all others'.
    """
    both = tensor * pipeline
    if (both * context == 1).all():
        return work
    return replace(
        work,
        layers=work.layers / pipeline,
        seq_len=work.seq_len / context,
        residual_width=work.residual_width / tensor,
        query_width=work.query_width / tensor,
        key_value_width=work.key_value_width / tensor,
        heads=work.heads / tensor,
        ffn_width=work.ffn_width / tensor,
        vocabulary=work.vocabulary / both,  # the last stage has the head; on average a stage has its share
        parameters=work.parameters / both,
        embedding_parameters=work.embedding_parameters / both,
        expert_parameters=work.expert_parameters / both,
    )


def spread_experts(work: Work, gpus: Floats) -> Work:
    """One GPU's part of a model whose experts are spread over GPUs that otherwise hold the same."""
    if not work.expert_parameters.any():
        return work
    experts = work.experts_per_token / work.ffn_share
    groups = np.clip(gpus, 1.0, np.minimum(MOST_EXPERT_GROUPS, experts))
    share = work.expert_parameters / groups
    return replace(
        work,
        parameters=work.parameters - work.expert_parameters + share,
        expert_parameters=share,
        expert_groups=groups,
    )


def work_of(models: Sequence[Model]) -> Work:
    """The work of several models, one row each."""
    return Work(**{name: np.array(values) for name, values in _columns([_row(model) for model in models]).items()})


def _columns(rows: Sequence[dict[str, float]]) -> dict[str, list[float]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def _row(model: Model) -> dict[str, float]:
    head_width = model.head_width or model.width // model.heads
    query, key_value = head_width * model.heads, 2 * head_width * model.kv_heads
    embeddings = model.vocabulary * model.width * (1 if model.tied_embeddings else 2)
    attention = model.layers * model.width * (2 * query + key_value)
    matrices = 3 if model.ffn_gated else 2
    ffn_width, share, experts = float(model.ffn_width), 1.0, 0.0
    if model.active_parameters is not None:
        active = model.active_parameters - attention - embeddings
        if active > 0:
            ffn_width = active / (model.layers * matrices * model.width)
            experts = model.parameters - attention - embeddings
            share = min(1.0, active / experts)
    return {
        "layers": float(model.layers),
        "width": float(model.width),
        "residual_width": float(model.width),
        "query_width": float(query),
        "key_value_width": float(key_value),
        "head_width": float(head_width),
        "heads": float(model.heads),
        "ffn_width": ffn_width,
        "ffn_share": share,
        "experts_per_token": _experts_per_token(share),
        "expert_groups": 1.0,
        "ffn_matrices": float(matrices),
        "vocabulary": float(model.vocabulary),
        "seq_len": float(model.seq_len),
        "keys": _keys(model),
        "parameters": float(model.parameters),
        # what is neither attention nor feed-forward is an embedding of some kind (nanochat's value embeddings)
        "embedding_parameters": max(float(embeddings), _not_in_layers(model, attention, matrices, experts)),
        "expert_parameters": experts,
    }


def _experts_per_token(share: float) -> float:
    if share >= 1.0:
        return 1.0
    return COARSE_EXPERTS_PER_TOKEN if share >= COARSE_EXPERTS else EXPERTS_PER_TOKEN


def _not_in_layers(model: Model, attention: float, matrices: int, experts: float) -> float:
    feed_forward = experts or model.layers * matrices * model.width * model.ffn_width
    return float(model.parameters) - attention - feed_forward


def _keys(model: Model) -> float:
    window = min(model.attention_window or model.seq_len, model.seq_len)
    return window * (1 - window / (2 * model.seq_len))
