"""Why an estimate is what it is: what a step computes and moves, at which rates, by which constants and runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace

from service.estimation.answer import Estimate, Infeasible
from service.estimation.chips import USABLE_BANDWIDTH, peak_tflops, sustained
from service.estimation.efficiencies import By, Efficiencies
from service.estimation.estimate import Estimator
from service.estimation.flops import Floats, work_of
from service.estimation.hardware import Machine
from service.estimation.memory import value_bytes
from service.estimation.plans import Found, search, situation_of
from service.estimation.scaling import DEFAULT_NETWORK_GBIT_S, gpus_in_node, links_of, own_interconnect
from service.estimation.step import (
    PARTS,
    Situation,
    micro_steps_of,
    offloaded_bytes,
    orthogonalising_flops,
    sent_bytes,
    share_of_one,
    updated_bytes,
)
from service.estimation.throughput import element_wise_values
from service.estimation.workload import Workload

TRIED = 1.1  # what a constant decides is told by a value a tenth larger
NOTICEABLE = 0.0005  # of the hours


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an optimizer step on one GPU. None: it computes nothing, or moves nothing that is counted."""

    name: str
    ms: float
    flops: float | None
    bytes: float | None


@dataclass(frozen=True, slots=True)
class Rate:
    """What one GPU does per second, and what says so."""

    name: str
    value: float
    unit: str
    source: str


@dataclass(frozen=True, slots=True)
class Decisive:
    """A constant that decides this estimate, and by how much."""

    name: str
    value: float
    unit: str
    meaning: str
    by: By  # runs: fitted to published runs; physics: kept where literature puts it
    hours_change: float  # share of the hours that a value a tenth larger would add


@dataclass(frozen=True, slots=True, kw_only=True)
class NearRun:
    """A published run near this estimate, and what the same formula says of it."""

    id: str
    model: str
    gpu: str
    gpu_count: int
    date: str
    source_url: str
    tokens_per_s_per_gpu: float
    modelled_tokens_per_s_per_gpu: float | None  # None: its plan is said not to run


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The numbers behind one estimate."""

    model_flops_per_token: float  # forward and backward, without recomputation
    hardware_flops_per_token: float  # with it
    parts: tuple[Part, ...]  # their milliseconds sum to those of one optimizer step
    rates: tuple[Rate, ...]
    constants: tuple[Decisive, ...]  # the most telling first
    nearest: tuple[NearRun, ...]


def explain(
    estimator: Estimator, workload: Workload, machine: Machine, answer: Estimate | Infeasible
) -> Explanation | None:
    """What stands behind an answer of the model; None: its shapes are not known, or no plan was found."""
    estimate = answer.estimate if isinstance(answer, Infeasible) else answer
    if estimate is None or workload.model is None or estimate.plan is None or not estimate.step_parts_s:
        return None
    found = search(workload, [machine], estimator.efficiencies)[0]
    flops = float(work_of([workload.model]).model_flops[0])
    amounts = _amounts(situation_of(workload, workload.model, machine, found, estimator.efficiencies), estimator)
    return Explanation(
        model_flops_per_token=flops,
        hardware_flops_per_token=flops * found.recompute_factor,
        parts=tuple(
            Part(name, estimate.step_parts_s[name] * 1e3, amounts[name][0], amounts[name][1]) for name in PARTS
        ),
        rates=tuple(_rates(workload, machine)),
        constants=_decisive(workload, machine, found, estimator.efficiencies),
        nearest=tuple(_nearest(estimator, estimate)),
    )


def _amounts(rows: Situation, estimator: Estimator) -> Mapping[str, tuple[float | None, float | None]]:
    """FLOPs and bytes of each part on one GPU in one optimizer step, before any efficiency."""
    mine, micro_steps, value = share_of_one(rows), micro_steps_of(rows), value_bytes(rows.precision)
    work, tokens = mine.work, micro_steps * rows.layout.micro_batch * mine.work.seq_len
    products = 2 * work.layers * work.layer_matmul_parameters
    scores = work.layers * work.attention_flops
    flops = {
        "matmul": tokens * 3 * (products + 2 * work.head_parameters),
        "attention": tokens * 3.5 * scores,  # backward computes the scores again
        "recompute": tokens * rows.repeated * (products + scores),
        "optimizer": orthogonalising_flops(mine),
    }
    moved = {
        "element_wise": tokens * work.layers * element_wise_values(work, estimator.efficiencies) * value,
        "logits": tokens * work.vocabulary * estimator.efficiencies.logit_bytes,
        "optimizer": updated_bytes(mine, micro_steps, value),
        "communication": sent_bytes(mine, micro_steps, value),
        "offload": offloaded_bytes(mine, micro_steps, value),
    }
    return {name: (_amount(flops.get(name)), _amount(moved.get(name))) for name in PARTS}


def _amount(column: Floats | None) -> float | None:
    """A number that is worth telling."""
    return None if column is None or not column.any() else float(column.ravel()[0])


def _rates(workload: Workload, machine: Machine) -> Iterator[Rate]:
    gpu, precision = machine.gpu, workload.precision
    reached, peak = sustained(gpu, precision), peak_tflops(gpu, precision)
    yield Rate("matrix products", reached.tflops, "TFLOP/s", reached.reason)
    if peak is not None:
        yield Rate("matrix products, peak", peak, "TFLOP/s", "data sheet, dense, FP32 accumulation")
    bandwidth = gpu.bandwidth_gb_s * USABLE_BANDWIDTH
    yield Rate("memory", bandwidth, "GB/s", f"{USABLE_BANDWIDTH:.0%} of the data sheet, as streaming benchmarks reach")
    links = links_of([machine])
    if machine.gpu_count > 1:
        kind = own_interconnect(machine).replace("_", " ")
        yield Rate("between GPUs of a node", float(links.bus[0]) / 1e9, "GB/s", f"{kind}, each way")
    if machine.gpu_count > gpus_in_node(machine):
        taken = f"{DEFAULT_NETWORK_GBIT_S:.0f} Gbit/s a GPU taken, since nothing is known"
        said = "as given" if machine.network_gbit_s else taken
        yield Rate("between nodes", float(links.network[0]) / 1e9, "GB/s", f"a GPU's share of the network, {said}")
    yield Rate("to host memory", float(links.host[0]) / 1e9, "GB/s", f"PCIe {gpu.pcie_gen} x{gpu.pcie_lanes or 16}")


def _decisive(workload: Workload, machine: Machine, found: Found, known: Efficiencies) -> tuple[Decisive, ...]:
    """The constants that this step depends on, by what a tenth more of each would do."""
    told = []
    for item in fields(Efficiencies):
        value = float(getattr(known, item.name))
        if item.metadata["by"] == "residuals" or not value:
            continue
        tried = search(workload, [machine], replace(known, **{item.name: value * TRIED}))[0]
        change = tried.step_s / found.step_s - 1
        if abs(change) >= NOTICEABLE:
            about = item.metadata
            told.append(Decisive(item.name, value, about["unit"], about["meaning"], about["by"], change))
    return tuple(sorted(told, key=lambda each: -abs(each.hours_change)))


def _nearest(estimator: Estimator, estimate: Estimate) -> Iterator[NearRun]:
    runs = {run.id: run for run in estimator.runs}
    for run in (runs[name] for name in estimate.evidence.runs if name in runs):
        answer = estimator.estimate(run.workload, run.machine)
        modelled = answer.estimate if isinstance(answer, Infeasible) else answer
        rate = modelled.tokens_per_s_per_gpu.p50 if modelled and modelled.tokens_per_s_per_gpu else None
        yield NearRun(
            id=run.id,
            model=run.workload.name,
            gpu=run.machine.gpu.name,
            gpu_count=run.machine.gpu_count,
            date=run.date,
            source_url=run.source_url,
            tokens_per_s_per_gpu=run.tokens_per_s_per_gpu,
            modelled_tokens_per_s_per_gpu=rate,
        )
