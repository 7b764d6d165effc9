"""What a data sheet means in training: rates that a GPU sustains, and the software that runs on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from service.estimation.efficiencies import Efficiencies
from service.estimation.flops import Floats
from service.estimation.hardware import Gpu
from service.estimation.workload import Precision

Framework = Literal["eager", "compiled", "fused", "legacy"]
Kernel = Literal["plain", "fused_2023", "fused", "newest"]  # of attention

USABLE_BANDWIDTH = 0.85  # of the data sheet, by streaming benchmarks; every memory term is relative to it


@dataclass(frozen=True, slots=True, kw_only=True)
class Chips:
    """GPUs as columns: what one of them does per second."""

    matmul: Floats  # FLOP/s of large matrix products in the workload's precision
    wide_matmul: Floats  # FLOP/s of what stays 16-bit under FP8: attention and the output head
    bandwidth: Floats  # bytes/s usable
    attention: Floats  # rate of fused attention over wide_matmul
    matmul_traffic: Floats
    cached_traffic: Floats
    narrow_heads: Floats  # attention rate of heads at most 64 wide, over wider ones
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
SUSTAINED_TFLOPS_PER_W = {"Ampere": 0.85, "Ada": 0.65, "Hopper": 1.15, "Blackwell": 1.2, "Blackwell Ultra": 1.7}
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


FP16_INSTEAD = 1.2  # over the BF16 rate: then whoever has such a card trains in FP16 (MI100: twice)


def runs_as_fp16(gpu: Gpu) -> bool:
    """Whether BF16 is missing or so slow that FP16 takes its place."""
    fp16 = gpu.fp16_tflops or 0.0
    return gpu.bf16_tflops is None or fp16 > FP16_INSTEAD * gpu.bf16_tflops


def _matrix_peak(gpu: Gpu, precision: Precision) -> float | None:
    rates = {
        "bf16": gpu.fp16_tflops if runs_as_fp16(gpu) else gpu.bf16_tflops,
        "fp16": max(gpu.fp16_tflops or 0.0, gpu.bf16_tflops or 0.0) or None,
        "fp8": gpu.fp8_tflops,
        "tf32": gpu.tf32_tflops,
        "fp32": None,
    }
    return rates[precision]


@dataclass(frozen=True, slots=True)
class Sustained:
    """TFLOP/s that large matrix products reach, and what says so."""

    tflops: float
    reason: str


@lru_cache(maxsize=4096)
def sustained(gpu: Gpu, precision: Precision) -> Sustained:
    """What large matrix products reach: as measured, else what peak and power allow; or the vector units, if faster.

    Never less for a card that is better on any line of its data sheet.
    """
    share = REACHED_OF_PEAK_VECTOR
    vector = Sustained(gpu.fp32_tflops * share, f"{share:.0%} of its FP32 units' rate")
    peak = _matrix_peak(gpu, precision)
    return vector if peak is None else max(vector, _of_matrices(gpu, precision, peak), key=lambda rate: rate.tflops)


def _of_matrices(gpu: Gpu, precision: Precision, peak: float) -> Sustained:
    power = SUSTAINED_TFLOPS_PER_W.get(gpu.architecture, math.inf) * gpu.board_power_w
    by_power = Sustained(power, f"what {gpu.board_power_w:.0f} W sustain in {gpu.architecture} chips")
    measured = _measured(gpu)
    if measured and gpu.architecture == "Ada":  # measured in bursts: an L40S in training stays a fifth below its own
        measured = min(measured, by_power, key=lambda rate: rate.tflops)
    slower = gpu.bf16_tflops is not None and runs_as_fp16(gpu)  # than what training on this card runs in
    if measured and not slower and precision in ("bf16", "fp16"):  # one rate on every card whose rate was measured
        return measured
    boosts = gpu.consumer and not gpu.name.startswith("Titan")  # a Titan runs at the rate of its workstation sisters
    share = REACHED_OF_PEAK.get((gpu.vendor, boosts), REACHED_BY_OTHERS)
    kind = "consumer" if boosts else "data-centre"
    by_peak = Sustained(peak * share, f"{share:.0%} of its data sheet's rate, as {gpu.vendor} {kind} cards reach")
    known, times = measured or by_power, RATE_OVER_16_BIT[precision]
    if slower:
        known = max(known, by_power, key=lambda rate: rate.tflops)
    in_precision = Sustained(times * known.tflops, known.reason + (f", times {times:g}" if times != 1 else ""))
    reached = min(by_peak, in_precision, key=lambda rate: rate.tflops)
    if measured and precision in ("bf16", "fp16"):
        return max(reached, measured, key=lambda rate: rate.tflops)
    return reached


def _measured(gpu: Gpu) -> Sustained | None:
    """The best published rate in BF16."""
    rate = gpu.matmul_bf16_tflops
    return None if rate is None else Sustained(rate, "the best matrix rate that was published for it")


@lru_cache(maxsize=4096)
def _chip(gpu: Gpu, precision: Precision, kernel: Kernel) -> tuple[float, ...]:
    """What the columns of a GPU hold before the constants are known."""
    hopper, dense_blackwell = gpu.architecture == "Hopper", gpu.architecture.startswith("Blackwell")
    return (
        sustained(gpu, precision).tflops * 1e12,
        sustained(gpu, "bf16" if precision == "fp8" else precision).tflops * 1e12,
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
        narrow_heads=np.where(of_2023 > 0, 1.0, known.narrow_heads),  # kernels of 2023 liked wide heads less
        fp8=fp8,
    )


def software_of(frameworks: Sequence[Framework], kernels: Sequence[Kernel], known: Efficiencies) -> Software:
    """Frameworks as columns."""
    traffic: dict[Framework, float] = {
        "eager": known.traffic_eager,
        "compiled": known.traffic_compiled,
        "fused": known.traffic_fused,
        "legacy": known.traffic_legacy,
    }
    launch = {"eager": known.launch_eager, "legacy": known.launch_legacy}
    return Software(
        traffic=np.array([traffic[framework] for framework in frameworks]),
        launch=np.array([launch.get(framework, known.launch_current) for framework in frameworks]),
        fused_attention=np.array([float(kernel != "plain") for kernel in kernels]),
    )
