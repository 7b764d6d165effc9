"""What it is trained on: an accelerator by its data sheet, and several that train together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Interconnect = Literal["none", "nvlink", "pcie", "pcie_p2p"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """An accelerator by its data sheet. Tensor rates are dense and accumulate in FP32. None: the card lacks it."""

    name: str
    vendor: str
    architecture: str
    year: int
    memory_gb: float  # binary gigabytes, as card makers write them
    bandwidth_gb_s: float
    bf16_tflops: float | None
    fp16_tflops: float | None
    fp8_tflops: float | None
    tf32_tflops: float | None
    fp32_tflops: float
    board_power_w: float
    form_factor: str  # SXM5, PCIe, OAM, …
    pcie_gen: int
    pcie_lanes: int
    nvlink_gb_s: float  # both directions together; 0: none
    consumer: bool
    matmul_bf16_tflops: float | None = None  # the best matrix rate that anyone published as achieved; None: none found


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """GPUs of one kind that train together. Hashable: estimates are cached by it."""

    gpu: Gpu
    gpu_count: int = 1
    gpus_per_node: int = 8
    interconnect: Interconnect | None = None  # inside the node; None: the card's own
    network_gbit_s: float | None = None  # per GPU between nodes; None: the default of the estimator
    host_memory_gb: float | None = None  # None: not known, assumed ample for the card
    measured_tokens_per_s: float | None = None  # the owner's own measurement of the whole machine overrides the model
