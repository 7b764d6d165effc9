"""The plan of an option as a reader types it: each setting with its value and what it does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from service.estimation.answer import Plan
from service.estimation.workload import Workload
from service.presentation.language import Language
from service.presentation.language import marked as _

RECOMPUTED: Final = {
    "none": _("Every activation is kept for the backward pass: nothing is computed twice."),
    "selective": _(
        "Part of the activations is computed again in the backward pass, to save memory: {share} more work."
    ),
    "full": _(
        "The activations of each layer are computed again in the backward pass, to save memory: {share} more work."
    ),
}
SHARDED: Final = {
    "none": _("One card holds everything."),
    "ddp": _("Each card holds the whole model; the gradients are averaged after every step."),
    "zero1": _("The optimizer's states are shared out over the cards (ZeRO-1)."),
    "zero2": _("The optimizer's states and the gradients are shared out over the cards (ZeRO-2)."),
    "fsdp": _("Weights, gradients and the optimizer's states are shared out over the cards (FSDP, ZeRO-3)."),
}
CUTS: Final = (
    ("tensor_parallel", _("GPUs that cut each matrix between them.")),
    ("pipeline_parallel", _("Groups of GPUs that hold some of the layers each.")),
    ("virtual_stages", _("Parts of the model that each group of the pipeline has, turn by turn.")),
    ("context_parallel", _("GPUs that cut each sequence between them.")),
)


@dataclass(frozen=True, slots=True)
class Setting:
    """In the names of the API's plan."""

    name: str
    value: str
    does: str


def settings(plan: Plan, workload: Workload, gpus: int, said: Language) -> Iterator[Setting]:
    """What to type, in the order in which one decides it."""
    yield Setting("micro_batch", str(plan.micro_batch), _batches(plan, workload, gpus, said))
    share = said.percent(max(0.0, plan.recompute_factor - 1))
    recomputed = said.text(RECOMPUTED[plan.activation_checkpointing], share=share)
    yield Setting("activation_checkpointing", plan.activation_checkpointing, recomputed)
    yield Setting("optimizer", plan.optimizer, _optimizer(plan, workload, said))
    yield Setting("offload", f"[{', '.join(plan.offload)}]", _offload(plan, said))
    yield Setting("sharding", plan.sharding, said.text(SHARDED[plan.sharding]))
    compiled = _("The model is compiled (torch.compile).") if plan.compiled else _("The model is not compiled.")
    yield Setting("compiled", str(plan.compiled).lower(), said.text(compiled))
    fused = _("Attention runs in one fused kernel, which never stores its scores.")
    plain = _("Attention stores its scores: memory grows with the square of the sequence.")
    yield Setting(
        "flash_attention", str(plan.flash_attention).lower(), said.text(fused if plan.flash_attention else plain)
    )
    if plan.loss_chunk_tokens:
        chunked = _(
            "The loss is computed for so many tokens at a time: the logits of a large vocabulary need little memory."
        )
        yield Setting("loss_chunk_tokens", str(plan.loss_chunk_tokens), said.text(chunked))
    for name, does in CUTS:
        if (size := getattr(plan, name)) > 1:
            yield Setting(name, str(size), said.text(does))


def _batches(plan: Plan, workload: Workload, gpus: int, said: Language) -> str:
    """How a step of the workload comes together: what other software calls gradient accumulation."""
    words = said.text(_("Sequences that a card takes at once."))
    cut = plan.tensor_parallel * plan.pipeline_parallel * plan.context_parallel
    at_once = plan.micro_batch * max(1, gpus // cut)
    if workload.model is None or workload.tokens_per_step is None:
        return words
    times = workload.tokens_per_step / (at_once * workload.model.seq_len)
    if times < 2 or times != int(times):
        return words
    form = _("Gradients are accumulated {times} times for a step of {tokens} tokens.")
    return f"{words} {said.text(form, times=said.number(times), tokens=said.number(workload.tokens_per_step))}"


def _optimizer(plan: Plan, workload: Workload, said: Language) -> str:
    if plan.optimizer == workload.optimizer:
        return said.text(_("As the workload asks for."))
    return said.text(_("In place of {optimizer}, to save memory."), optimizer=workload.optimizer)


def _offload(plan: Plan, said: Language) -> str:
    if not plan.offload:
        return said.text(_("Everything stays on the card."))
    form = _("Held in the machine's RAM, {gb} GB in all, and fetched over PCIe.")
    return said.text(form, gb=said.gigabytes(plan.memory_gb.host_needed))
