"""How a plan that was found, with its seconds, is told: hours, settings, evidence and what to know about them."""

from __future__ import annotations

import math

from service.estimation.answer import Estimate, Evidence, Infeasible, Interval, Plan, PlanMemory
from service.estimation.chips import peak_tflops, runs_as_fp16
from service.estimation.evidence import Certainty, interval
from service.estimation.hardware import Machine
from service.estimation.memory import CHUNKED_FROM_VOCABULARY, LOSS_CHUNK_TOKENS
from service.estimation.plans import Found, interleaved, may_split, sequences_of
from service.estimation.scaling import why_no_nvlink
from service.estimation.workload import Model, Workload, tokens_per_step

BEYOND_PEAK = 1.2  # MFU above which a measurement cannot be: GeForce boosts over its data sheet by a sixth at most
CLOSE = 1.1  # of what a card offers: of the largest batches that ran, some are said to need nearly that much
MEASURED = Certainty("measured", (), 0.0, 0.03)  # the spread of step times that owners see from hour to hour


def hours_of(workload: Workload, found: Found) -> float:
    """Hours of all the steps that a workload's tokens take."""
    return _steps(workload) * found.step_s / 3600


def _steps(workload: Workload) -> float:
    return (workload.tokens or 0.0) / tokens_per_step(workload)


def told(
    workload: Workload, model: Model, machine: Machine, found: Found, hours: float, sure: Certainty, flops: float
) -> Estimate | Infeasible:
    """The answer for one machine: an estimate, or why there is none."""
    if machine.measured_tokens_per_s:
        hours = (workload.tokens or 0.0) / machine.measured_tokens_per_s / 3600
        return _estimate(workload, model, machine, found, hours, MEASURED, flops)
    if found.fits:
        return _estimate(workload, model, machine, found, hours, sure, flops)
    if not _memory_is_pinned(workload):
        detail = _lacks(machine, found, "the most frugal plan")
        return Infeasible(reason="out_of_memory", detail=detail, lacks_gb=_lacks_gb(found))
    return Infeasible(
        reason="plan_out_of_memory",
        detail=_lacks(machine, found, "the most frugal plan with these settings"),
        lacks_gb=_lacks_gb(found),
        estimate=_estimate(workload, model, machine, found, hours, sure, flops),
    )


def _memory_is_pinned(workload: Workload) -> bool:
    plan = workload.plan
    return any(
        pinned is not None
        for pinned in (
            plan.micro_batch,
            plan.activation_checkpointing,
            plan.optimizer,
            plan.offload,
            plan.sharding,
            plan.flash_attention,
            plan.tensor_parallel,
            plan.pipeline_parallel,
            plan.context_parallel,
        )
    )


def _lacks_gb(found: Found) -> float:
    """What is missing: the card's memory first, else the host's."""
    return found.lacks_gb or found.host_lacks_gb


def _lacks(machine: Machine, found: Found, plan: str) -> str:
    """What is missing where, with the numbers that it follows from."""
    missing = []
    if found.lacks_gb:
        missing.append(
            f"{found.lacks_gb:.1f} GB of GPU memory ({found.needed_gb:.1f} GB needed, "
            f"{machine.gpu.name} offers {found.available_gb:.1f} GB)"
        )
    if found.host_lacks_gb:
        known = "has" if machine.host_memory_gb is not None else "is assumed to have"
        missing.append(
            f"{found.host_lacks_gb:.1f} GB of host RAM per GPU ({found.host_gb:.1f} GB needed, "
            f"the host {known} {found.host_available_gb:.1f} GB free)"
        )
    close = found.needed_gb <= CLOSE * found.available_gb and not found.host_lacks_gb
    trial = "; so near the limit only a trial can tell" if close else ""
    return f"lacks {' and '.join(missing)} under {plan}{trial}"


def _estimate(
    workload: Workload, model: Model, machine: Machine, found: Found, hours: float, sure: Certainty, flops: float
) -> Estimate:
    steps = _steps(workload)
    stretch = hours * 3600 / (steps * found.step_s) if steps else 1.0
    spread = interval(1.0, sure)
    rate = (workload.tokens or 0.0) / (hours * 3600) / machine.gpu_count
    peak = peak_tflops(machine.gpu, workload.precision) or 1.0
    mfu = rate * flops / (peak * 1e12)
    known_to_run = bool(machine.measured_tokens_per_s)
    plan = _plan(workload, model, machine, found) if found.fits or not known_to_run else None
    return Estimate(
        hours=spread * hours,
        evidence=Evidence(sure.tier, sure.runs),
        plan=plan,
        fits=found.fits or known_to_run,
        lacks_gb=0.0 if known_to_run or found.fits else _lacks_gb(found),
        tokens_per_s_per_gpu=Interval(rate / spread.p90, rate, rate / spread.p10),
        mfu=mfu,
        sigma_shared=sure.shared,
        sigma_own=sure.own,
        step_parts_s={name: seconds * stretch for name, seconds in found.parts_s.items()},
        memory_parts_gb=found.memory_gb if plan else {},
        notes=(*_about_the_pace(machine, mfu), *_notes(workload, model, machine, found, plan)),
    )


def _plan(workload: Workload, model: Model, machine: Machine, found: Found) -> Plan:
    pinned, choice = workload.plan, found.choice
    tokens = found.micro_batch * model.seq_len / choice.context
    chunked = choice.kind != "usual" and model.vocabulary >= CHUNKED_FROM_VOCABULARY and tokens > LOSS_CHUNK_TOKENS
    in_node = min(machine.gpu_count, machine.gpus_per_node)
    return Plan(
        micro_batch=max(1, math.floor(found.micro_batch)),
        activation_checkpointing=choice.checkpointing,
        optimizer=choice.optimizer,
        offload=choice.offload,
        sharding=choice.sharding,
        compiled=pinned.compiled is not False,
        flash_attention=pinned.flash_attention is not False,
        memory_gb=PlanMemory(found.needed_gb, found.available_gb, found.host_gb * in_node),
        recompute_factor=found.recompute_factor,
        loss_chunk_tokens=LOSS_CHUNK_TOKENS if chunked else None,
        tensor_parallel=choice.tensor,
        pipeline_parallel=choice.pipeline,
        context_parallel=choice.context,
        virtual_stages=_virtual_stages(workload, model, choice.pipeline),
    )


def _virtual_stages(workload: Workload, model: Model, pipeline: int) -> int:
    return max(1, min(interleaved(workload.plan), model.layers // pipeline)) if pipeline > 1 else 1


# What to know about it ------------------------------------------------------------------------------------------------


def _notes(workload: Workload, model: Model, machine: Machine, found: Found, plan: Plan | None) -> list[str]:
    notes = [*_about_the_card(workload, machine), *_about_the_count(workload, model, machine, found)]
    if workload.tokens_per_step is None:
        notes.append(f"tokens per step not given: {tokens_per_step(workload):,} assumed")
    if plan is None:
        notes.append("no plan was found that fits, yet the machine was measured: its own settings are not known")
        return notes
    if machine.measured_tokens_per_s:
        notes.append("hours from the measured tokens per second; the plan is the model's")
    return notes + _about_what_is_pinned(workload, machine, plan) + _about_the_plan(workload, machine, found, plan)


def _about_what_is_pinned(workload: Workload, machine: Machine, plan: Plan) -> list[str]:
    """What of a pinned plan could not be kept to."""
    pinned, notes = workload.plan, []
    if pinned.micro_batch is not None and pinned.micro_batch > plan.micro_batch:
        notes.append(
            f"micro-batch {pinned.micro_batch:,} taken as {plan.micro_batch:,}: a step holds no more for each GPU"
        )
    if pinned.sharding not in (None, "none") and machine.gpu_count == 1:
        notes.append(f"one GPU shards nothing: {pinned.sharding} taken as none")
    if pinned.sharding == "none" and machine.gpu_count > 1:
        notes.append("several GPUs have to agree on gradients: sharding none taken as ddp")
    if pinned.virtual_stages is not None and pinned.virtual_stages > plan.virtual_stages:
        notes.append(
            f"virtual stages {pinned.virtual_stages} taken as {plan.virtual_stages}: a group has no more layers"
        )
    return notes


def _about_the_pace(machine: Machine, mfu: float) -> list[str]:
    """A doubt about what an owner measured."""
    if machine.measured_tokens_per_s is None or mfu <= BEYOND_PEAK:
        return []
    return [f"the measured pace is {mfu:,.1f} times what these GPUs can compute by their data sheet: is it right?"]


def _about_the_card(workload: Workload, machine: Machine) -> list[str]:
    gpu = machine.gpu
    if workload.precision == "bf16" and gpu.bf16_tflops is None:
        return [f"{gpu.name} has no BF16: taken as {'FP16' if gpu.fp16_tflops else 'FP32'}"]
    if workload.precision == "bf16" and runs_as_fp16(gpu):
        return [f"{gpu.name} is slow in BF16: taken as FP16"]
    if workload.precision == "fp16" and not (gpu.fp16_tflops or gpu.bf16_tflops):
        return [f"{gpu.name} has no FP16: taken as FP32"]
    if workload.precision == "tf32" and gpu.tf32_tflops is None:
        return [f"{gpu.name} has no TF32: taken as FP32"]
    return []


def _about_the_count(workload: Workload, model: Model, machine: Machine, found: Found) -> list[str]:
    notes = []
    if found.working_gpus < machine.gpu_count:
        notes.append(f"a step holds too few sequences: more than {found.working_gpus:.0f} GPUs do not help")
    elif machine.gpu_count > 1:
        cut = found.choice.tensor * found.choice.pipeline * workload.plan.cut[2]
        most = int(sequences_of(workload, model)) * cut
        if machine.gpu_count * 2 > most and may_split(workload.plan):
            notes.append(f"beyond {most:,} GPUs sequences have to be cut over several, which helps less")
        elif machine.gpu_count * 2 > most:
            notes.append(f"beyond {most:,} GPUs more do not help: a step holds no more sequences")
    if machine.interconnect == "nvlink" and (reason := why_no_nvlink(machine)):
        notes.append(f"{reason}: PCIe taken")
    return notes


def _about_the_plan(workload: Workload, machine: Machine, found: Found, plan: Plan) -> list[str]:
    notes = []
    if plan.optimizer != (workload.plan.optimizer or workload.optimizer):
        unproven = ": that Muon then learns as well is unproven" if workload.optimizer == "muon" else ""
        notes.append(f"{workload.optimizer} states held in 8 bits to fit{unproven}")
    if plan.offload and machine.host_memory_gb is None:
        notes.append(f"needs {_gigabytes(found.host_gb)} GB of host RAM per GPU; how much the machine has is not known")
    if workload.plan.micro_batch is not None:
        notes += _about_its_software(found, plan)
    if plan.tensor_parallel > 1:
        notes.append(f"each matrix cut over {plan.tensor_parallel} GPUs, as Megatron-LM does")
    if plan.pipeline_parallel > 1:
        notes.append(f"layers shared out to {plan.pipeline_parallel} groups of GPUs, as Megatron-LM does")
    if plan.context_parallel > 1:
        notes.append(f"each sequence cut over {plan.context_parallel} GPUs, which pass keys and values on in a ring")
    return notes


def _gigabytes(amount: float) -> str:
    """Whole ones, but for what would be nothing or one."""
    return f"{amount:.0f}" if amount >= 2 else f"{amount:.1f}"


def _about_its_software(found: Found, plan: Plan) -> list[str]:
    """What a pinned plan asks of the software, beyond what frameworks do unasked."""
    if found.choice.kind == "usual":
        return []
    loss = f", the loss in chunks of {LOSS_CHUNK_TOKENS:,} tokens" if plan.loss_chunk_tokens else ""
    if found.choice.kind == "frugal":
        return [f"fits only in software as frugal as llmq: work in place{loss}"]
    return [f"fits with gradients held in 16 bits{loss}"]
