"""What a run stores and moves: as the user says, else as follows from the workload."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from service.estimation.memory import STATE_BYTES, WITHOUT_MASTER
from service.estimation.workload import Workload
from service.ranking.request import RankingRequest

BYTES_PER_GB = 1e9

# Assumptions. Tokens are stored once, as the smallest whole numbers that hold the vocabulary (as nanoGPT and
# Megatron-LM do). Of checkpoints there are two, the last one and the one being written. What goes home are 16-bit
# weights.
SHORT_TOKEN_BYTES, LARGEST_SHORT_VOCABULARY, LONG_TOKEN_BYTES = 2, 2**16, 4
CHECKPOINTS = 2
FP32_BYTES, WEIGHT_BYTES = 4.0, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """GB that are stored while a machine is rented, that leave it, and that come in."""

    storage_gb: float
    egress_gb: float
    ingress_gb: float


def data_of(request: RankingRequest) -> Data:
    """What the user says goes over what follows from the workload."""
    workload = request.workload
    tokens = (workload.tokens or 0.0) * token_bytes(workload) / BYTES_PER_GB
    parameters = workload.model.parameters if workload.model else 0.0
    checkpoint = parameters * _checkpoint_bytes(workload) / BYTES_PER_GB
    weights = parameters * WEIGHT_BYTES / BYTES_PER_GB
    return Data(
        storage_gb=tokens + CHECKPOINTS * checkpoint if request.storage_gb is None else request.storage_gb,
        egress_gb=weights if request.egress_gb is None else request.egress_gb,
        ingress_gb=tokens if request.ingress_gb is None else request.ingress_gb,
    )


def token_bytes(workload: Workload) -> int:
    is_long = workload.model is not None and workload.model.vocabulary > LARGEST_SHORT_VOCABULARY
    return LONG_TOKEN_BYTES if is_long else SHORT_TOKEN_BYTES


def _checkpoint_bytes(workload: Workload) -> float:
    """Of a parameter: its FP32 copy, or the 16-bit weights of what trains without one, and the optimizer's states."""
    optimizer = workload.plan.optimizer or workload.optimizer
    return (WEIGHT_BYTES if optimizer in WITHOUT_MASTER else FP32_BYTES) + STATE_BYTES[optimizer]


def data_notes(request: RankingRequest) -> Iterator[str]:
    """What was taken, and where from."""
    data, workload = data_of(request), request.workload
    yield (
        f"storage: {_gb(data.storage_gb)} GB while the machine is rented; unless you say otherwise, tokens of"
        f" {token_bytes(workload)} bytes and {CHECKPOINTS} checkpoints of weights and optimizer states"
    )
    yield (
        f"transfer: {_gb(data.ingress_gb)} GB come in, {_gb(data.egress_gb)} GB go out; unless you say otherwise, the"
        " tokens and the 16-bit weights"
    )
    if workload.model is None and None in (request.storage_gb, request.egress_gb):
        yield "the size of the model is not known: neither its checkpoints nor its weights are counted"


def _gb(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 10 or amount == 0 else f"{amount:,.1f}"
