"""How long one micro-step takes on one GPU: a roofline whose efficiencies are fitted to published runs.

Every term adds, so that more FLOP/s or more bandwidth is never slower.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from service.estimation.chips import Chips, Software
from service.estimation.efficiencies import Efficiencies
from service.estimation.flops import Floats, Work


@dataclass(frozen=True, slots=True)
class MicroStep:
    """Seconds of one micro-step on one GPU, by what takes them. Without recomputation, which stands by itself."""

    matmul: Floats
    attention: Floats
    element_wise: Floats
    logits: Floats
    recompute: Floats
    launch: Floats

    @property
    def total(self) -> Floats:
        return self.matmul + self.attention + self.element_wise + self.logits + self.recompute + self.launch


def micro_step(
    work: Work,
    chips: Chips,
    software: Software,
    micro_batch: Floats,
    recomputed: Floats,
    value_bytes: float | Floats,
    known: Efficiencies,
) -> MicroStep:
    """The time of forward and backward over `micro_batch` sequences; `recomputed` forwards are repeated."""
    tokens = micro_batch * work.seq_len
    layers = work.layers * _layer_matmul(work, chips, tokens, value_bytes)
    head = _product(tokens, work.vocabulary, work.width, chips.wide_matmul, chips, value_bytes)
    attention = work.layers * tokens * _attention_per_token(work, chips, software, known)
    element_wise = work.layers * tokens * _element_wise_per_token(work, chips, software, value_bytes, known)
    logits = tokens * work.vocabulary * known.logit_bytes / chips.bandwidth
    matmul = 3 * (layers + head)
    recompute = recomputed * (layers + attention * (1 / 3.5) + element_wise / 3)
    busy = matmul + attention + element_wise + logits + recompute
    # the host runs ahead of the GPU until it cannot: a smooth maximum of both
    launch = (busy**4 + (software.launch * work.layers) ** 4) ** 0.25 - busy
    return MicroStep(matmul, attention, element_wise, logits, recompute, launch)


def _layer_matmul(work: Work, chips: Chips, tokens: Floats, value_bytes: float | Floats) -> Floats:
    """One forward through a layer's matrices; of experts, a GPU reads those that it holds, for the tokens of all."""
    d, experts = work.width, work.experts_per_token
    seen, f = tokens * experts, work.ffn_width / experts
    held = experts / work.ffn_share / work.expert_groups
    up = _product(seen, f * (work.ffn_matrices - 1), d, chips.matmul, chips, value_bytes, held)
    down = _product(seen, d, f, chips.matmul, chips, value_bytes, held)
    qkv = _product(tokens, work.query_width + work.key_value_width, d, chips.matmul, chips, value_bytes)
    out = _product(tokens, d, work.query_width, chips.matmul, chips, value_bytes)
    return up + down + qkv + out


def element_wise_values(work: Work, known: Efficiencies) -> Floats:
    """Values that a layer reads and writes beside its products, per token and both ways."""
    dense = 24 * work.residual_width + (6 + 4 * (work.ffn_matrices - 2)) * work.ffn_width
    # tokens are sorted by expert and put back, as often as they are seen
    sorted_out = np.where(work.ffn_share < 1.0, known.expert_values * work.experts_per_token * work.residual_width, 0.0)
    values: Floats = dense + sorted_out
    return values


def _product(
    m: Floats,
    n: Floats,
    k: Floats,
    rate: Floats,
    chips: Chips,
    value_bytes: float | Floats,
    matrices: float | Floats = 1.0,
) -> Floats:
    """Seconds of m x k by k x n, where the rows are shared out over as many matrices."""
    moved = value_bytes * (m * n + matrices * n * k + m * k) * chips.matmul_traffic
    return 2 * m * n * k / rate + moved / chips.bandwidth


def _attention_per_token(work: Work, chips: Chips, software: Software, known: Efficiencies) -> Floats:
    narrow = np.where(work.head_width <= 64, chips.narrow_heads, 1.0)
    fused = (
        14
        * (work.keys + known.attention_extra_keys)
        * work.query_width
        / (chips.wide_matmul * chips.attention * narrow)
    )
    scores = work.heads * np.minimum(work.seq_len, 2 * work.keys)  # without fusion the masked half is worked on too
    plain = 12 * work.seq_len * work.query_width / chips.wide_matmul + scores * known.score_bytes / chips.bandwidth
    return np.where(software.fused_attention > 0, fused, np.maximum(plain, fused))


def _element_wise_per_token(
    work: Work, chips: Chips, software: Software, value_bytes: float | Floats, known: Efficiencies
) -> Floats:
    gated = work.ffn_matrices - 2
    values = element_wise_values(work, known)
    quantised = 6 * work.residual_width + (4 + 2 * gated) * work.ffn_width
    seconds_per_value = value_bytes * chips.cached_traffic / chips.bandwidth
    return (values * software.traffic + chips.fp8 * known.fp8_traffic * quantised) * seconds_per_value
