"""Workloads and plans: by slug, or described by shapes, by a measured run, or both."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Final, get_args

from service.estimation.answer import Method
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


MODEL: Final = (
    *("layers", "width", "heads", "vocabulary", "seq_len", "parameters", "kv_heads", "head_width", "ffn_width"),
    *("ffn_gated", "tied_embeddings", "attention_window", "active_parameters"),
)
TRAINING: Final = ("tokens", "tokens_per_step", "precision")
REFERENCE: Final = {"reference_gpu": "gpu", "reference_gpus": "gpu_count", "reference_hours": "hours"}
OWN_MODEL: Final = (*MODEL, *TRAINING, *REFERENCE)  # what of a query describes a model of one's own
PLAN: Final = tuple(field.name for field in fields(PinnedPlan))


def workload_of(reader: Reader, vocabulary: Vocabulary) -> Workload:
    """What is asked about, with what is pinned of its plan beside it: by `plan` in a body, or by its names alone."""
    is_own = reader.value("workload") == OWN_WORKLOAD
    workload = _own_workload(reader, vocabulary) if is_own else _known_or_described(reader, vocabulary)
    names = [name for name in PLAN if name != "optimizer" or not is_own]  # which of one's own trains it anyway
    for beside in (None if reader.from_text else reader.object("plan"), reader.part(names)):
        if beside is not None:
            workload = replace(workload, plan=plan_of(beside, workload.model, workload.plan))
    return workload


def _known_or_described(reader: Reader, vocabulary: Vocabulary) -> Workload:
    if idle := next((name for name in OWN_MODEL if reader.has(name)), None):
        reader.note(idle, f"has no effect: it describes a model of your own, which is workload {OWN_WORKLOAD}")
    given = DEFAULT_WORKLOAD if reader.value("workload") is None else reader.value("workload")
    if isinstance(given, dict):
        return described_workload(reader.nested("workload", given), vocabulary)
    known = vocabulary.workload(given) if isinstance(given, str) else None
    if known is None:
        hint = nearest(given, vocabulary.workload_slugs()) or f"; known: {', '.join(vocabulary.catalogue.workloads)}"
        reader.wrong("workload", f"{shown(given)} is not known{hint}; see /api/v1/workloads")
    return known or NO_WORKLOAD


def _own_workload(reader: Reader, vocabulary: Vocabulary) -> Workload:
    """What a body says as an object, by parameters of a query; errors go by these."""
    said = {name: value for name in (*OWN_MODEL, "optimizer") if (value := reader.value(name)) is not None}
    body: dict[str, object] = {name: said[name] for name in (*TRAINING, "optimizer") if name in said}
    if model := {name: said[name] for name in MODEL if name in said}:
        body["model"] = model
    if reference := {name: said[flat] for flat, name in REFERENCE.items() if flat in said}:
        body["reference"] = reference
    nested = Reader(body, from_text=reader.from_text)
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
FREE: Final = PinnedPlan()
NOTHING: Final = "none"  # is offloaded; in a body an empty list says the same


def plan_of(reader: Reader | None, model: Model | None, pinned: PinnedPlan = FREE) -> PinnedPlan:
    """What is fixed of a plan, over what was `pinned` before; that it can be is known where the model is."""
    if reader is None:
        return pinned
    said = _plan_of(reader)
    plan = replace(pinned, **{name: value for name in PLAN if (value := getattr(said, name)) is not None})
    if model is not None and (reason := why_uncuttable(plan, model)):
        field, _, message = reason.partition(": ")
        reader.wrong(field, message)
    return plan


def _plan_of(reader: Reader) -> PinnedPlan:
    return PinnedPlan(
        micro_batch=reader.whole("micro_batch", most=100_000),
        activation_checkpointing=reader.choice("activation_checkpointing", get_args(Checkpointing)),
        optimizer=reader.choice("optimizer", get_args(Optimizer)),
        offload=_offload(reader),
        sharding=reader.choice("sharding", get_args(Sharding)),
        compiled=reader.flag("compiled"),
        flash_attention=reader.flag("flash_attention"),
        tensor_parallel=reader.whole("tensor_parallel", most=MOST_CUTS),
        pipeline_parallel=reader.whole("pipeline_parallel", most=MOST_CUTS),
        context_parallel=reader.whole("context_parallel", most=MOST_CUTS),
        virtual_stages=reader.whole("virtual_stages", most=MOST_CUTS),
    )


def _offload(reader: Reader) -> tuple[Offload, ...] | None:
    if not reader.has("offload"):
        return None
    parts = get_args(Offload)
    said = {reader.checked_choice("offload", item, (*parts, NOTHING)) for item in reader.texts("offload")}
    if NOTHING in said and len(said) > 1:
        reader.wrong("offload", f"must be {NOTHING} alone, or what is offloaded")
    return tuple(part for part in parts if part in said)


def note_idle_plan(reader: Reader, workload: Workload, method: Method) -> None:
    """A plan is pinned of which the answer knows nothing."""
    if workload.plan == FREE:
        return
    if method == "ratio":
        reader.note("plan", "has no effect: method ratio scales a measured run, whatever its settings")
    elif workload.model is None:
        reader.note("plan", "has no effect: without the shapes of the model a measured run is scaled")
