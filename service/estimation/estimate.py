"""The question the core answers: how long does this workload take on this machine, and how sure is that?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from service.estimation.answer import Estimate, Evidence, Infeasible, Interval, Method, Plan, PlanMemory
from service.estimation.chips import peak_tflops
from service.estimation.efficiencies import Efficiencies
from service.estimation.evidence import Certainty, Evidences, interval
from service.estimation.flops import work_of
from service.estimation.hardware import Gpu, Machine
from service.estimation.plans import Found, search
from service.estimation.ratio import by_ratio
from service.estimation.runs import PublishedRun
from service.estimation.scaling import gpus_in_node
from service.estimation.telling import MEASURED, hours_of, told
from service.estimation.workload import Model, PinnedPlan, Reference, Workload, tokens_per_step

__all__ = [
    "Estimate",
    "Estimator",
    "Evidence",
    "Infeasible",
    "Interval",
    "Method",
    "Plan",
    "PlanMemory",
    "explain_difference",
]

# How much of a reference's deviation from the model carries to another GPU, as an exponent. About half of what the
# model misses belongs to the workload and its software, the other half to the GPU: over published runs of one model
# on several GPUs, carrying half of it brings the median error from 11.3 to 9.6 %, all of it only to 10.7 %.
CARRIED_TO_OTHER_GPU = 0.5

# Stands for "a transformer" when only a measured run is known.
GENERIC = Model(
    parameters=1.88e9,
    layers=32,
    width=2048,
    heads=16,
    kv_heads=16,
    ffn_width=8192,
    ffn_gated=False,
    vocabulary=65_536,
    seq_len=2048,
    tied_embeddings=False,
)
GENERIC_PLAN = PinnedPlan(micro_batch=8, activation_checkpointing="none", offload=())


class Estimator:
    """Estimates by the fitted constants and the published runs behind them. Pure: it keeps nothing of a question."""

    def __init__(self, efficiencies: Efficiencies, runs: Sequence[PublishedRun] = ()) -> None:
        self.efficiencies = efficiencies
        self.runs = tuple(runs)
        self._evidences = Evidences(self.runs, efficiencies)

    def estimate(self, workload: Workload, machine: Machine, method: Method = "model") -> Estimate | Infeasible:
        """Hours for `workload` on `machine`, or why not."""
        return self.estimate_many(workload, [machine], method)[0]

    def estimate_many(
        self, workload: Workload, machines: Sequence[Machine], method: Method = "model"
    ) -> list[Estimate | Infeasible]:
        """The same for many machines at once, in their order; much faster than one by one."""
        if method == "ratio":
            return [by_ratio(workload, machine) for machine in machines]
        if workload.model is None or workload.tokens is None:
            return self._by_reference(workload, machines)
        return self._by_model(workload, workload.model, machines)

    def _by_model(self, workload: Workload, model: Model, machines: Sequence[Machine]) -> list[Estimate | Infeasible]:
        answers: list[Estimate | Infeasible | None] = [_why_not(workload, model, machine) for machine in machines]
        open_rows = [row for row, answer in enumerate(answers) if answer is None]
        scale = _scale(workload, self.efficiencies)
        flops = float(work_of([model]).model_flops[0])
        sure: dict[tuple[Gpu, bool], Certainty] = {}
        for row, found in zip(open_rows, self._search(workload, [machines[row] for row in open_rows]), strict=True):
            kind = (machines[row].gpu, machines[row].gpu_count > gpus_in_node(machines[row]))
            if kind not in sure:
                sure[kind] = _narrowed(self._evidences.certainty(workload, machines[row]), scale)
            factor, certain = _calibrated(workload, machines[row], scale, sure[kind])
            hours = hours_of(workload, found) * factor
            answer = told(workload, model, machines[row], found, hours, certain, flops)
            answers[row] = self._as_shown(workload, machines[row], answer)
        return [answer for answer in answers if answer is not None]

    def _as_shown(self, workload: Workload, machine: Machine, answer: Estimate | Infeasible) -> Estimate | Infeasible:
        """An answer, unless a published run shows that its pinned plan runs out of memory."""
        shown = self._evidences.out_of_memory(workload, machine)
        if shown is None or isinstance(answer, Infeasible) or machine.measured_tokens_per_s:
            return answer
        detail = f"a published run with these settings ran out of memory: {shown.id}, {shown.source_url}"
        return Infeasible(
            reason="plan_out_of_memory", detail=detail, lacks_gb=None, estimate=replace(answer, fits=False)
        )

    def _search(self, workload: Workload, machines: Sequence[Machine]) -> list[Found]:
        return search(workload, machines, self.efficiencies) if machines else []

    def _by_reference(self, workload: Workload, machines: Sequence[Machine]) -> list[Estimate | Infeasible]:
        reference = workload.reference
        if reference is None:
            return [_no_reference() for _ in machines]
        generic = replace(
            workload,
            model=GENERIC,
            plan=GENERIC_PLAN,
            tokens_per_step=tokens_per_step(workload),
            tokens=1e9,
        )
        asked = [Machine(gpu=reference.gpu, gpu_count=reference.gpu_count), *machines]
        found = search(generic, asked, self.efficiencies)
        return [
            _scaled_reference(
                workload, reference, machine, one.step_s / found[0].step_s, self._evidences.certainty(workload, machine)
            )
            for machine, one in zip(machines, found[1:], strict=True)
        ]


def explain_difference(model: Estimate, ratio: Estimate) -> str:
    """Why the physics model and the published ratio disagree, in one sentence."""
    share = model.hours.p50 / ratio.hours.p50 - 1
    if abs(share) < 0.05:
        return "The model and the published ratio of GPU rates agree within 5 %."
    causes = []
    if model.plan is not None:
        if model.plan.offload:
            causes.append(f"{' and '.join(model.plan.offload)} in host memory cost PCIe transfers")
        if model.plan.activation_checkpointing != "none":
            causes.append(
                f"{model.plan.activation_checkpointing} activation checkpointing repeats part of the forward pass"
            )
        if model.plan.micro_batch <= 2:
            causes.append(f"a micro-batch of {model.plan.micro_batch} leaves more overhead per token")
    told = (
        "; ".join(causes)
        or "it counts attention, memory traffic and links, of which a ratio of tensor rates knows nothing"
    )
    return (
        f"The model says {abs(share):.0%} {'more' if share > 0 else 'fewer'} hours than the published ratio, "
        f"which assumes that the plan of the reference run fits: {told}."
    )


# The parts -----------------------------------------------------------------------------------------------------------


def _why_not(workload: Workload, model: Model, machine: Machine) -> Infeasible | None:
    if refusal := _lacks_precision(workload, machine):
        return refusal
    if workload.tokens_per_step is not None and workload.tokens_per_step < model.seq_len:
        return Infeasible(
            reason="batch_too_small",
            detail=f"a step of {workload.tokens_per_step:,} tokens holds no sequence of {model.seq_len:,}",
        )
    return _does_not_divide(workload.plan, machine)


def _does_not_divide(plan: PinnedPlan, machine: Machine) -> Infeasible | None:
    """Why a machine cannot be cut as pinned."""
    if machine.gpu_count % math.prod(plan.cut) == 0:
        return None
    sizes = zip(plan.cut, ("tensor_parallel", "pipeline_parallel", "context_parallel"), strict=True)
    named = " x ".join(f"{name} {size}" for size, name in sizes if size > 1)
    return Infeasible(
        reason="plan_does_not_divide",
        detail=f"the plan is for a multiple of {math.prod(plan.cut)} GPUs ({named}), not for {machine.gpu_count}",
    )


def _lacks_precision(workload: Workload, machine: Machine) -> Infeasible | None:
    if peak_tflops(machine.gpu, workload.precision) is not None:
        return None
    return Infeasible(reason="unsupported_precision", detail=f"{machine.gpu.name} has no {workload.precision.upper()}")


@lru_cache(maxsize=1024)
def _scale(workload: Workload, known: Efficiencies) -> float | None:
    """How much longer the reference run took than the model says; None: there is no reference."""
    reference = workload.reference
    if reference is None or workload.tokens is None:
        return None
    machine = Machine(gpu=reference.gpu, gpu_count=reference.gpu_count)
    found = search(replace(workload, plan=PinnedPlan()), [machine], known)[0]
    return reference.hours / hours_of(workload, found)


def _narrowed(sure: Certainty, scale: float | None) -> Certainty:
    """A reference run tells a part of what is unsure about its workload and software."""
    return sure if scale is None else replace(sure, shared=sure.shared * 0.8)


def _calibrated(workload: Workload, machine: Machine, scale: float | None, sure: Certainty) -> tuple[float, Certainty]:
    reference = workload.reference
    if scale is None or reference is None:
        return 1.0, sure
    if machine.gpu == reference.gpu:
        same = machine.gpu_count == reference.gpu_count
        return scale, Certainty("reference", sure.runs, 0.02 if same else 0.05, 0.02 if same else 0.05)
    return scale**CARRIED_TO_OTHER_GPU, sure


def _no_reference() -> Infeasible:
    return Infeasible(reason="no_reference", detail="the workload has neither a model nor a measured run")


def _scaled_reference(
    workload: Workload, reference: Reference, machine: Machine, ratio: float, sure: Certainty
) -> Estimate | Infeasible:
    if refusal := _lacks_precision(workload, machine):
        return refusal
    same = machine.gpu == reference.gpu
    certain = Certainty("reference", (), 0.02 if same else 0.12, 0.03 if same else max(0.15, sure.own))
    hours = reference.hours * ratio
    if machine.measured_tokens_per_s and workload.tokens is not None:
        hours, certain = workload.tokens / machine.measured_tokens_per_s / 3600, MEASURED
    rate = None
    if workload.tokens is not None:
        per_gpu = workload.tokens / (hours * 3600) / machine.gpu_count
        spread = interval(1.0, certain)
        rate = Interval(per_gpu / spread.p90, per_gpu, per_gpu / spread.p10)
    return Estimate(
        hours=interval(hours, certain),
        evidence=Evidence(certain.tier),
        tokens_per_s_per_gpu=rate,
        sigma_shared=certain.shared,
        sigma_own=certain.own,
        notes=(
            "scaled from the reference by a generic transformer's throughput",
            "memory not checked: no architecture given",
        ),
    )
