"""What users write becomes a request; what they write wrongly is named, field by field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, fields
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import catalogue
from service.parameters import (
    PARAMETERS,
    PLAN,
    FieldError,
    InvalidParameters,
    Vocabulary,
    estimates_request,
    ranking_request,
    ranking_request_from_body,
)
from service.ranking.request import cursor_of

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
VOCABULARY = Vocabulary(
    catalogue=catalogue.load(),
    providers={"runpod", "lambda", "vast"},
    regions={"us-east-1"},
    cloud_countries={"US", "IS"},
)


def read(**parameters: str | Sequence[str]) -> Any:
    query = {name: [value] if isinstance(value, str) else list(value) for name, value in parameters.items()}
    return ranking_request(query, VOCABULARY, NOW)


def errors_of(**parameters: str | Sequence[str]) -> Mapping[str, str]:
    with pytest.raises(InvalidParameters) as refused:
        read(**parameters)
    return {error.field: error.message for error in refused.value.errors}


def body_errors(body: object) -> Mapping[str, str]:
    with pytest.raises(InvalidParameters) as refused:
        ranking_request_from_body(body, VOCABULARY, NOW)
    return {error.field: error.message for error in refused.value.errors}


MODEL = {"layers": 32, "width": 4096, "heads": 32, "vocabulary": 32000, "seq_len": 2048}


def test_nothing_given_asks_the_anchor_question() -> None:
    request = read()

    assert request.workload.slug == "nanochat-d32"
    assert [rig.machine.gpu.name for rig in request.rigs] == ["RTX 4070"]
    assert request.rigs[0].country == "US"
    assert request.pricing == {"on_demand", "spot"}
    assert (request.min_gpus, request.max_gpus, request.sort, request.per) == (1, 64, "cost", "machine")


def test_who_writes_a_stated_default_asks_the_same_question_as_who_does_not() -> None:
    seven_billion = {"layers": "32", "width": "4096", "heads": "32", "vocabulary": "32000", "seq_len": "2048"}
    own = {"workload": "own", **seven_billion, "tokens": "1e9"}
    stated = {
        parameter.name: parameter.default.split(", ") if parameter.repeats else parameter.default
        for parameter in PARAMETERS
        if parameter.default not in ("", "now") and parameter.name not in ("workload", "reference_gpus")
    }

    assert read(**own, **stated) == read(**own)


def test_an_empty_parameter_counts_as_absent_and_an_unknown_name_is_ignored() -> None:
    assert read(country="", deadline_days=" ", colour="red") == read()


@pytest.mark.parametrize("written", ["2x RTX 4090", "2 x rtx 4090", "2×RTX-4090"])
def test_a_rig_is_a_count_and_a_card(written: str) -> None:
    machine = read(rig=written).rigs[0].machine

    assert (machine.gpu.name, machine.gpu_count) == ("RTX 4090", 2)


def test_an_x_that_belongs_to_a_name_counts_nothing() -> None:
    rigs = read(rig=["7900 XTX", "2x 7900 XTX"]).rigs

    assert [(rig.machine.gpu.name, rig.machine.gpu_count) for rig in rigs] == [("RX 7900 XTX", 1), ("RX 7900 XTX", 2)]
    assert read(gpu="L40S PCIe x16").gpus == {"L40S"}


def test_rigs_repeat_and_none_means_no_machine_of_your_own() -> None:
    assert [rig.machine.gpu.name for rig in read(rig=["RTX 4070", "RTX 3090"]).rigs] == ["RTX 4070", "RTX 3090"]
    assert read(rig="none").rigs == ()


def test_your_own_electricity_price_overrides_the_country_s_but_keeps_its_carbon() -> None:
    spain = read(country="ES").rigs[0]
    own = read(country="es", electricity_usd_per_kwh="0,21").rigs[0]

    assert own.electricity_usd_per_kwh == pytest.approx(0.21)
    assert own.carbon_g_per_kwh == spain.carbon_g_per_kwh
    assert own.electricity_source == "your own price"


def test_a_bare_date_means_its_last_second_and_today_means_now() -> None:
    assert read(as_of="2026-11-20").as_of == datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC)
    assert read(as_of="2026-11-24").as_of == NOW


def test_a_cursor_comes_back_as_the_offset_it_was_made_of() -> None:
    assert read(cursor=cursor_of(150)).offset == 150


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("workload", "nanochat-d33", "nanochat-d32"),
        ("method", "physics", "model, ratio"),
        ("rig", "RTX 4071", "RTX 4070"),
        ("rig", "0x RTX 4090", "1 to 1024"),
        ("rig", "-2x RTX 4090", "2x RTX 4090"),
        ("rig", "RTX 4090 x2", "2x RTX 4090"),
        ("gpu", "8x H100 SXM", "count apart"),
        ("workload", "gpt5", "nanochat-d20"),
        ("country", "Spain", "two letters, such as ES"),
        ("country", "QQ", "QQ"),
        ("electricity_usd_per_kwh", "-0.1", "from 0 to 10"),
        ("electricity_usd_per_kwh", "nan", "from 0 to 10"),
        ("gpu", "H1000 SXM", "H100 SXM"),
        ("provider", "runpood", "runpod"),
        ("region", "us-east-11", "us-east-1"),
        ("cloud_country", "Iceland", "two letters"),
        ("pricing", "preemptible", "on_demand, spot, reserved"),
        ("min_gpus", "0", "1 to 1024"),
        ("min_gpus", "1.5", "whole number"),
        ("max_gpus", "1e99", "1 to 1024"),
        ("deadline_days", "abc", "above 0"),
        ("deadline_days", "0", "above 0"),
        ("budget_usd", "inf", "above 0"),
        ("usd_per_day", "-1", "from 0"),
        ("sort", "price", "cost, days, score"),
        ("per", "cloud", "offer, machine, gpu"),
        ("as_of", "yesterday", "2026-11-24"),
        ("as_of", "2026-11-25", "future"),
        ("as_of", "2026-11-20T10:00:00", "zone"),
        ("max_age_hours", "-4", "above 0"),
        ("explain", "perhaps", "true or false"),
        ("limit", "1001", "1 to 1000"),
        ("cursor", "zzz", "next_cursor"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(name: str, value: str, hint: str) -> None:
    errors = errors_of(**{name: value})

    assert list(errors) == [name]
    assert hint in errors[name]


def test_every_field_at_fault_is_named_at_once() -> None:
    assert list(errors_of(country="Spain", min_gpus="0", deadline_days="abc")) == [
        "min_gpus",
        "country",
        "deadline_days",
    ]


def test_fewer_gpus_at_most_than_at_least_is_an_error() -> None:
    assert "max_gpus (4)" in errors_of(min_gpus="8", max_gpus="4")["min_gpus"]


def test_a_body_asks_the_same_question_as_the_query() -> None:
    body = {"workload": "nanochat-d20", "rig": ["RTX 4090"], "country": "ES", "min_gpus": 2, "pricing": ["spot"]}

    assert ranking_request_from_body(body, VOCABULARY, NOW) == read(
        workload="nanochat-d20", rig="RTX 4090", country="ES", min_gpus="2", pricing="spot"
    )


def test_a_workload_and_a_rig_of_your_own() -> None:
    request = ranking_request_from_body(
        {
            "workload": {
                "name": "my-7b",
                "tokens": 2e10,
                "tokens_per_step": 524288,
                "model": {**MODEL, "parameters": 6.7e9},
            },
            "rigs": [{"gpu": "RTX 4070", "host_memory_gb": 64, "host_watts": 80, "electricity_usd_per_kwh": 0.17}],
        },
        VOCABULARY,
        NOW,
    )

    assert request.workload.model is not None
    assert request.workload.model.kv_heads == 32
    assert request.workload.assumed
    assert request.rigs[0].watts == 280
    assert request.rigs[0].machine.host_memory_gb == 64


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "body"),
        ("text", "body"),
        ({"workload": {"name": "x", "tokens": 1e9}}, "workload.model"),
        ({"workload": {"model": MODEL}}, "workload.tokens"),
        ({"workload": {"tokens": 1e9, "model": {**MODEL, "layers": -3}}}, "workload.model.layers"),
        ({"workload": {"tokens": 1e9, "model": {"layers": 3}}}, "workload.model.width"),
        ({"workload": {"tokens": "many", "model": MODEL}}, "workload.tokens"),
        ({"workload": {"tokens": 1e9, "model": MODEL, "optimizer": "adam"}}, "workload.optimizer"),
        ({"workload": {"tokens": 1e9, "model": MODEL, "plan": {"offload": ["disk"]}}}, "workload.plan.offload"),
        ({"workload": {"reference": {"gpu": "H100 SXM"}}}, "workload.reference.hours"),
        ({"workload": {"reference": {"gpu": "H900", "hours": 3}}}, "workload.reference.gpu"),
        ({"workload": 5}, "workload"),
        ({"rigs": "RTX 4070"}, "rigs"),
        ({"rigs": [{"gpu_count": 1}]}, "rigs[0].gpu"),
        ({"rigs": [{"gpu": "2x RTX 4090"}]}, "rigs[0].gpu"),
        ({"rigs": [{"gpu": "RTX 4070", "host_watts": True}]}, "rigs[0].host_watts"),
        ({"rigs": [{"gpu": "RTX 4070", "purchase_usd": 100, "resale_usd": 200}]}, "rigs[0].resale_usd"),
        ({"min_gpus": "2"}, "min_gpus"),
        ({"explain": "true"}, "explain"),
        ({"gpu": [3]}, "gpu"),
    ],
)
def test_a_wrong_body_is_named_by_the_path_of_its_field(body: object, field: str) -> None:
    assert field in body_errors(body)


def test_estimates_keep_the_order_of_their_machines_and_pin_a_plan_for_each() -> None:
    request = estimates_request(
        {
            "workload": "nanochat-d32",
            "machines": [{"gpu": "A100 SXM 80GB", "gpu_count": 8}, {"gpu": "RTX 4090", "plan": {"micro_batch": 2}}],
        },
        VOCABULARY,
    )

    assert [machine.gpu.name for _, machine in request.questions] == ["A100 SXM 80GB", "RTX 4090"]
    assert [workload.plan.micro_batch for workload, _ in request.questions] == [None, 2]


@pytest.mark.parametrize(
    ("plan", "field", "right"),
    [
        ({"tensor_parallel": 0}, "tensor_parallel", "whole number"),
        ({"pipeline_parallel": 2.5}, "pipeline_parallel", "whole number"),
        ({"context_parallel": "2"}, "context_parallel", "whole number"),
        ({"tensor_parallel": 3}, "tensor_parallel", "does not divide 16 heads"),
        ({"pipeline_parallel": 33}, "pipeline_parallel", "more than 32 layers"),
        ({"pipeline_parallel": 8, "virtual_stages": 5}, "virtual_stages", "more than 32 layers"),
        ({"context_parallel": 3}, "context_parallel", "does not divide a sequence of 2048 tokens"),
    ],
)
def test_a_cut_that_a_model_does_not_allow_is_named(plan: dict[str, object], field: str, right: str) -> None:
    machine = {"gpu": "H100 SXM", "gpu_count": 8, "plan": plan}

    with pytest.raises(InvalidParameters) as refused:
        estimates_request({"workload": "nanochat-d32", "machines": [machine]}, VOCABULARY)

    (error,) = refused.value.errors
    assert error.field == f"machines[0].plan.{field}"
    assert right in error.message


def test_cuts_are_pinned_with_the_rest_of_a_plan() -> None:
    plan = {"tensor_parallel": 8, "pipeline_parallel": 4, "context_parallel": 2}
    body = {"workload": "nanochat-d32", "machines": [{"gpu": "H100 SXM", "gpu_count": 64, "plan": plan}]}

    ((asked, _),) = estimates_request(body, VOCABULARY).questions

    assert asked.plan.cut == (8, 4, 2)


# A plan that is pinned -----------------------------------------------------------------------------------------------

PINS = {
    "micro_batch": ("4", 4),
    "activation_checkpointing": ("full", "full"),
    "optimizer": ("adamw_8bit", "adamw_8bit"),
    "offload": (["optimizer", "gradients"], ["gradients", "optimizer"]),
    "sharding": ("fsdp", "fsdp"),
    "compiled": ("false", False),
    "flash_attention": ("yes", True),
    "tensor_parallel": ("2", 2),
    "pipeline_parallel": ("2", 2),
    "context_parallel": ("2", 2),
    "virtual_stages": ("2", 2),
}


def test_a_plan_is_pinned_by_its_names_in_a_query_as_by_an_object_in_a_body() -> None:
    plan = {name: said for name, (_, said) in PINS.items()}

    asked = read(**{name: typed for name, (typed, _) in PINS.items()})

    assert set(PINS) == {field.name for field in fields(asked.workload.plan)} == set(PLAN)
    assert None not in astuple(asked.workload.plan)
    assert ranking_request_from_body({"plan": plan}, VOCABULARY, NOW) == asked
    assert ranking_request_from_body(plan, VOCABULARY, NOW) == asked


def test_what_is_pinned_beside_a_workload_goes_over_its_own_plan() -> None:
    workload = {"model": MODEL, "tokens": 1e9, "plan": {"micro_batch": 2, "sharding": "fsdp"}}

    plan = ranking_request_from_body({"workload": workload, "plan": {"micro_batch": 4}}, VOCABULARY, NOW).workload.plan

    assert (plan.micro_batch, plan.sharding) == (4, "fsdp")


def test_nothing_is_offloaded_by_none_in_a_query_and_by_an_empty_list_in_a_body() -> None:
    nothing = read(offload="none")

    assert nothing.workload.plan.offload == ()
    assert ranking_request_from_body({"offload": []}, VOCABULARY, NOW) == nothing
    assert "none alone" in errors_of(offload=["none", "optimizer"])["offload"]


def test_the_optimizer_of_ones_own_model_is_its_rule_and_of_a_known_one_a_pin() -> None:
    seven_billion = {"layers": "32", "width": "4096", "heads": "32", "vocabulary": "32000", "seq_len": "2048"}

    own = read(workload="own", **seven_billion, tokens="1e9", optimizer="lion").workload
    known = read(optimizer="lion").workload

    assert (own.optimizer, own.plan.optimizer) == ("lion", None)
    assert (known.optimizer, known.plan.optimizer) == ("muon", "lion")


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("micro_batch", "0", "whole number from 1"),
        ("sharding", "zero3", "one of none, ddp, zero1, zero2, fsdp"),
        ("offload", "disk", "optimizer, gradients, activations, parameters, none"),
        ("compiled", "perhaps", "true or false"),
        ("tensor_parallel", "3", "does not divide 16 heads"),
        ("context_parallel", "7", "does not divide a sequence of 2048 tokens"),
    ],
)
def test_a_pin_that_cannot_be_is_named_in_a_query(name: str, value: str, right: str) -> None:
    errors = errors_of(**{name: value})

    assert list(errors) == [name]
    assert right in errors[name]


def test_every_shape_that_a_body_may_give_can_be_given_in_a_query() -> None:
    mixture: dict[str, Any] = {
        **MODEL,
        "kv_heads": 8,
        "head_width": 64,
        "ffn_width": 1408,
        "ffn_gated": True,
        "tied_embeddings": False,
    }
    mixture |= {"attention_window": 1024, "active_parameters": 2e9, "parameters": 2e10}

    asked = read(workload="own", tokens="1e9", **{name: str(value).lower() for name, value in mixture.items()})

    assert asked == ranking_request_from_body({"workload": {"model": mixture, "tokens": 1e9}}, VOCABULARY, NOW)


def test_a_plan_of_which_the_answer_knows_nothing_is_told() -> None:
    measured = {"workload": {"reference": {"gpu": "H100 SXM", "hours": 3}}, "plan": {"micro_batch": 4}}

    assert read(micro_batch="4").notes == ()
    assert "method ratio" in read(micro_batch="4", method="ratio").notes[0]
    assert "without the shapes" in ranking_request_from_body(measured, VOCABULARY, NOW).notes[0]


# Names that nobody reads ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"micro_batch_size": 4}, "micro_batch_size is not read and has no effect; nearest: micro_batch"),
        ({"plan": {"checkpointing": "full"}}, "plan.checkpointing * activation_checkpointing"),
        ({"workload": {"model": {**MODEL, "n_layers": 3}, "tokens": 1e9}}, "workload.model.n_layers * layers"),
        (
            {"workload": {"model": MODEL, "tokens": 1e9, "token_per_step": 9}},
            "workload.token_per_step * tokens_per_step",
        ),
        ({"rigs": [{"gpu": "RTX 4070", "gpus": 2}]}, "rigs[0].gpus * gpu"),
        ({"layers": 12}, "layers has no effect: it describes a model of your own, which is workload own"),
        ({"colour": "blue", "rigs": [{"gpu": "RTX 4070", "id": 7}]}, None),
    ],
)
def test_a_name_that_nobody_reads_is_told_where_it_is_near_a_known_one(body: object, said: str | None) -> None:
    notes = ranking_request_from_body(body, VOCABULARY, NOW).notes

    assert notes == (() if said is None else (said.replace("*", "is not read and has no effect; nearest:"),))


def test_the_notes_of_an_estimate_are_those_on_its_machine_and_on_all() -> None:
    machines = [{"gpu": "RTX 4090", "plan": {"micro_batchs": 2}}, {"gpu": "RTX 4090", "micro_batch": 2}]

    asked = estimates_request({"workload": "nanochat-d32", "explian": True, "machines": machines}, VOCABULARY)

    assert [[note.split()[0] for note in notes] for notes in asked.notes] == [
        ["explian", "machines[0].plan.micro_batchs"],
        ["explian", "machines[1].micro_batch"],
    ]


@pytest.mark.parametrize("machines", [None, [], {}, [3]])
def test_estimates_need_at_least_one_machine(machines: object) -> None:
    with pytest.raises(InvalidParameters) as refused:
        estimates_request({"workload": "nanochat-d32", "machines": machines}, VOCABULARY)

    assert [error.field for error in refused.value.errors] == ["machines"]


@given(
    st.dictionaries(
        st.sampled_from([parameter.name for parameter in PARAMETERS] + ["rigs", "workload"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["gpu", "model", "reference", "layers", "tokens"]), inner, max_size=3)
            ),
            max_leaves=8,
        ),
    )
)
def test_any_body_is_either_a_request_or_a_list_of_named_errors(body: dict[str, Any]) -> None:
    errors: tuple[FieldError, ...] | None = None
    try:
        ranking_request_from_body(body, VOCABULARY, NOW)
    except InvalidParameters as refused:
        errors = refused.errors

    assert errors is None or (errors and all(error.field and error.message for error in errors))
