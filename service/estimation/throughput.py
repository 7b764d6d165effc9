"""How long one micro-step takes on one GPU: a roofline whose efficiencies are fitted to published runs.

Every term adds, so that more FLOP/s or more bandwidth is never slower.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Literal

import numpy as np

from service.estimation.flops import Floats, Work
from service.estimation.hardware import Gpu
from service.estimation.workload import Precision

Framework = Literal["eager", "compiled", "current", "fused", "legacy"]
Kernel = Literal["plain", "fused_2023", "fused", "newest"]  # of attention

USABLE_BANDWIDTH = 0.85  # of the data sheet, by streaming benchmarks; every memory term is relative to it


def constant(start: float, low: float, high: float, unit: str, meaning: str) -> float:
    """A fitted constant: where the fit starts, what is plausible, and what it says."""
    value: float = field(default=start, metadata={"low": low, "high": high, "unit": unit, "meaning": meaning})
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Efficiencies:
    """The constants of the roofline; `rig-or-rent fit` writes them to catalogue/efficiencies.toml."""

    matmul_traffic: float = constant(2.0, 1.0, 4.0, "x", "bytes that a matrix multiplication moves, over the least")
    matmul_traffic_large_cache: float = constant(1.1, 0.5, 3.0, "x", "the same where tens of MB of L2 hold the tiles")
    cached_traffic: float = constant(0.41, 0.2, 1.0, "x", "element-wise traffic left where tens of MB of L2 hold it")
    attention_2023: float = constant(0.6, 0.3, 1.0, "x", "rate of fused attention of 2023, over today's")
    attention: float = constant(0.64, 0.3, 1.0, "of matmul", "rate of fused attention, Ampere and consumer cards")
    attention_hopper: float = constant(0.34, 0.2, 1.0, "of matmul", "rate of attention made for Ampere, on newer chips")
    attention_newest: float = constant(0.6, 0.3, 1.0, "of matmul", "rate of attention made for Hopper, on Hopper")
    attention_blackwell: float = constant(0.5, 0.2, 1.0, "of matmul", "rate of attention on Blackwell with HBM")
    attention_extra_keys: float = constant(150.0, 10.0, 1500.0, "keys", "overhead of attention per query, in keys")
    narrow_heads: float = constant(0.89, 0.4, 1.0, "x", "attention rate of heads at most 64 wide, over wider ones")
    score_bytes: float = constant(46.0, 10.0, 80.0, "bytes", "traffic per attention score without fused attention")
    traffic_eager: float = constant(2.3, 1.0, 4.0, "x", "element-wise traffic over the formula, framework op by op")
    traffic_compiled: float = constant(1.4, 0.5, 2.5, "x", "the same under torch.compile")
    traffic_current: float = constant(1.0, 0.3, 4.0, "x", "the same in the best current frameworks")
    traffic_fused: float = constant(0.33, 0.1, 1.5, "x", "the same in hand-fused CUDA")
    traffic_legacy: float = constant(4.0, 1.5, 6.0, "x", "the same in FP16 autocast of 2023 and before")
    logit_bytes: float = constant(10.5, 4.0, 24.0, "bytes", "traffic per logit, loss and gradient")
    fp8_traffic: float = constant(1.3, 0.2, 3.0, "x", "traffic of quantising to FP8, over reading and writing once")
    launch_eager: float = constant(1.0e-3, 1e-4, 5e-3, "s", "host time per layer and micro-step, op by op")
    launch_current: float = constant(2.0e-4, 2e-5, 2e-3, "s", "host time per layer and micro-step, compiled or fused")
    launch_legacy: float = constant(4.5e-3, 1e-3, 1e-2, "s", "host time per layer and micro-step, old autocast")
    selective_recompute: float = constant(0.1, 0.0, 0.5, "of a forward", "work that selective checkpointing repeats")
    bus: float = constant(0.75, 0.4, 1.0, "of line rate", "bandwidth that collectives reach")
    overlap: float = constant(0.5, 0.2, 0.98, "of the time", "communication that hides behind computation")
    overlap_tensor: float = constant(0.3, 0.0, 0.9, "of the time", "sums over cut matrices that hide behind others")
    overlap_host: float = constant(
        0.5, 0.1, 0.95, "of the time", "transfers to host memory that hide behind computation"
    )


def read_efficiencies(parsed: Mapping[str, object]) -> Efficiencies:
    """Efficiencies from the parsed catalogue file. Raises ValueError when a constant is missing or unknown."""
    constants = parsed.get("constants")
    if not isinstance(constants, Mapping):
        raise ValueError("efficiencies: no table 'constants'")
    known = {item.name for item in fields(Efficiencies)}
    if constants.keys() != known:
        raise ValueError(f"efficiencies: {sorted(constants.keys() ^ known)} missing or unknown")
    return Efficiencies(**{name: float(entry["value"]) for name, entry in constants.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Chips:
    """GPUs as columns: what one of them does per second."""

    matmul: Floats  # FLOP/s of large matrix products in the workload's precision
    wide_matmul: Floats  # FLOP/s of what stays 16-bit under FP8: attention and the output head
    bandwidth: Floats  # bytes/s usable
    attention: Floats  # rate of fused attention over wide_matmul
    matmul_traffic: Floats
    cached_traffic: Floats
    fp8: Floats  # 1 when the products are FP8


@dataclass(frozen=True, slots=True, kw_only=True)
class Software:
    """Frameworks as columns."""

    traffic: Floats
    launch: Floats
    fused_attention: Floats  # 1 or 0


# What a data sheet means --------------------------------------------------------------------------------------------

# TFLOP/s per watt that chips of a generation sustain in large matrix products: set on facts of 25 NVIDIA cards whose
# rates were measured (median 5 %, nine in ten within 21 %); it tells a 72 W L4 from its own peak.
SUSTAINED_TFLOPS_PER_W = {"Ampere": 0.85, "Ada": 0.70, "Hopper": 1.15, "Blackwell": 1.2, "Blackwell Ultra": 1.7}
# Of the data sheet's rate in large products, by vendor and whether it is a consumer card. GeForce boosts over the clock
# its data sheet counts (matmul rates of 0.85 to 1.16 of it); MI300X reaches 0.51, MI325X 0.60, MI355X 0.68, RX 7900 XTX
# 0.72; Gaudi 2 0.97, Gaudi 3 0.74 (stas00/ml-engineering, zzc0721/torch-performance-test-data).
REACHED_OF_PEAK = {
    ("NVIDIA", False): 0.83,
    ("NVIDIA", True): 1.05,
    ("AMD", False): 0.58,
    ("AMD", True): 0.70,
    ("Intel", False): 0.72,
}
REACHED_BY_OTHERS = 0.5
REACHED_OF_PEAK_VECTOR = 0.75  # FP32 units, and cards without matrix units
RATE_OVER_16_BIT: dict[Precision, float] = {"bf16": 1.0, "fp16": 1.0, "fp8": 2.0, "tf32": 0.5, "fp32": 0.0}


def large_cache(gpu: Gpu) -> bool:
    """Whether the chip has an L2 of tens of MB beside slow memory: Ada, and Blackwell on GDDR."""
    return gpu.architecture == "Ada" or (gpu.architecture == "Blackwell" and gpu.form_factor == "PCIe")


def peak_tflops(gpu: Gpu, precision: Precision) -> float | None:
    """The data sheet's dense rate in a precision, or in what a card without it falls back to; None: it cannot."""
    if precision == "fp8":
        return gpu.fp8_tflops
    return max(_matrix_peak(gpu, precision) or 0.0, gpu.fp32_tflops)


def _matrix_peak(gpu: Gpu, precision: Precision) -> float | None:
    rates = {
        "bf16": gpu.bf16_tflops or gpu.fp16_tflops,
        "fp16": max(gpu.fp16_tflops or 0.0, gpu.bf16_tflops or 0.0) or None,
        "fp8": gpu.fp8_tflops,
        "tf32": gpu.tf32_tflops,
        "fp32": None,
    }
    return rates[precision]


@lru_cache(maxsize=4096)
def sustained_tflops(gpu: Gpu, precision: Precision) -> float:
    """What large matrix products reach: as measured, else what peak and power allow; or the vector units, if faster.

    Never less for a card that is better on any line of its data sheet.
    """
    vector = gpu.fp32_tflops * REACHED_OF_PEAK_VECTOR
    peak = _matrix_peak(gpu, precision)
    return vector if peak is None else max(vector, _matrix_tflops(gpu, precision, peak))


def _matrix_tflops(gpu: Gpu, precision: Precision, peak: float) -> float:
    by_power = SUSTAINED_TFLOPS_PER_W.get(gpu.architecture, math.inf) * gpu.board_power_w
    measured = gpu.matmul_bf16_tflops
    if measured is not None and gpu.architecture == "Ada":
        measured = min(measured, by_power)  # measured in bursts: an L40S in training stays a fifth below its own
    if measured is not None and precision == "bf16":
        return measured
    by_peak = peak * REACHED_OF_PEAK.get((gpu.vendor, gpu.consumer), REACHED_BY_OTHERS)
    return min(by_peak, RATE_OVER_16_BIT[precision] * (by_power if measured is None else measured))


@lru_cache(maxsize=4096)
def _chip(gpu: Gpu, precision: Precision, kernel: Kernel) -> tuple[float, ...]:
    """What the columns of a GPU hold before the constants are known."""
    hopper, dense_blackwell = gpu.architecture == "Hopper", gpu.architecture.startswith("Blackwell")
    return (
        sustained_tflops(gpu, precision) * 1e12,
        sustained_tflops(gpu, "bf16" if precision == "fp8" else precision) * 1e12,
        gpu.bandwidth_gb_s * 1e9 * USABLE_BANDWIDTH,
        float(large_cache(gpu)),
        float(hopper and kernel != "newest"),
        float(hopper and kernel == "newest"),
        float(dense_blackwell and not large_cache(gpu)),
        float(kernel == "fused_2023"),
        float(precision == "fp8"),
    )


def chip_table(gpus: Sequence[Gpu], precisions: Sequence[Precision], kernels: Sequence[Kernel]) -> Floats:
    """GPUs, each with the precision and the attention kernel that it works in, as rows that no constant changes."""
    return np.array([_chip(*row) for row in zip(gpus, precisions, kernels, strict=True)]).T


def chips_of(table: Floats, known: Efficiencies) -> Chips:
    """GPUs as columns."""
    matmul, wide, bandwidth, large, hopper, newest, blackwell, of_2023, fp8 = table
    other = 1 - hopper - newest - blackwell
    attention = (
        other * known.attention
        + hopper * known.attention_hopper
        + newest * known.attention_newest
        + blackwell * known.attention_blackwell
    )
    return Chips(
        matmul=matmul,
        wide_matmul=wide,
        bandwidth=bandwidth,
        attention=attention * np.where(of_2023 > 0, known.attention_2023, 1.0),
        matmul_traffic=np.where(large > 0, known.matmul_traffic_large_cache, known.matmul_traffic),
        cached_traffic=np.where(large > 0, known.cached_traffic, 1.0),
        fp8=fp8,
    )


def software_of(frameworks: Sequence[Framework], kernels: Sequence[Kernel], known: Efficiencies) -> Software:
    """Frameworks as columns."""
    traffic: dict[Framework, float] = {
        "eager": known.traffic_eager,
        "compiled": known.traffic_compiled,
        "current": known.traffic_current,
        "fused": known.traffic_fused,
        "legacy": known.traffic_legacy,
    }
    launch = {"eager": known.launch_eager, "legacy": known.launch_legacy}
    return Software(
        traffic=np.array([traffic[framework] for framework in frameworks]),
        launch=np.array([launch.get(framework, known.launch_current) for framework in frameworks]),
        fused_attention=np.array([float(kernel != "plain") for kernel in kernels]),
    )


# One micro-step -------------------------------------------------------------------------------------------------------


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
    """One forward through a layer's matrices; with experts, fewer tokens meet each matrix."""
    d, f = work.width, work.ffn_width
    expert_tokens, expert_width = tokens * work.ffn_share, f / work.ffn_share
    up = _product(expert_tokens, expert_width * (work.ffn_matrices - 1), d, chips.matmul, chips, value_bytes)
    down = _product(expert_tokens, d, expert_width, chips.matmul, chips, value_bytes)
    qkv = _product(tokens, work.query_width + work.key_value_width, d, chips.matmul, chips, value_bytes)
    out = _product(tokens, d, work.query_width, chips.matmul, chips, value_bytes)
    return up + down + qkv + out


def _product(m: Floats, n: Floats, k: Floats, rate: Floats, chips: Chips, value_bytes: float | Floats) -> Floats:
    moved = value_bytes * (m * n + n * k + m * k) * chips.matmul_traffic
    return 2 * m * n * k / rate + moved / chips.bandwidth


def _attention_per_token(work: Work, chips: Chips, software: Software, known: Efficiencies) -> Floats:
    narrow = np.where(work.head_width <= 64, known.narrow_heads, 1.0)
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
    values = 24 * work.residual_width + (6 + 4 * gated) * work.ffn_width
    quantised = 6 * work.residual_width + (4 + 2 * gated) * work.ffn_width
    seconds_per_value = value_bytes * chips.cached_traffic / chips.bandwidth
    return (values * software.traffic + chips.fp8 * known.fp8_traffic * quantised) * seconds_per_value
