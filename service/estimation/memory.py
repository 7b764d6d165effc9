"""How much memory a plan needs on each GPU, and on the host, part by part.

Sizes are binary gigabytes. The formulas are those of mixed-precision training: 16-bit weights, gradients, an FP32
master copy, optimizer states by kind; activations by the tensors that backward reads (Korthikanti et al.,
arXiv:2205.05198, re-derived for gated feed-forward and grouped-query heads). The peak is the largest of three moments
that never meet: the loss, the backward pass through a layer, and the update. What software keeps differs, so plans are
of three kinds:

- usual: what frameworks do when nothing is asked of them. FP32 gradients where they are not sharded, the loss at once.
- careful: 16-bit gradients and the loss in chunks: what a plan that was searched for assumes, and says.
- frugal: hand-written software (llmq) also works in place and repeats what is cheap; only for plans that a user pins.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from service.estimation.flops import Floats, Work, split, spread_experts
from service.estimation.hardware import Gpu
from service.estimation.workload import Optimizer, Precision

GB = 2.0**30
MARGIN = 0.05  # of the data sheet's memory: fragmentation, and what the driver keeps
# What no framework's allocator counts: the CUDA context with kernels that are loaded lazily (0.3 to 0.4 GB:
# github.com/pytorch/pytorch/issues/107667), and the buffers of the communication library with more than one GPU.
CONTEXT_GB, COLLECTIVES_GB = 0.4, 0.6
WORKSPACE_GB = 0.15  # matrix library workspaces
LOSS_CHUNK_TOKENS = 1024  # of a loss that is computed in chunks
CHUNKED_FROM_VOCABULARY = 30_000  # smaller vocabularies are not worth chunking, and frameworks do not
# Bytes per logit at the loss. Op by op, and where the loss is no part of what is compiled (FSDP, cut matrices): 16-bit
# logits, their log-softmax and two gradients in FP32 are 14, measured 15 (Llama 3.1 8B under torchtitan of 2024-12 by
# batch and length; GPT on Languini's largest batches). Compiled with the model: 16-bit logits and their gradient, in
# part in one place (nanochat on six kinds of GPU). Outside of what is compiled but all in 16 bits: four of those
# (LLMs-from-scratch: 0.69 GiB a sequence of 1,024 tokens and 50,304 words).
LOGIT_BYTES, LOGIT_BYTES_COMPILED, LOGIT_BYTES_IN_16_BIT = 15.0, 3.0, 8.0
# What is kept of cut matrices and layers beyond the formula: torchtitan's 70B on 256 GPUs and KempnerForge's 175B on
# 360 peak 11 to 30 % above it without.
CUT_ACTIVATIONS = 1.3
TEMPORARY_BYTES = 20.0  # per token and width: beside the layers, as the final norm and what is being worked on
SCORE_VALUES = 3.0  # per attention score that is not fused: its softmax in FP32 and in 16 bits
# Frameworks of 2023 and before, without fused attention. Languini's largest batches tell (languini-kitchen, 20 pairs of
# GPU and model, of which each fits and one sequence more runs out of memory): set such that none that ran out is said
# to fit; what did fit then comes out between 9 % under the limit and 2 % over it. Autocast keeps the residual stream
# and norms in FP32 beside 16-bit copies, and its update's copies stay with the allocator. What was not compiled wrote
# its activation functions out, product by product (LLMs-from-scratch: 3.9 feed-forward widths; Languini on P100: 3.3).
AUTOCAST_ACTIVATIONS = 1.7
WRITTEN_OUT = 3.5
LEGACY_UPDATE_BYTES = 3.2  # per parameter
# PyTorch's update, unless fused, works on a copy of what it updates: under Hugging Face's trainer Qwen 7B in BF16 alone
# peaks at 73.4 GiB, two bytes a parameter above weights, gradients and states (ms-swift, 2024). Of FP32 twice that.
UPDATE_BYTES = 4.0
FULL_GRADIENT_BYTES = 4.0  # of autocast and of Megatron-LM, which add gradients up in FP32

WITHOUT_MASTER: frozenset[Optimizer] = frozenset({"adamw_bf16_states"})  # all in BF16, rounded stochastically (llmq)
# Bytes a parameter: states of the update rule, without the master copy. Hidden matrices, and embeddings where other.
STATE_BYTES: dict[Optimizer, float] = {
    "adamw": 8.0,
    "adamw_bf16_states": 4.0,
    "adamw_8bit": 2.0,
    "muon": 4.0,  # one momentum; embeddings and head by AdamW, its states 16-bit as they are
    "lion": 4.0,
    "sgd": 4.0,
    "adafactor": 0.1,  # rows and columns only
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Plans as columns: what decides memory. Flags are 1 or 0."""

    micro_batch: Floats
    full: Floats  # activation checkpointing of whole layers
    selective: Floats
    master: Floats  # whether an FP32 copy of the weights is kept beside 16-bit ones
    state_bytes: Floats  # per hidden parameter
    state_bytes_embedding: Floats
    bare_embeddings: Floats  # embeddings are 16-bit without a copy
    states_on_host: Floats
    gradients_on_host: Floats
    activations_on_host: Floats
    parameters_on_host: Floats
    shard_states: Floats
    shard_gradients: Floats
    shard_parameters: Floats
    tensor: Floats  # GPUs that cut each matrix between them
    pipeline: Floats  # groups of GPUs that hold some of the layers each
    context: Floats  # GPUs that cut each sequence between them
    whole_loss: Floats  # the loss is computed at once, not in chunks
    fused_attention: Floats
    eager: Floats  # op by op: nothing is fused, nothing repeated that is cheap
    written_out: Floats  # activation functions, too
    usual: Floats  # FP32 gradients where they are not sharded
    frugal: Floats  # in place, and the feed-forward of selective checkpointing repeated as a whole


@dataclass(frozen=True, slots=True)
class MemoryParts:
    """GB on each GPU, by what takes them; `host` is GB in the RAM of the machine per GPU."""

    weights: Floats
    gradients: Floats
    optimizer: Floats
    workspace: Floats
    context: Floats
    activations: Floats  # from forward to backward
    logits: Floats  # at the loss alone
    working: Floats  # in the backward pass through a layer alone
    update: Floats  # when all activations are gone
    host: Floats

    @property
    def always(self) -> Floats:
        """What stays from step to step."""
        return self.weights + self.gradients + self.optimizer + self.workspace + self.context

    @property
    def passing(self) -> Floats:
        """What comes and goes with a micro-batch, when it is most."""
        return self.activations + np.maximum(self.logits, self.working)

    @property
    def total(self) -> Floats:
        """At the peak: the update has no activations beside it."""
        return self.always + np.maximum(self.passing, self.update)

    def at_peak(self, rows: tuple[NDArray[np.intp], ...]) -> dict[str, Floats]:
        """What takes the memory of some rows when they need most of it; sums to the total."""
        shape = self.total.shape
        part = {item.name: np.broadcast_to(getattr(self, item.name), shape)[rows] for item in fields(self)}
        updating = part["update"] > np.broadcast_to(self.passing, shape)[rows]
        losing = part["logits"] >= part["working"]
        return {
            "weights": part["weights"],
            "gradients": part["gradients"],
            "optimizer": part["optimizer"],
            "activations": np.where(updating, 0.0, part["activations"] + np.where(losing, 0.0, part["working"])),
            "logits": np.where(updating | ~losing, 0.0, part["logits"]),
            "workspace": part["workspace"] + np.where(updating, part["update"], 0.0),
            "context": part["context"],
        }


def value_bytes(precision: Precision) -> float:
    """Bytes of a weight, a gradient and an activation as the GPU works on them."""
    return 4.0 if precision in ("tf32", "fp32") else 2.0


def update_bytes(work: Work, plan: Layout, precision: Precision) -> Floats:
    """Bytes of all that only the update rule reads: its states, and the FP32 copy of 16-bit weights."""
    hidden = work.parameters - work.embedding_parameters
    states = hidden * plan.state_bytes + work.embedding_parameters * plan.state_bytes_embedding
    total: Floats = states + master_bytes(work, plan, precision)
    return total


def master_bytes(work: Work, plan: Layout, precision: Precision) -> Floats:
    """Bytes of the FP32 copy of 16-bit weights."""
    copy: Floats = (0.0 if precision in ("tf32", "fp32") else 4.0) * plan.master * _mastered(work, plan)
    return copy


def _mastered(work: Work, plan: Layout) -> Floats:
    """Parameters that have an FP32 copy: under Muon the embeddings stay 16-bit alone (nanochat)."""
    return work.parameters - work.embedding_parameters * plan.bare_embeddings


def state_bytes(optimizer: Optimizer) -> tuple[float, float]:
    """Bytes of optimizer state for a hidden parameter and for one of an embedding."""
    hidden = STATE_BYTES[optimizer]
    return hidden, STATE_BYTES["adamw_bf16_states"] if optimizer == "muon" else hidden


def available_gb(gpu: Gpu) -> float:
    """What a card offers to a plan."""
    return gpu.memory_gb * (1 - MARGIN)


@dataclass(frozen=True, slots=True)
class Standing:
    """GB on each GPU that no micro-batch changes."""

    work: Work  # of one GPU
    weights: Floats
    gradients: Floats
    optimizer: Floats
    workspace: Floats
    context: Floats
    update: Floats
    host: Floats


def memory_parts(work: Work, plan: Layout, gpus: Floats, precision: Precision) -> MemoryParts:
    """GB that plans need on each of `gpus` GPUs."""
    return with_activations(standing(work, plan, gpus, precision), plan, precision)


def standing(work: Work, plan: Layout, gpus: Floats, precision: Precision) -> Standing:
    """What plans need on each of `gpus` GPUs whatever their micro-batches."""
    value = value_bytes(precision)
    several = gpus > 1
    gpus = gpus / (plan.tensor * plan.pipeline)
    work = _one_gpus(work, plan, gpus)
    states = _kept_states(work, plan, precision, gpus)
    gradients = _gradient_bytes(work, plan, value, several) / np.where(plan.shard_gradients > 0, gpus, 1)
    layer_gradients = 2 * _layer_parameters(work) * value
    kept, update = _update_bytes(work, plan, gpus)
    host = states * plan.states_on_host + gradients * plan.gradients_on_host
    host = host + work.parameters / np.where(plan.shard_parameters > 0, gpus, 1) * value * plan.parameters_on_host
    return Standing(
        work=work,
        weights=_resident(work, plan, gpus) * _weight_bytes(plan, value, precision) / GB,
        gradients=np.where(plan.gradients_on_host > 0, np.minimum(layer_gradients, gradients), gradients) / GB,
        optimizer=states * (1 - plan.states_on_host) / GB,
        workspace=WORKSPACE_GB + kept / GB,
        context=CONTEXT_GB + np.where(several, COLLECTIVES_GB, 0.0),
        update=update / GB,
        host=host / GB,
    )


def with_activations(kept: Standing, plan: Layout, precision: Precision) -> MemoryParts:
    """The same with what the plans' micro-batches add."""
    work, value = kept.work, value_bytes(precision)
    saved, working, offloaded = _activations(work, plan, value)
    return MemoryParts(
        weights=kept.weights,
        gradients=kept.gradients,
        optimizer=kept.optimizer,
        workspace=kept.workspace,
        context=kept.context,
        activations=(saved + _gathered_bytes(work, plan, value)) / GB,
        logits=_logits(work, plan) / GB,
        working=working / GB,
        update=kept.update,
        host=kept.host + offloaded / GB,
    )


def _one_gpus(work: Work, plan: Layout, gpus: Floats) -> Work:
    """One GPU's part; without fused attention as before 2022, when the residual stream was whole on each."""
    part = spread_experts(split(work, plan.tensor, plan.pipeline, plan.context), gpus)
    return replace(part, residual_width=np.where(plan.fused_attention > 0, part.residual_width, work.residual_width))


def _update_bytes(work: Work, plan: Layout, gpus: Floats) -> tuple[Floats, Floats]:
    """What the update works on beside what it updates: kept by the allocator of old software, or while it lasts."""
    updated = work.parameters / np.where(plan.shard_states > 0, gpus, 1)
    old = np.where(plan.fused_attention > 0, 0.0, LEGACY_UPDATE_BYTES) * updated
    copied = plan.fused_attention * plan.eager * (1 - plan.states_on_host) * (1 - plan.shard_states)
    return old, np.where(plan.master > 0, UPDATE_BYTES, UPDATE_BYTES / 2) * copied * updated


def _kept_states(work: Work, plan: Layout, precision: Precision, gpus: Floats) -> Floats:
    """Bytes of update states and master copy that one GPU answers for.

    The usual ZeRO-1 of PyTorch shards what the optimizer adds; the FP32 weights themselves are whole on every GPU.
    """
    every = update_bytes(work, plan, precision)
    whole = master_bytes(work, plan, precision) * _unsharded(plan) * (plan.tensor * plan.pipeline == 1)
    kept: Floats = whole + (every - whole) / np.where(plan.shard_states > 0, gpus, 1)
    return kept


def _unsharded(plan: Layout) -> NDArray[np.bool_]:
    """Whether FP32 weights and gradients are whole; op by op, ZeRO-1 is DeepSpeed's, which keeps 16-bit ones whole."""
    unsharded: NDArray[np.bool_] = (
        (plan.usual > 0) & (plan.shard_gradients == 0) & (plan.eager * plan.shard_states == 0)
    )
    return unsharded


def _weight_bytes(plan: Layout, value: float, precision: Precision) -> Floats:
    """Per parameter on the card: llmq keeps them in FP8 for FP8 products when the BF16 ones are elsewhere."""
    elsewhere = (plan.states_on_host > 0) | (plan.shard_states > 0)
    return np.where((plan.frugal > 0) & elsewhere & (precision == "fp8"), 1.0, value)


def _gradient_bytes(work: Work, plan: Layout, value: float, several: NDArray[np.bool_]) -> Floats:
    """Cut models keep FP32 sums (Megatron-LM); sharded gradients are whole only while they are made.

    PyTorch's DDP copies gradients to the buckets that it sends.
    """
    cut = plan.tensor * plan.pipeline > 1
    full = np.where((_unsharded(plan) | cut) & (plan.master > 0), FULL_GRADIENT_BYTES, value)
    sent = (plan.usual > 0) & (plan.fused_attention > 0) & (plan.shard_states + plan.gradients_on_host == 0)
    buckets = several & sent & ~cut
    bare = work.parameters - _mastered(work, plan)
    return (_mastered(work, plan) * full + bare * value) * np.where(buckets, 2, 1)


def _layer_parameters(work: Work) -> Floats:
    return (work.parameters - work.embedding_parameters) / work.layers


def _resident(work: Work, plan: Layout, gpus: Floats) -> Floats:
    """Parameters on the card at once: all, a shard and what is gathered, or what is being worked on."""
    gathered = np.maximum(2 * _layer_parameters(work), work.head_parameters)
    sharded = np.minimum(work.parameters / gpus + gathered, work.parameters)
    resident = np.where(plan.shard_parameters > 0, sharded, work.parameters)
    return np.where(plan.parameters_on_host > 0, np.minimum(gathered, resident), resident)


def saved_bytes(work: Work, plan: Layout, value: float) -> tuple[Floats, Floats]:
    """Bytes of a layer that backward reads: as the plan keeps them, and all of them."""
    tokens = plan.micro_batch * work.seq_len
    old = plan.fused_attention == 0
    autocast = np.where(old & (plan.master > 0) & (value < 4), AUTOCAST_ACTIVATIONS, 1.0)
    pieces = np.where(work.ffn_matrices < 3, WRITTEN_OUT * plan.written_out, 0.0) * work.ffn_width
    beside = pieces + np.where(old, SCORE_VALUES * work.heads * work.seq_len, 0.0)
    whole = (_kept_values(work, plan) * autocast + beside) * tokens * value
    selective = (_selected_values(work, plan) * autocast + beside) * tokens * value
    full = work.residual_width * tokens * value
    return np.where(plan.full > 0, full, np.where(plan.selective > 0, selective, whole)), whole


def _kept_values(work: Work, plan: Layout) -> Floats:
    """Values per token that a layer without checkpointing keeps.

    Frameworks repeat keys and values for every head. A compiler keeps what it splits out as well (18 widths a layer of
    nanochat, whose queries and keys are normed). Op by op that is every tensor; what has a gate (Llama and its like)
    norms in FP32: its input at twice the size, then normed, then scaled. Software written by hand repeats norms and
    activation functions instead.
    """
    d, q, f, gated = work.residual_width, work.query_width, work.ffn_width, work.ffn_matrices - 2
    compiled = 6 * d + 4 * q + (2 + gated) * f
    op_by_op = (4 + 4 * gated) * d + 4 * q + (2 + 2 * gated) * f
    by_hand = 2 * d + 2 * q + work.key_value_width + (1 + gated) * f
    return np.where(plan.frugal > 0, by_hand, np.where(plan.eager > 0, op_by_op, compiled))


def _selected_values(work: Work, plan: Layout) -> Floats:
    """The same with selective checkpointing: every second product (torchtitan), or none of the feed-forward."""
    d, f, gated = work.residual_width, work.ffn_width, work.ffn_matrices - 2
    every_second = 2 * d + 2 * work.query_width + work.key_value_width / 2 + (1 + gated) / 2 * f
    return np.where(plan.frugal > 0, 2 * d + 2 * work.query_width + work.key_value_width, every_second)


def _activations(work: Work, plan: Layout, value: float) -> tuple[Floats, Floats, Floats]:
    """Bytes that are kept on the card, that backward through a layer adds, and on the host.

    Offload takes what each layer starts from.
    """
    kept, whole = saved_bytes(work, plan, value)
    stream = residual_bytes(work, plan, value) * plan.activations_on_host
    repeated = np.where(plan.full + plan.selective > 0, np.maximum(whole - kept, 0.0), 0.0)
    beside = TEMPORARY_BYTES / 2 * residual_bytes(work, plan, value)
    in_flight = work.layers * plan.pipeline  # a stage keeps the micro-batches that are on their way behind it
    cut = np.where(plan.tensor * plan.pipeline > 1, CUT_ACTIVATIONS, 1.0)
    return (in_flight * (kept - stream) + 2 * stream + beside) * cut, repeated * cut, in_flight * stream


def _gathered_bytes(work: Work, plan: Layout, value: float) -> Floats:
    """What cut matrices work on is gathered before them, as is its gradient; before 2022 it was whole anyway."""
    whole = 2 * work.width * plan.micro_batch * work.seq_len * value
    return np.where((plan.tensor > 1) & (plan.fused_attention > 0), whole, 0.0)


def residual_bytes(work: Work, plan: Layout, value: float) -> Floats:
    """Bytes that one layer starts from."""
    return work.residual_width * plan.micro_batch * work.seq_len * value


def _logits(work: Work, plan: Layout) -> Floats:
    tokens = plan.micro_batch * work.seq_len
    compiled = np.where(plan.master > 0, LOGIT_BYTES_COMPILED, LOGIT_BYTES_IN_16_BIT)
    apart = (plan.eager + plan.shard_parameters > 0) | (plan.tensor > 1) | (plan.fused_attention == 0)
    at_once = tokens * np.where(apart, LOGIT_BYTES, compiled)
    chunk = np.minimum(tokens, LOSS_CHUNK_TOKENS) * LOGIT_BYTES
    whole = (plan.whole_loss > 0) | (work.vocabulary * plan.tensor * plan.pipeline < CHUNKED_FROM_VOCABULARY)
    return np.where(whole, at_once, np.minimum(chunk, at_once)) * work.vocabulary
