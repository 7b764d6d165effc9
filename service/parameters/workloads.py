"""Workloads and plans: by slug, or described by shapes, by a measured run, or both."""

from __future__ import annotations

from typing import Final, get_args

from service.estimation.workload import (
    Checkpointing,
    Model,
    Offload,
    Optimizer,
    PinnedPlan,
    Precision,
    Reference,
    Sharding,
    Workload,
    complete_model,
    usual_tokens_per_step,
    why_uncuttable,
)
from service.parameters.machines import gpu_of
from service.parameters.reader import FieldError, Reader, nearest, shown
from service.parameters.vocabulary import DEFAULT_WORKLOAD, OWN_WORKLOAD, Vocabulary

NO_WORKLOAD = Workload(name="unknown", tokens=None, tokens_per_step=None)  # stands in until its errors are raised


def workload_of(reader: Reader, vocabulary: Vocabulary) -> Workload:
    given = reader.given.get("workload", DEFAULT_WORKLOAD)
    if given == OWN_WORKLOAD and reader.from_text:
        return own_workload(reader, vocabulary)
    if isinstance(given, dict):
        return described_workload(reader.nested("workload", given), vocabulary)
    known = vocabulary.workload(given) if isinstance(given, str) else None
    if known is None:
        hint = nearest(given, vocabulary.workload_slugs()) or f"; known: {', '.join(vocabulary.catalogue.workloads)}"
        reader.wrong("workload", f"{shown(given)} is not known{hint}; see /api/v1/workloads")
    return known or NO_WORKLOAD


MODEL: Final = ("parameters", "layers", "width", "heads", "vocabulary", "seq_len")
TRAINING: Final = ("tokens", "tokens_per_step", "precision", "optimizer")
REFERENCE: Final = {"reference_gpu": "gpu", "reference_gpus": "gpu_count", "reference_hours": "hours"}


def own_workload(reader: Reader, vocabulary: Vocabulary) -> Workload:
    """What a body says as an object, by parameters of a query; errors go by these."""
    given = reader.given
    body: dict[str, object] = {name: given[name] for name in TRAINING if name in given}
    if model := {name: given[name] for name in MODEL if name in given}:
        body["model"] = model
    if reference := {name: given[flat] for flat, name in REFERENCE.items() if flat in given}:
        body["reference"] = reference
    nested = Reader(body, from_text=True)
    workload = described_workload(nested, vocabulary)
    reader.errors.extend(FieldError(_flat(error.field), error.message) for error in nested.errors)
    return workload


def _flat(field: str) -> str:
    """`layers` of model.layers, `reference_gpu` of reference.gpu; `layers` where nothing at all is described."""
    names = {f"reference.{name}": flat for flat, name in REFERENCE.items()}
    return names.get(field, "layers" if field == "model" else field.removeprefix("model."))


def described_workload(reader: Reader, vocabulary: Vocabulary) -> Workload:
    model, assumed = _model(reader.object("model"))
    reference = _reference(reader.object("reference"), vocabulary)
    if not reader.has("model") and not reader.has("reference"):
        reader.wrong("model", "a workload needs a model (its shapes) or a reference (a measured run), or both")
    if reader.has("model"):
        reader.missing("tokens", "must say how many tokens are trained on, such as 2e10")
    tokens = reader.number("tokens", least=1, most=1e18)
    tokens_per_step = reader.whole("tokens_per_step", most=10**9)
    if model is not None and tokens_per_step is None and not reader.has("tokens_per_step"):
        tokens_per_step = usual_tokens_per_step(model)
        assumed = (*assumed, f"tokens_per_step {tokens_per_step:,}")
    if model is not None and tokens_per_step is not None and tokens_per_step < model.seq_len:
        reader.wrong("tokens_per_step", f"must hold at least one sequence ({model.seq_len} tokens)")
    return Workload(
        name=reader.text("name") or "your workload",
        tokens=tokens,
        tokens_per_step=tokens_per_step,
        precision=reader.choice("precision", get_args(Precision)) or "bf16",
        optimizer=reader.choice("optimizer", get_args(Optimizer)) or "adamw",
        model=model,
        reference=reference,
        plan=plan_of(reader.object("plan"), model),
        assumed=assumed,
    )


def _model(reader: Reader | None) -> tuple[Model | None, tuple[str, ...]]:
    if reader is None:
        return None, ()
    before = len(reader.errors)
    layers = _needed(reader, "layers", most=10_000)
    width = _needed(reader, "width", most=10**6)
    heads = _needed(reader, "heads", most=10_000)
    vocabulary = _needed(reader, "vocabulary", most=10**8)
    seq_len = _needed(reader, "seq_len", most=10**8)
    parameters = reader.number("parameters", least=1, most=1e15)
    kv_heads = reader.whole("kv_heads", most=10_000)
    head_width = reader.whole("head_width", most=10**5)
    ffn_width = reader.whole("ffn_width", most=10**7)
    ffn_gated = reader.flag("ffn_gated")
    tied_embeddings = reader.flag("tied_embeddings")
    attention_window = reader.whole("attention_window", most=10**8)
    active_parameters = reader.number("active_parameters", least=1, most=1e15)
    if len(reader.errors) > before:
        return None, ()
    try:
        return complete_model(
            layers=layers,
            width=width,
            heads=heads,
            vocabulary=vocabulary,
            seq_len=seq_len,
            parameters=parameters,
            kv_heads=kv_heads,
            head_width=head_width,
            ffn_width=ffn_width,
            ffn_gated=ffn_gated,
            tied_embeddings=tied_embeddings,
            attention_window=attention_window,
            active_parameters=active_parameters,
        )
    except ValueError as contradiction:
        field, _, message = str(contradiction).partition(": ")
        reader.wrong(field, message)
        return None, ()


def _needed(reader: Reader, name: str, *, most: int) -> int:
    reader.missing(name, "must be given; it cannot follow from the rest")
    return reader.whole(name, most=most) or 0


def _reference(reader: Reader | None, vocabulary: Vocabulary) -> Reference | None:
    if reader is None:
        return None
    reader.missing("gpu", "must name the GPU of the measured run, such as H100 SXM")
    reader.missing("hours", "must say how many hours of wall time the run took")
    spelling = reader.text("gpu")
    gpu = gpu_of(reader, "gpu", spelling, vocabulary) if spelling else None
    count = reader.whole("gpu_count", most=10**6) or 1
    hours = reader.number("hours", least=0.001, most=1e7)
    if gpu is None or hours is None:
        return None
    return Reference(gpu=gpu, gpu_count=count, hours=hours, source="your own run")


MOST_CUTS: Final = 1024  # of one kind, as many as GPUs can be asked for


def plan_of(reader: Reader | None, model: Model | None) -> PinnedPlan:
    """What is fixed of a plan; that it can be is known where the model is."""
    if reader is None:
        return PinnedPlan()
    plan = _plan_of(reader)
    if model is not None and (reason := why_uncuttable(plan, model)):
        field, _, message = reason.partition(": ")
        reader.wrong(field, message)
    return plan


def _plan_of(reader: Reader) -> PinnedPlan:
    offload = [reader.checked_choice("offload", item, get_args(Offload)) for item in reader.texts("offload")]
    return PinnedPlan(
        micro_batch=reader.whole("micro_batch", most=100_000),
        activation_checkpointing=reader.choice("activation_checkpointing", get_args(Checkpointing)),
        optimizer=reader.choice("optimizer", get_args(Optimizer)),
        offload=tuple(offload) if reader.has("offload") else None,
        sharding=reader.choice("sharding", get_args(Sharding)),
        compiled=reader.flag("compiled"),
        flash_attention=reader.flag("flash_attention"),
        tensor_parallel=reader.whole("tensor_parallel", most=MOST_CUTS),
        pipeline_parallel=reader.whole("pipeline_parallel", most=MOST_CUTS),
        context_parallel=reader.whole("context_parallel", most=MOST_CUTS),
        virtual_stages=reader.whole("virtual_stages", most=MOST_CUTS),
    )
