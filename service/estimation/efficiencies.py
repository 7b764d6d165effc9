"""The constants of the roofline: what each says, what is plausible, and what decides it.

`rig-or-rent fit` writes them to catalogue/efficiencies.toml.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

By = Literal["runs", "physics", "residuals"]


def constant(start: float, low: float, high: float, unit: str, meaning: str, by: By = "runs") -> float:
    """A constant: where the fit starts, what is plausible, what it says, and by what it is decided.

    By runs: least squares. By physics: kept, since runs do not tell it. By residuals: so wide that intervals hold.
    """
    about = {"low": low, "high": high, "unit": unit, "meaning": meaning, "by": by}
    value: float = field(default=start, metadata=about)
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Efficiencies:
    """What the fit finds, and how far off it stays."""

    matmul_traffic: float = constant(2.0, 1.0, 4.0, "x", "bytes that a matrix multiplication moves, over the least")
    matmul_traffic_large_cache: float = constant(
        1.1, 0.5, 3.0, "x", "bytes that a product moves where tens of MB of L2 hold its tiles"
    )
    cached_traffic: float = constant(0.41, 0.2, 1.0, "x", "element-wise traffic left where tens of MB of L2 hold it")
    attention_2023: float = constant(0.6, 0.3, 1.0, "x", "rate of fused attention of 2023, over today's")
    attention: float = constant(0.64, 0.3, 1.0, "of matmul", "rate of fused attention, Ampere and consumer cards")
    attention_hopper: float = constant(0.34, 0.2, 1.0, "of matmul", "rate of attention made for Ampere, on newer chips")
    attention_newest: float = constant(0.6, 0.5, 1.0, "of matmul", "rate of attention made for Hopper, on Hopper")
    attention_blackwell: float = constant(0.5, 0.4, 1.0, "of matmul", "rate of attention on Blackwell with HBM")
    attention_extra_keys: float = constant(
        150.0, 10.0, 1500.0, "keys", "overhead of attention per query, in keys", by="physics"
    )
    narrow_heads: float = constant(0.89, 0.7, 1.0, "x", "attention rate of heads at most 64 wide, over wider ones")
    score_bytes: float = constant(
        46.0, 10.0, 80.0, "bytes", "traffic per attention score without fused attention", by="physics"
    )
    traffic_eager: float = constant(2.3, 1.0, 4.0, "x", "element-wise traffic over the formula, framework op by op")
    traffic_compiled: float = constant(1.4, 0.5, 2.5, "x", "element-wise traffic where a compiler or Megatron fuses")
    traffic_fused: float = constant(0.33, 0.1, 1.5, "x", "element-wise traffic of hand-fused CUDA")
    traffic_legacy: float = constant(4.0, 1.5, 6.0, "x", "element-wise traffic of FP16 autocast of 2023 and before")
    expert_values: float = constant(
        16.0, 4.0, 48.0, "values", "read and written to bring a token to an expert and back, over the width"
    )
    logit_bytes: float = constant(10.5, 4.0, 24.0, "bytes", "traffic per logit, loss and gradient", by="physics")
    fp8_traffic: float = constant(1.3, 0.2, 3.0, "x", "traffic of quantising to FP8, over reading and writing once")
    launch_eager: float = constant(
        1.0e-3, 1e-4, 5e-3, "s", "host time per layer and micro-step, op by op", by="physics"
    )
    launch_current: float = constant(
        2.0e-4, 2e-5, 2e-3, "s", "host time per layer and micro-step, compiled or fused", by="physics"
    )
    launch_legacy: float = constant(4.5e-3, 1e-3, 1e-2, "s", "host time per layer and micro-step, old autocast")
    selective_recompute: float = constant(
        0.3,
        0.0,
        0.5,
        "of a forward",
        "work that selective checkpointing repeats: norms alone to half of all",
        by="physics",
    )
    bus: float = constant(0.75, 0.4, 1.0, "of line rate", "bandwidth that collectives reach", by="physics")
    overlap: float = constant(0.5, 0.2, 0.98, "of the time", "communication that hides behind computation")
    overlap_tensor: float = constant(0.3, 0.0, 0.9, "of the time", "sums over cut matrices that hide behind others")
    overlap_host: float = constant(
        0.5, 0.1, 0.95, "of the time", "transfers to host memory that hide behind computation"
    )
    spread: float = constant(0.12, 0.03, 0.4, "log", "what no software tells about its speed", by="residuals")
    spread_fp8: float = constant(0.10, 0.0, 0.4, "log", "more under FP8, whose kernels differ", by="residuals")
    spread_long: float = constant(0.10, 0.0, 0.4, "log", "more per doubling of the sequence over 4,096", by="residuals")
    spread_experts: float = constant(0.12, 0.0, 0.4, "log", "more for mixtures of experts", by="residuals")
    spread_old: float = constant(0.12, 0.0, 0.4, "log", "more for software without fused attention", by="residuals")
    spread_nodes: float = constant(0.08, 0.0, 0.4, "log", "more beyond one node", by="residuals")
    spread_gpu: float = constant(0.08, 0.03, 0.3, "log", "of a GPU with runs of its own", by="physics")
    spread_family: float = constant(0.11, 0.03, 0.4, "log", "of a GPU known by runs of its generation", by="physics")
    spread_sheet: float = constant(0.16, 0.03, 0.5, "log", "of a GPU known by its data sheet", by="physics")


def read_efficiencies(parsed: Mapping[str, object]) -> Efficiencies:
    """Efficiencies from the parsed catalogue file. Raises ValueError when a constant is missing or unknown."""
    constants = parsed.get("constants")
    if not isinstance(constants, Mapping):
        raise ValueError("efficiencies: no table 'constants'")
    known = {item.name for item in fields(Efficiencies)}
    if constants.keys() != known:
        raise ValueError(f"efficiencies: {sorted(constants.keys() ^ known)} missing or unknown")
    return Efficiencies(**{name: float(entry["value"]) for name, entry in constants.items()})
