"""Which ways to lay a model out are worth trying: all that is not pinned, plainest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import Literal

import numpy as np

from service.estimation.chips import Framework, Kernel
from service.estimation.flops import Floats
from service.estimation.memory import WITHOUT_MASTER, Layout, state_bytes
from service.estimation.workload import Checkpointing, Offload, Optimizer, PinnedPlan, Sharding

LONGEST_OF_2023 = 65_536  # tokens of a sequence (llm-foundry); longer ones are trained with the attention of today
OP_BY_OP: tuple[Framework, ...] = ("eager", "legacy")
Kind = Literal["usual", "careful", "frugal"]  # what software keeps: see memory.py


@dataclass(frozen=True, slots=True)
class Choice:
    """A plan without its micro-batch."""

    checkpointing: Checkpointing
    optimizer: Optimizer
    offload: tuple[Offload, ...]
    sharding: Sharding
    tensor: int = 1
    pipeline: int = 1
    context: int = 1
    micro_batch: int | None = None  # None: the largest that fits
    kind: Kind = "careful"


def choices_for(pinned: PinnedPlan, optimizer: Optimizer, gpus: int, cut: bool, split: bool) -> tuple[Choice, ...]:
    """All that is not pinned, plainest first, on up to `gpus` GPUs.

    `cut`: cutting matrices and layers is worth trying; `split`: cutting sequences is.
    """
    many = gpus > 1
    checkpointings: tuple[Checkpointing, ...] = ("none", "selective", "full")
    if pinned.activation_checkpointing is not None:
        checkpointings = (pinned.activation_checkpointing,)
    plain = [
        Choice(checkpointing, rule, offload, sharding, *pinned.cut)
        for sharding in _shardings(pinned, many)
        for rule, offload in _states(pinned, optimizer)
        for checkpointing in checkpointings
        if sharding != "ddp" or not offload or pinned.sharding is not None
    ]
    rule = pinned.optimizer or optimizer
    choices = [choice for choice in plain for choice in _staged(choice)]
    if many and not pinned.offload:
        cuts = _cut_choices(pinned, checkpointings, rule, cut and pinned.sharding in (None, "zero1"), split)
        choices += [choice for choice in cuts if choice.tensor * choice.pipeline * choice.context <= gpus]
    return tuple(replace(choice, kind=kind) for kind in _kinds(pinned, rule) for choice in choices)


def _staged(choice: Choice) -> Iterator[Choice]:
    """Stages of layers wait less for small micro-batches; else the largest that fits is best."""
    for micro_batch in (1, 2) if choice.pipeline > 1 else (None,):
        yield replace(choice, micro_batch=micro_batch)


def _kinds(pinned: PinnedPlan, rule: Optimizer) -> tuple[Kind, ...]:
    """Who pins a micro-batch has software: the usual, unless only less of it fits. Old software is as it was."""
    if pinned.flash_attention is False:
        return ("usual",)
    if pinned.micro_batch is None:
        return ("careful",)
    if rule in WITHOUT_MASTER and pinned.compiled is not False:  # who rounds stochastically writes the rest by hand too
        return ("usual", "careful", "frugal")
    return ("usual", "careful")


def _cut_choices(
    pinned: PinnedPlan, checkpointings: Sequence[Checkpointing], rule: Optimizer, cut: bool, split: bool
) -> list[Choice]:
    """Megatron's ways: matrices cut inside a node, layers over groups, sequences over GPUs; as far as not pinned."""
    tensors = (1, 2, 4, 8) if cut and pinned.tensor_parallel is None else pinned.cut[:1]
    pipelines = (1, 2, 4, 8, 16) if cut and pinned.pipeline_parallel is None else pinned.cut[1:2]
    contexts = (1, 2, 4, 8, 16) if split and pinned.context_parallel is None else pinned.cut[2:]
    choices = [
        Choice(checkpointing, rule, (), sharding, tensor, pipeline, context)
        for context, pipeline, tensor in product(contexts, pipelines, tensors)
        if (tensor, pipeline, context) != pinned.cut and (context == 1 or pipeline == pinned.cut[1])
        for sharding in _cut_shardings(pinned, context if tensor == pinned.cut[0] else 1)
        for checkpointing in checkpointings
        if pipeline == 1 or checkpointing != "selective" or len(checkpointings) == 1
    ]
    return [staged for choice in choices for staged in _staged(choice)]


def _cut_shardings(pinned: PinnedPlan, context: int) -> tuple[Sharding, ...]:
    if pinned.sharding is not None:
        return _shardings(pinned, many=True)
    return ("zero1", "fsdp") if context > 1 else ("zero1",)


def _shardings(pinned: PinnedPlan, many: bool) -> tuple[Sharding, ...]:
    if not many:
        return ("none",)
    if pinned.sharding is None:
        return ("ddp", "zero1", "zero2", "fsdp")
    return ("ddp",) if pinned.sharding == "none" else (pinned.sharding,)


def _states(pinned: PinnedPlan, optimizer: Optimizer) -> list[tuple[Optimizer, tuple[Offload, ...]]]:
    rule = pinned.optimizer or optimizer
    if pinned.offload is not None:
        kinds: list[tuple[Optimizer, tuple[Offload, ...]]] = [(rule, pinned.offload)]
    elif prod(pinned.cut) > 1:  # who cuts a model over GPUs does it in place of offloading
        kinds = [(rule, ())]
    else:
        kinds = [
            (rule, ()),
            (rule, ("optimizer",)),
            (rule, ("optimizer", "gradients")),
            (rule, ("optimizer", "gradients", "activations")),
            (rule, ("optimizer", "gradients", "activations", "parameters")),
        ]
    if pinned.optimizer is None and rule not in ("adamw_8bit", "adafactor"):
        kinds.append(("adamw_8bit", pinned.offload or ()))
    return kinds


def framework_of(pinned: PinnedPlan, seq_len: int = 0) -> tuple[Framework, Kernel]:
    """The software that a plan implies: a compiler and today's attention unless it says otherwise."""
    if pinned.flash_attention is False:
        return "legacy", "plain"  # who names its absence measured before it was common
    if pinned.compiled is False:
        return "eager", "newest" if seq_len > LONGEST_OF_2023 else "fused_2023"
    return "compiled", "newest"


def layout_of(
    choices: Sequence[Choice], frameworks: Sequence[Framework], kernels: Sequence[Kernel], compiled: Sequence[bool]
) -> Layout:
    """Plans under their software as columns; the micro-batch is one sequence until it is chosen."""
    eager = [framework in OP_BY_OP for framework in frameworks]
    fused_attention = [kernel != "plain" for kernel in kernels]
    written_out = [
        op_by_op and not (fused or whole)
        for op_by_op, fused, whole in zip(eager, fused_attention, compiled, strict=True)
    ]
    bytes_of = [state_bytes(choice.optimizer) for choice in choices]

    def column(values: Sequence[float]) -> Floats:
        return np.array(values, dtype=float)

    return Layout(
        micro_batch=np.ones(len(choices)),
        full=column([choice.checkpointing == "full" for choice in choices]),
        selective=column([choice.checkpointing == "selective" for choice in choices]),
        master=column([choice.optimizer not in WITHOUT_MASTER for choice in choices]),
        state_bytes=column([hidden for hidden, _ in bytes_of]),
        state_bytes_embedding=column([embedding for _, embedding in bytes_of]),
        bare_embeddings=column([choice.optimizer == "muon" for choice in choices]),
        states_on_host=column(["optimizer" in choice.offload for choice in choices]),
        gradients_on_host=column(["gradients" in choice.offload for choice in choices]),
        activations_on_host=column(["activations" in choice.offload for choice in choices]),
        parameters_on_host=column(["parameters" in choice.offload for choice in choices]),
        shard_states=column([choice.sharding in ("zero1", "zero2", "fsdp") for choice in choices]),
        # a stage of a pipeline keeps its layers gathered for all micro-batches of a step, gradients too (torchtitan)
        shard_gradients=column([choice.sharding in ("zero2", "fsdp") and choice.pipeline == 1 for choice in choices]),
        shard_parameters=column([choice.sharding == "fsdp" and choice.pipeline == 1 for choice in choices]),
        tensor=column([choice.tensor for choice in choices]),
        pipeline=column([choice.pipeline for choice in choices]),
        context=column([choice.context for choice in choices]),
        whole_loss=column([choice.kind == "usual" for choice in choices]),
        fused_attention=column(fused_attention),
        eager=column(eager),
        written_out=column(written_out),
        usual=column([choice.kind == "usual" for choice in choices]),
        frugal=column([choice.kind == "frugal" for choice in choices]),
    )
