"""Published training runs: what they trained, on what, under which plan, and how fast that went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar, get_args

from service.estimation.chips import Framework, Kernel
from service.estimation.hardware import Gpu, Interconnect, Machine
from service.estimation.workload import (
    Checkpointing,
    Model,
    Offload,
    Optimizer,
    PinnedPlan,
    Precision,
    Sharding,
    Workload,
)

Word = TypeVar("Word")

PRECISIONS: tuple[Precision, ...] = get_args(Precision)
OPTIMIZERS: tuple[Optimizer, ...] = get_args(Optimizer)
CHECKPOINTINGS: tuple[Checkpointing, ...] = get_args(Checkpointing)
OFFLOADS: tuple[Offload, ...] = get_args(Offload)
SHARDINGS: tuple[Sharding, ...] = get_args(Sharding)
INTERCONNECTS: tuple[Interconnect, ...] = get_args(Interconnect)
KERNELS: tuple[Kernel, ...] = get_args(Kernel)
FRAMEWORKS: tuple[Framework, ...] = get_args(Framework)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRun:
    """One row of catalogue/runs.csv."""

    id: str
    source: str  # who published it; runs of one source share their errors
    source_url: str
    date: str
    workload: Workload
    machine: Machine
    framework: Framework
    kernel: Kernel  # of attention
    recomputed: float | None  # forwards repeated, where the settings say more than none, selective or full
    tokens_per_s_per_gpu: float  # NaN: only its memory is told
    peak_memory_gb: float | None  # decimal GB as published
    peak_memory_of: Literal["allocator", "card"]  # what was read: the need of the run, or all that the card holds
    runs_out_at_micro_batch: int | None  # the published plan with this micro-batch runs out of memory
    fitted: bool  # by the rule stated at the top of the fit
    graded: bool  # fitted, or only asked as a user would since its plan is not told; the rest is compared, no more


def read_runs(rows: Iterable[Mapping[str, str]], gpus: Mapping[str, Gpu]) -> tuple[PublishedRun, ...]:
    """Runs from the rows of the catalogue file. Raises KeyError or ValueError on a row that cannot be meant."""
    return tuple(_run(row, gpus) for row in rows)


def _run(row: Mapping[str, str], gpus: Mapping[str, Gpu]) -> PublishedRun:
    tokens_per_step = _whole(row, "tokens_per_step")
    workload = Workload(
        name=row["model"],
        tokens=1e9,
        tokens_per_step=tokens_per_step,
        precision=_one_of(row["precision"], PRECISIONS),
        optimizer=_one_of(row["optimizer"], OPTIMIZERS),
        model=_model(row),
        plan=_plan(row),
    )
    return PublishedRun(
        id=row["id"],
        source=row["source"],
        source_url=row["source_url"],
        date=row["date"],
        workload=workload,
        machine=_machine(row, gpus),
        framework=_one_of(row["framework"], FRAMEWORKS),
        kernel=_one_of(row["attention_kernel"], KERNELS),
        recomputed=_number(row, "recomputed"),
        tokens_per_s_per_gpu=float(row["tokens_per_s_per_gpu"] or "nan"),
        peak_memory_gb=_number(row, "peak_memory_gb"),
        peak_memory_of=_one_of(row["peak_memory_of"] or "allocator", ("allocator", "card")),
        runs_out_at_micro_batch=_whole(row, "runs_out_at_micro_batch"),
        fitted=row["fitted"] == "yes",
        graded=row["fitted"] in ("yes", "asked"),
    )


def _model(row: Mapping[str, str]) -> Model:
    return Model(
        parameters=float(row["parameters"]),
        layers=int(row["layers"]),
        width=int(row["width"]),
        heads=int(row["heads"]),
        vocabulary=int(row["vocabulary"]),
        seq_len=int(row["seq_len"]),
        kv_heads=int(row["kv_heads"]),
        ffn_width=int(row["ffn_width"]),
        ffn_gated=row["ffn_gated"] == "yes",
        tied_embeddings=row["tied_embeddings"] == "yes",
        attention_window=_whole(row, "attention_window"),
        active_parameters=_number(row, "active_parameters"),
        head_width=_whole(row, "head_width"),
    )


def _plan(row: Mapping[str, str]) -> PinnedPlan:
    offload = row["offload"]
    flags = {"yes": True, "no": False, "": None}
    cut = [_whole(row, name) for name in ("tensor_parallel", "pipeline_parallel", "context_parallel")]
    tensor, pipeline, context = [size or 1 for size in cut] if any(cut) else cut  # who names one cut names all
    return PinnedPlan(
        micro_batch=_whole(row, "micro_batch"),
        activation_checkpointing=_maybe(row["activation_checkpointing"], CHECKPOINTINGS),
        offload=None
        if not offload
        else tuple(_one_of(part, OFFLOADS) for part in offload.split("+") if part != "none"),
        sharding=_maybe(row["sharding"], SHARDINGS),
        compiled=flags[row["compiled"]],
        flash_attention=flags[row["flash_attention"]],
        tensor_parallel=tensor,
        pipeline_parallel=pipeline,
        context_parallel=context,
        virtual_stages=_whole(row, "virtual_stages"),
    )


def _machine(row: Mapping[str, str], gpus: Mapping[str, Gpu]) -> Machine:
    gpu = gpus[row["gpu"]]
    if power := _number(row, "variant_power_w"):  # a variant of the card, named in the source
        gpu = replace(
            gpu,
            board_power_w=power,
            bandwidth_gb_s=_number(row, "variant_bandwidth_gb_s") or gpu.bandwidth_gb_s,
            memory_gb=_number(row, "variant_memory_gb") or gpu.memory_gb,
            matmul_bf16_tflops=None,
        )
    return Machine(
        gpu=gpu,
        gpu_count=int(row["gpu_count"]),
        gpus_per_node=int(row["gpus_per_node"] or 8),
        interconnect=_maybe(row["interconnect"], INTERCONNECTS),
        network_gbit_s=_number(row, "network_gbit_s"),
    )


def _one_of(text: str, words: Sequence[Word]) -> Word:
    for word in words:
        if word == text:
            return word
    raise ValueError(f"{text!r} is none of {', '.join(map(str, words))}")


def _maybe(text: str, words: Sequence[Word]) -> Word | None:
    return _one_of(text, words) if text else None


def _number(row: Mapping[str, str], name: str) -> float | None:
    return float(row[name]) if row[name] else None


def _whole(row: Mapping[str, str], name: str) -> int | None:
    return int(row[name]) if row[name] else None
