"""What must hold of every estimate, over generated workloads and machines."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from service import catalogue
from service.estimation.answer import Estimate, Infeasible, Method
from service.estimation.estimate import Estimator
from service.estimation.hardware import Gpu, Machine
from service.estimation.workload import Model, PinnedPlan, Reference, Workload, complete_model

KNOWN = catalogue.load()
unhurried = settings(deadline=None)  # the first example fills caches
ESTIMATOR = Estimator(KNOWN.efficiencies, KNOWN.runs)


@st.composite
def models(draw: st.DrawFn) -> Model:
    heads = draw(st.sampled_from([4, 8, 12, 16, 32]))
    head_width = draw(st.sampled_from([64, 96, 128]))
    gated = draw(st.booleans())
    return complete_model(
        layers=draw(st.integers(2, 64)),
        width=heads * head_width,
        heads=heads,
        kv_heads=heads // draw(st.sampled_from([1, 2, 4])),
        ffn_gated=gated,
        vocabulary=draw(st.sampled_from([8_192, 32_000, 65_536, 151_936])),
        seq_len=draw(st.sampled_from([512, 1024, 2048, 8192])),
        tied_embeddings=draw(st.booleans()),
        attention_window=draw(st.sampled_from([None, 512, 4096])),
    )[0]


@st.composite
def workloads(draw: st.DrawFn, plans: bool = True) -> Workload:
    plan = PinnedPlan()
    if plans:
        plan = PinnedPlan(
            micro_batch=draw(st.sampled_from([None, None, 1, 8])),
            activation_checkpointing=draw(st.sampled_from([None, None, "none", "selective", "full"])),
            compiled=draw(st.sampled_from([None, True, False])),
            flash_attention=draw(st.sampled_from([None, True, False])),
            tensor_parallel=draw(st.sampled_from([None, None, 1, 2])),
            pipeline_parallel=draw(st.sampled_from([None, None, 1, 2])),
            context_parallel=draw(st.sampled_from([None, None, 1, 2])),
        )
    return Workload(
        name="generated",
        tokens=draw(st.floats(1e8, 1e12)),
        tokens_per_step=draw(st.sampled_from([16_384, 131_072, 524_288, 2_097_152])),
        precision=draw(st.sampled_from(["bf16", "bf16", "fp16", "fp8", "tf32", "fp32"])),
        optimizer=draw(st.sampled_from(["adamw", "adamw_8bit", "muon", "sgd"])),
        model=draw(models()),
        plan=plan,
    )


@st.composite
def machines(draw: st.DrawFn) -> Machine:
    return Machine(
        gpu=draw(st.sampled_from(sorted(KNOWN.gpus.values(), key=lambda gpu: gpu.name))),
        gpu_count=draw(st.sampled_from([1, 2, 3, 8, 64, 1024])),
        host_memory_gb=draw(st.sampled_from([None, 32.0, 512.0])),
        network_gbit_s=draw(st.sampled_from([None, 25.0, 400.0])),
    )


def hours(asked: Workload, machine: Machine, method: Method = "model") -> float:
    """The median; infinite where there is no answer, so that less can be compared."""
    answer = ESTIMATOR.estimate(asked, machine, method)
    told = answer if isinstance(answer, Estimate) else None
    return told.hours.p50 if told else math.inf


@unhurried
@given(workloads(), machines())
def test_every_machine_is_estimated_or_refused_with_a_reason(asked: Workload, machine: Machine) -> None:
    answer = ESTIMATOR.estimate(asked, machine)

    if isinstance(answer, Infeasible):
        assert answer.detail
        if answer.reason in ("out_of_memory", "plan_out_of_memory"):
            assert answer.lacks_gb is not None
            assert answer.lacks_gb > 0
        return
    assert 0 < answer.hours.p10 <= answer.hours.p50 <= answer.hours.p90 < math.inf
    assert answer.mfu is not None
    assert 0 < answer.mfu < 1.2  # GeForce cards boost beyond their data sheet
    assert answer.plan is not None
    assert answer.plan.memory_gb.needed <= answer.plan.memory_gb.available
    assert all(seconds >= 0 for seconds in answer.step_parts_s.values())
    assert all(gigabytes >= 0 for gigabytes in answer.memory_parts_gb.values())


@unhurried
@given(workloads(), machines(), st.floats(1.0, 100.0))
def test_more_tokens_never_take_fewer_hours(asked: Workload, machine: Machine, factor: float) -> None:
    assert asked.tokens is not None

    assert hours(replace(asked, tokens=asked.tokens * factor), machine) >= hours(asked, machine) * (1 - 1e-9)


@unhurried
@given(workloads(), machines(), st.floats(1.0, 8.0))
def test_more_memory_never_takes_more_hours(asked: Workload, machine: Machine, factor: float) -> None:
    larger = replace(machine, gpu=replace(machine.gpu, memory_gb=machine.gpu.memory_gb * factor))

    assert hours(asked, larger) <= hours(asked, machine) * (1 + 1e-9)


@unhurried
@given(workloads(), machines(), st.floats(1.0, 8.0))
def test_more_host_memory_never_takes_more_hours(asked: Workload, machine: Machine, factor: float) -> None:
    assume(machine.host_memory_gb is not None)
    assert machine.host_memory_gb is not None
    larger = replace(machine, host_memory_gb=machine.host_memory_gb * factor)

    assert hours(asked, larger) <= hours(asked, machine) * (1 + 1e-9)


LINES = (
    "memory_gb",
    "bandwidth_gb_s",
    "bf16_tflops",
    "fp16_tflops",
    "fp8_tflops",
    "tf32_tflops",
    "fp32_tflops",
    "board_power_w",
    "nvlink_gb_s",
    "matmul_bf16_tflops",
)


@st.composite
def better(draw: st.DrawFn, gpu: Gpu) -> Gpu:
    """The same card with some lines of its data sheet improved."""
    improved = {
        name: getattr(gpu, name) * draw(st.sampled_from([1.0, 1.01, 1.5, 4.0]))
        for name in LINES
        if getattr(gpu, name) is not None
    }
    return replace(gpu, **improved)


@unhurried
@given(st.data(), workloads(), machines())
def test_a_card_better_on_every_line_is_never_slower(data: st.DataObject, asked: Workload, machine: Machine) -> None:
    faster = replace(machine, gpu=data.draw(better(machine.gpu)))

    assert hours(asked, faster) <= hours(asked, machine) * (1 + 1e-9)


def test_the_lines_of_a_data_sheet_are_all_considered() -> None:
    others = {"name", "vendor", "architecture", "year", "form_factor", "pcie_gen", "pcie_lanes", "consumer"}

    assert {item.name for item in fields(Gpu)} == {*LINES, *others}


@unhurried
@given(workloads(plans=False), machines(), st.floats(0.1, 10.0))
def test_scaling_a_reference_scales_the_answer(asked: Workload, machine: Machine, factor: float) -> None:
    reference = Reference(gpu=KNOWN.gpus["H100 SXM"], gpu_count=8, hours=33)
    only = replace(asked, model=None, reference=reference, precision="bf16")
    longer = replace(only, reference=replace(reference, hours=33 * factor))

    for method in ("model", "ratio"):
        base, scaled = hours(only, machine, method), hours(longer, machine, method)
        assert scaled == pytest.approx(base * factor) or base == scaled == math.inf


@unhurried
@given(workloads(plans=False), machines())
def test_a_longer_reference_never_takes_fewer_hours(asked: Workload, machine: Machine) -> None:
    reference = Reference(gpu=KNOWN.gpus["A100 SXM 80GB"], gpu_count=8, hours=100)
    short = replace(asked, reference=reference)
    long = replace(asked, reference=replace(reference, hours=150))

    assert hours(long, machine) >= hours(short, machine)


@unhurried
@given(workloads(), st.lists(machines(), min_size=2, max_size=6))
def test_many_at_once_are_the_same_as_one_by_one(asked: Workload, several: list[Machine]) -> None:
    together = ESTIMATOR.estimate_many(asked, several)

    for machine, answer in zip(several, together, strict=True):
        alone = ESTIMATOR.estimate(asked, machine)
        assert type(answer) is type(alone)
        if isinstance(answer, Estimate) and isinstance(alone, Estimate):
            assert answer.hours.p50 == pytest.approx(alone.hours.p50)
            assert answer.plan == alone.plan


@pytest.mark.parametrize("slug", list(KNOWN.workloads))
@pytest.mark.parametrize("method", ["model", "ratio"])
def test_every_preset_has_an_answer_for_every_gpu_and_count(slug: str, method: Method) -> None:
    several = [Machine(gpu=gpu, gpu_count=count) for gpu in KNOWN.gpus.values() for count in (1, 2, 8, 64, 1024)]

    for answer in ESTIMATOR.estimate_many(KNOWN.workloads[slug], several, method):
        assert answer.detail if isinstance(answer, Infeasible) else answer.hours.p50 > 0
