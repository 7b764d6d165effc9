"""The published-ratio method: hours of a measured run, scaled by what data sheets and owners say one GPU is worth.

The seed of this project counts one H100 SXM as 8 to 9 RTX 4070. That band comes out of data sheets alone: tensor rates
say an H100 is 989.4 / 116.6 = 8.5 RTX 4070 when each card is taken at the rate its maker prints in large letters for
16-bit products (GeForce with FP16 accumulation, which is twice what training with FP32 accumulation reaches).
A band of half a card around that, 1/17 of it, gives 8 to 9. The method ignores memory, links and efficiency on purpose:
it stands beside the model as the arithmetic that most people do first.
"""

from __future__ import annotations

import math

from service.estimation.answer import Estimate, Evidence, Infeasible, Interval
from service.estimation.hardware import Gpu, Machine
from service.estimation.workload import Workload

FEWEST, MOST = 16 / 17, 18 / 17  # 8.5 give or take 0.5


def headline_tflops(gpu: Gpu) -> float:
    """The 16-bit dense tensor rate as its maker prints it: GeForce cards with FP16 accumulation, twice ours."""
    rate = max(gpu.bf16_tflops or 0.0, gpu.fp16_tflops or 0.0, gpu.fp32_tflops)
    return rate * 2 if _is_geforce(gpu) and rate > gpu.fp32_tflops * 1.5 else rate


def _is_geforce(gpu: Gpu) -> bool:
    """GeForce alone runs FP32 accumulation at half rate; a Titan and a GB10 are printed at the rate they train at."""
    return gpu.vendor == "NVIDIA" and gpu.consumer and gpu.name.startswith(("RTX", "GTX"))


def by_ratio(workload: Workload, machine: Machine) -> Estimate | Infeasible:
    """GPU-hours of the reference times the ratio of headline rates, over the number of GPUs."""
    reference = workload.reference
    if reference is None:
        return Infeasible(reason="no_reference", detail="the ratio method needs a measured run to scale")
    gpu_hours = reference.hours * reference.gpu_count
    if machine.gpu == reference.gpu:
        cards = Interval(1.0, 1.0, 1.0)
    else:
        worth = _worth(headline_tflops(reference.gpu) / headline_tflops(machine.gpu))
        cards = Interval(worth * FEWEST, worth, worth * MOST)
    hours = cards * (gpu_hours / machine.gpu_count)
    return Estimate(
        hours=hours,
        evidence=Evidence("reference"),
        tokens_per_s_per_gpu=_rate(workload, machine, hours),
        sigma_own=0.0 if machine.gpu == reference.gpu else math.log(MOST) / 1.2816,
        notes=(
            "GPU-hours of the reference times the ratio of published tensor rates",
            "memory, links and efficiency are not checked by this method",
        ),
    )


def _worth(ratio: float) -> float:
    """A ratio of rates to one decimal of the faster card, whichever of the two was measured: 8.5, or 1 / 8.5."""
    return round(ratio, 1) if ratio >= 1 else 1 / round(1 / ratio, 1)


def _rate(workload: Workload, machine: Machine, hours: Interval) -> Interval | None:
    if workload.tokens is None:
        return None
    slow, middle, fast = (
        workload.tokens / (part * 3600 * machine.gpu_count) for part in (hours.p90, hours.p50, hours.p10)
    )
    return Interval(slow, middle, fast)
