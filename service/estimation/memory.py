"""How much memory a plan needs on each GPU, and on the host, part by part.

Sizes are binary gigabytes. The formulas are those of mixed-precision training: 16-bit weights, gradients, an FP32
master copy, optimizer states by kind; activations by the tensors that backward reads (Korthikanti et al.,
arXiv:2205.05198, re-derived for gated feed-forward and grouped-query heads). What software keeps differs, so plans are
of three kinds:

- usual: what frameworks do when nothing is asked of them. FP32 gradients where they are not sharded, the loss at once.
- careful: 16-bit gradients and the loss in chunks: what a plan that was searched for assumes, and says.
- frugal: hand-written software (llmq) also works in place and repeats what is cheap; only for plans that a user pins.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from service.estimation.flops import Floats, Work, split, spread_experts
from service.estimation.hardware import Gpu
from service.estimation.workload import Optimizer, Precision

GB = 2.0**30
MARGIN = 0.05  # of the data sheet's memory: fragmentation, and what the driver keeps
CONTEXT_GB = 0.4  # CUDA context, kernels loaded lazily; 0.3 to 0.4 GB: github.com/pytorch/pytorch/issues/107667
WORKSPACE_GB = 0.15  # matrix library workspaces
COLLECTIVES_GB = 0.6  # buffers of the communication library, with more than one GPU
LOSS_CHUNK_TOKENS = 1024  # of a loss that is computed in chunks
CHUNKED_FROM_VOCABULARY = 30_000  # smaller vocabularies are not worth chunking, and frameworks do not
CHUNK_LOGIT_BYTES = 12.0  # a chunk's logits and their gradient, 16-bit and FP32 copies all alive
# Per logit when the loss is computed at once. Compiled with the model: 8, 16-bit logits and gradients beside FP32 ones
# (GPT-2 124M on 20 kinds of GPU grows by 0.71 GiB a sequence of 1,024 tokens and 50,304 words; LLMs-from-scratch,
# 2025-03); 2.5 where nothing stays but what the compiler needs (nanochat d8 and d20 with 32 x 2,048 tokens and 65,536
# words peak at 18.7 and 73.7 GiB, reports of 2025-10; taken for Muon, as they train). Outside the compiled
# blocks, as under FSDP, FP32 copies stay alive: Llama 3.1 8B (2 x 8,192 tokens, 128,256 words) peaks at 62.0 GiB on 128
# GPUs (torchtitan, 2024-12; in 2025 it compiles its loss as well).
LOGIT_BYTES_CAPPED, LOGIT_BYTES_COMPILED, LOGIT_BYTES = 2.5, 8.0, 13.0
# What schedules and gathered pieces of cut matrices and layers keep beyond the formula: torchtitan's 70B on 256 GPUs
# and KempnerForge's 175B on 360 peak 13 to 22 % above it without.
CUT_ACTIVATIONS = 1.3
TEMPORARY_BYTES = 20.0  # per token and width: what a layer has alive beyond what it saves
# Frameworks of 2023 and before, without fused attention: set on Languini's largest batches (languini-kitchen, 20 pairs
# of GPU and model, of which each fits and one sequence more runs out of memory), such that none that ran out is said to
# fit; what did fit then comes out between 5 % under the limit and 7 % over it.
SCORE_VALUES = 3.05  # per attention score: 16-bit scores, FP32 softmax, mask
LEGACY_ACTIVATIONS, LEGACY_LOGIT_BYTES = 1.53, 12.2
# PyTorch's update, unless fused, works on a copy of what it updates: under Hugging Face's trainer Qwen 7B in BF16 alone
# peaks at 73.4 GiB, two bytes a parameter above weights, gradients and states (ms-swift, 2024). Of FP32 twice that.
UPDATE_BYTES = 4.0
LEGACY_UPDATE_BYTES = 3.2  # per parameter: temporaries of the update, which the allocator keeps
LEGACY_CONTEXT_GB = 0.25  # kernels that are loaded before they are needed
# Before tensor cores cards run out that much earlier than newer ones: four models on a P100 beside three other cards.
# Why is not known.
WITHOUT_TENSOR_CORES, LOST_WITHOUT_GB = ("Kepler", "Maxwell", "Pascal"), 2.05
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
    usual: Floats  # FP32 gradients where they are not sharded
    frugal: Floats  # in place, and the feed-forward of selective checkpointing repeated as a whole


@dataclass(frozen=True, slots=True)
class MemoryParts:
    """GB on each GPU, by what takes them; `host` is GB in the RAM of the machine per GPU."""

    weights: Floats
    gradients: Floats
    optimizer: Floats
    activations: Floats
    logits: Floats
    workspace: Floats
    context: Floats
    host: Floats

    @property
    def total(self) -> Floats:
        return (
            self.weights
            + self.gradients
            + self.optimizer
            + self.activations
            + self.logits
            + self.workspace
            + self.context
        )


ON_GPU = tuple(item.name for item in fields(MemoryParts) if item.name != "host")


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
    lost = LOST_WITHOUT_GB if gpu.architecture in WITHOUT_TENSOR_CORES else 0.0
    return max(0.0, gpu.memory_gb * (1 - MARGIN) - lost)


def memory_parts(work: Work, plan: Layout, gpus: Floats, precision: Precision) -> MemoryParts:
    """GB that plans need on each of `gpus` GPUs."""
    value = value_bytes(precision)
    many = gpus > 1
    gpus = gpus / (plan.tensor * plan.pipeline)
    work = spread_experts(split(work, plan.tensor, plan.pipeline, plan.context), gpus)
    states = _kept_states(work, plan, precision, gpus)
    resident = _resident(work, plan, gpus)
    gradients = _gradient_bytes(work, plan, value) / np.where(plan.shard_gradients > 0, gpus, 1)
    layer_gradients = 2 * _layer_parameters(work) * value
    saved, offloaded = _activations(work, plan, value)
    saved = saved * np.where(plan.tensor * plan.pipeline > 1, CUT_ACTIVATIONS, 1.0)
    host = states * plan.states_on_host + gradients * plan.gradients_on_host + offloaded
    host = host + work.parameters / np.where(plan.shard_parameters > 0, gpus, 1) * value * plan.parameters_on_host
    return MemoryParts(
        weights=resident * _weight_bytes(plan, value, precision) / GB,
        gradients=np.where(plan.gradients_on_host > 0, np.minimum(layer_gradients, gradients), gradients) / GB,
        optimizer=states * (1 - plan.states_on_host) / GB,
        activations=saved / GB,
        logits=_logits(work, plan) / GB,
        workspace=_workspace(work, plan, gpus, many) + 0 * saved,
        context=np.where(plan.fused_attention > 0, CONTEXT_GB, CONTEXT_GB + LEGACY_CONTEXT_GB) + 0 * saved,
        host=host / GB,
    )


def _workspace(work: Work, plan: Layout, gpus: Floats, many: NDArray[np.bool_]) -> Floats:
    """GB of libraries, links and, op by op, of the update."""
    updated = work.parameters / np.where(plan.shard_states > 0, gpus, 1)
    whole = plan.eager * (1 - plan.states_on_host) * (1 - plan.shard_states)
    copy = np.where(plan.master > 0, UPDATE_BYTES, UPDATE_BYTES / 2) * whole
    update = np.where(plan.fused_attention > 0, copy, LEGACY_UPDATE_BYTES) * updated / GB
    return update + np.where(many, WORKSPACE_GB + COLLECTIVES_GB, WORKSPACE_GB)


def _kept_states(work: Work, plan: Layout, precision: Precision, gpus: Floats) -> Floats:
    """Bytes of update states and master copy that one GPU answers for.

    The usual ZeRO-1 of PyTorch shards what the optimizer adds; the FP32 weights themselves are whole on every GPU.
    """
    every = update_bytes(work, plan, precision)
    master = master_bytes(work, plan, precision)
    whole = np.where((plan.usual > 0) & (plan.shard_gradients == 0) & (plan.tensor * plan.pipeline == 1), master, 0.0)
    return whole + (every - whole) / np.where(plan.shard_states > 0, gpus, 1)


def _weight_bytes(plan: Layout, value: float, precision: Precision) -> Floats:
    """Per parameter on the card: llmq keeps them in FP8 for FP8 products when the BF16 ones are elsewhere."""
    elsewhere = (plan.states_on_host > 0) | (plan.shard_states > 0)
    return np.where((plan.frugal > 0) & elsewhere & (precision == "fp8"), 1.0, value)


def _gradient_bytes(work: Work, plan: Layout, value: float) -> Floats:
    """Cut models keep FP32 sums (Megatron-LM); sharded gradients are whole only while they are made."""
    summed = ((plan.usual > 0) & (plan.shard_gradients == 0)) | (plan.tensor * plan.pipeline > 1)
    full = np.where(summed & (plan.master > 0), FULL_GRADIENT_BYTES, value)
    return _mastered(work, plan) * full + (work.parameters - _mastered(work, plan)) * value


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
    scores = np.where(plan.fused_attention > 0, 0.0, SCORE_VALUES * work.heads * work.seq_len)
    widened = np.where(plan.fused_attention > 0, 1.0, LEGACY_ACTIVATIONS)
    whole = (_kept_values(work, plan) * widened + scores) * tokens * value
    selective = (_selected_values(work, plan) * widened + scores) * tokens * value
    full = work.residual_width * tokens * value
    return np.where(plan.full > 0, full, np.where(plan.selective > 0, selective, whole)), whole


def _kept_values(work: Work, plan: Layout) -> Floats:
    """Values per token that a layer without checkpointing keeps.

    Op by op that is every tensor; a compiler keeps what it splits out as well (18 widths a layer of nanochat, whose
    queries and keys are normed); written by hand, norms and activation functions are repeated instead.
    """
    d, f, gated = work.residual_width, work.ffn_width, work.ffn_matrices - 2
    attention = 2 * work.query_width + work.key_value_width
    by_hand = 2 * d + attention + (1 + gated) * f
    framework = np.where(plan.eager > 0, 4, 6) * d + attention + (2 + gated) * f
    return np.where(plan.frugal > 0, by_hand, framework)


def _selected_values(work: Work, plan: Layout) -> Floats:
    """The same with selective checkpointing: every second product (torchtitan), or none of the feed-forward."""
    d, f, gated = work.residual_width, work.ffn_width, work.ffn_matrices - 2
    every_second = 2 * d + 2 * work.query_width + work.key_value_width / 2 + (1 + gated) / 2 * f
    return np.where(plan.frugal > 0, 2 * d + 2 * work.query_width + work.key_value_width, every_second)


def _activations(work: Work, plan: Layout, value: float) -> tuple[Floats, Floats]:
    """Bytes on the card and on the host; offload takes what each layer starts from."""
    kept, whole = saved_bytes(work, plan, value)
    stream = residual_bytes(work, plan, value) * plan.activations_on_host
    repeated = np.where(plan.full + plan.selective > 0, np.maximum(whole - kept, 0.0), 0.0)
    working = repeated + np.where(plan.eager > 0, whole, 0.0)  # op by op, casts to FP32 live beside a layer
    working = working + TEMPORARY_BYTES / 2 * residual_bytes(work, plan, value)
    in_flight = work.layers * plan.pipeline  # a stage keeps the micro-batches that are on their way behind it
    return in_flight * (kept - stream) + 2 * stream + working, in_flight * stream


def residual_bytes(work: Work, plan: Layout, value: float) -> Floats:
    """Bytes that one layer starts from."""
    return work.residual_width * plan.micro_batch * work.seq_len * value


def _logits(work: Work, plan: Layout) -> Floats:
    tokens = plan.micro_batch * work.seq_len
    chunk = np.minimum(tokens, LOSS_CHUNK_TOKENS) * CHUNK_LOGIT_BYTES
    whole = (plan.whole_loss > 0) | (work.vocabulary * plan.tensor * plan.pipeline < CHUNKED_FROM_VOCABULARY)
    apart = (
        (plan.eager > 0) | (plan.shard_parameters > 0) | (plan.tensor > 1)
    )  # the loss is no part of what is compiled
    inside = np.where(plan.bare_embeddings > 0, LOGIT_BYTES_CAPPED, LOGIT_BYTES_COMPILED)
    today = np.where(apart, LOGIT_BYTES, inside)
    at_once = tokens * np.where(plan.fused_attention > 0, today, LEGACY_LOGIT_BYTES)
    return np.where(whole, at_once, np.minimum(chunk, at_once)) * work.vocabulary
