"""How much memory a plan needs on each GPU, and on the host, part by part.

Sizes are binary gigabytes. The formulas are those of mixed-precision training: 16-bit weights and gradients, an FP32
master copy, optimizer states by kind; activations by the tensors that backward reads (Korthikanti et al.,
arXiv:2205.05198, re-derived for gated feed-forward and grouped-query heads).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from service.estimation.flops import Floats, Work, split, spread_experts
from service.estimation.workload import Optimizer, Precision

GB = 2.0**30
MARGIN = 0.05  # of the data sheet's memory: fragmentation, and what the driver keeps
CONTEXT_GB = 0.55  # CUDA context once kernels are loaded; 0.3 to 0.7 GB: github.com/pytorch/pytorch/issues/107667
WORKSPACE_GB = 0.15  # matrix library workspaces
COLLECTIVES_GB = 0.6  # buffers of the communication library, with more than one GPU
LOSS_CHUNK_TOKENS = 1024  # of a loss that is computed in chunks
CHUNKED_FROM_VOCABULARY = 30_000  # smaller vocabularies are not worth chunking, and frameworks do not
CHUNK_LOGIT_BYTES = 12.0  # a chunk's logits and their gradient, 16-bit and FP32 copies all alive
LOGIT_BYTES = 8.0  # per logit when the loss is computed at once: a compiler or the allocator reuses some of them
TEMPORARY_BYTES = 20.0  # per token and width: what a layer has alive beyond what it saves
EAGER_ACTIVATIONS = 1.12  # op-by-op frameworks also keep casts: 5 of 47 GB for Llama 3.1 8B in torchtitan, 2024-12

WITHOUT_MASTER: frozenset[Optimizer] = frozenset({"adamw_bf16_states"})  # all in BF16, rounded stochastically (llmq)
# Bytes a parameter: states of the update rule, without the master copy. Hidden matrices, and embeddings where other.
STATE_BYTES: dict[Optimizer, float] = {
    "adamw": 8.0,
    "adamw_bf16_states": 4.0,
    "adamw_8bit": 2.0,
    "muon": 4.0,  # one momentum; embeddings, head and vectors by AdamW
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
    states_on_host: Floats
    gradients_on_host: Floats
    activations_on_host: Floats
    parameters_on_host: Floats
    shard_states: Floats
    shard_gradients: Floats
    shard_parameters: Floats
    tensor: Floats  # GPUs that cut each matrix between them
    pipeline: Floats  # groups of GPUs that hold some of the layers each
    whole_loss: Floats  # the loss is computed at once, not in chunks
    fused_attention: Floats
    eager: Floats


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
    copy = 0.0 if precision in ("tf32", "fp32") else 4.0
    total: Floats = states + copy * plan.master * work.parameters
    return total


def state_bytes(optimizer: Optimizer) -> tuple[float, float]:
    """Bytes of optimizer state for a hidden parameter and for one of an embedding."""
    hidden = STATE_BYTES[optimizer]
    return hidden, STATE_BYTES["adamw"] if optimizer == "muon" else hidden


def available_gb(memory_gb: Floats) -> Floats:
    """What a card offers to a plan."""
    return memory_gb * (1 - MARGIN)


def memory_parts(work: Work, plan: Layout, gpus: Floats, precision: Precision) -> MemoryParts:
    """GB that plans need on each of `gpus` GPUs."""
    value = value_bytes(precision)
    many = gpus > 1
    gpus = gpus / (plan.tensor * plan.pipeline)
    work = spread_experts(split(work, plan.tensor, plan.pipeline), gpus)
    states = update_bytes(work, plan, precision) / np.where(plan.shard_states > 0, gpus, 1)
    resident = _resident(work, plan, gpus)
    gradients = work.parameters / np.where(plan.shard_gradients > 0, gpus, 1) * value
    layer_gradients = 2 * _layer_parameters(work) * value
    saved, offloaded = _activations(work, plan, value)
    host = states * plan.states_on_host + gradients * plan.gradients_on_host + offloaded
    host = host + work.parameters / np.where(plan.shard_parameters > 0, gpus, 1) * value * plan.parameters_on_host
    return MemoryParts(
        weights=resident * value / GB,
        gradients=np.where(plan.gradients_on_host > 0, np.minimum(layer_gradients, gradients), gradients) / GB,
        optimizer=states * (1 - plan.states_on_host) / GB,
        activations=saved / GB,
        logits=_logits(work, plan) / GB,
        workspace=np.where(many, WORKSPACE_GB + COLLECTIVES_GB, WORKSPACE_GB) + 0 * saved,
        context=CONTEXT_GB + 0 * saved,
        host=host / GB,
    )


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
    d, f, gated = work.residual_width, work.ffn_width, work.ffn_matrices - 2
    attention = 2 * work.query_width + work.key_value_width
    everything = 4 * d + attention + (2 + gated) * f
    without_norms = 2 * d + attention + (1 + gated) * f
    scores = np.where(plan.fused_attention > 0, 0.0, 2.5 * work.heads * work.seq_len)
    widened = np.where(plan.eager > 0, EAGER_ACTIVATIONS, 1.0)
    one_layer = (everything + scores) * widened * tokens * value
    selective = (without_norms + scores) * widened * tokens * value
    kept = np.where(plan.full > 0, d * tokens * value, np.where(plan.selective > 0, selective, one_layer))
    return kept, one_layer


def _activations(work: Work, plan: Layout, value: float) -> tuple[Floats, Floats]:
    """Bytes on the card and on the host; offload takes what each layer starts from."""
    kept, one_layer = saved_bytes(work, plan, value)
    stream = residual_bytes(work, plan, value) * plan.activations_on_host
    working = np.where(plan.full > 0, one_layer, 0.0) + TEMPORARY_BYTES / 2 * residual_bytes(work, plan, value)
    in_flight = work.layers * plan.pipeline  # a stage keeps the micro-batches that are on their way behind it
    return in_flight * (kept - stream) + 2 * stream + working, in_flight * stream


def residual_bytes(work: Work, plan: Layout, value: float) -> Floats:
    """Bytes that one layer starts from."""
    return work.residual_width * plan.micro_batch * work.seq_len * value


def _logits(work: Work, plan: Layout) -> Floats:
    tokens = plan.micro_batch * work.seq_len
    chunk = np.minimum(tokens, LOSS_CHUNK_TOKENS) * CHUNK_LOGIT_BYTES
    whole = (plan.whole_loss > 0) | (work.vocabulary * plan.tensor * plan.pipeline < CHUNKED_FROM_VOCABULARY)
    return np.where(whole, tokens * LOGIT_BYTES, chunk) * work.vocabulary
