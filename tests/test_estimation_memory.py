"""The memory formula against what was published: peaks, plans that ran, micro-batches that ran out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service import catalogue
from service.estimation.answer import Estimate, Infeasible
from service.estimation.estimate import Estimator
from service.estimation.hardware import Machine
from service.estimation.workload import PinnedPlan, Workload
from service.fit import memory_report
from tests.builders import machine, workload

RUNS = {run.id: run for run in catalogue.load().runs}
ESTIMATOR = Estimator(catalogue.load().efficiencies, catalogue.load().runs)
REPORT = memory_report(tuple(RUNS.values()), ESTIMATOR)
COMPILES_ITS_LOSS = {"torchtitan-h200-001", "torchtitan-h200-002"}  # 2025: a third less than the versions before


def answer(asked: Workload, on: Machine) -> Estimate | Infeasible:
    return ESTIMATOR.estimate(asked, on)


@pytest.mark.parametrize("peak", [each for each in REPORT.peaks if not each.held], ids=lambda peak: peak.run)
def test_published_peaks_are_met_within_a_tenth(peak: object) -> None:
    found = next(each for each in REPORT.peaks if each is peak)

    if found.run in COMPILES_ITS_LOSS:
        assert 0 < found.error < 0.4  # too much, never too little
    elif RUNS[found.run].workload.plan.cut[:2] != (1, 1):
        assert -0.4 < found.error <= 0.10  # stages that hold the logits of many micro-batches are not modelled
    else:
        assert abs(found.error) <= 0.10


def test_what_a_card_holds_is_more_than_what_is_needed() -> None:
    (held,) = [peak for peak in REPORT.peaks if peak.held]

    assert held.predicted_gb < held.published_gb


def test_published_plans_that_ran_are_called_fitting_or_come_within_a_tenth_of_it() -> None:
    assert REPORT.ran > 400
    assert all(share < 1.1 for share in REPORT.ran_but_refused.values())
    # old software, its largest batch: none that ran out may fit, and the formula does not tell one sequence of 350
    assert {RUNS[run].framework for run in REPORT.ran_but_refused} == {"legacy"}
    assert len(REPORT.ran_but_refused) <= 7


def test_no_plan_is_called_fitting_that_ran_out_of_memory() -> None:
    assert REPORT.ran_out >= 20
    assert REPORT.ran_out_but_accepted == {}


def test_twice_the_batch_that_just_fits_never_does() -> None:
    for run in RUNS.values():
        if run.runs_out_at_micro_batch and run.source == "languini":
            twice = 2 * run.runs_out_at_micro_batch
            plan = replace(run.workload.plan, micro_batch=twice, optimizer="adamw", offload=())
            asked = replace(run.workload, plan=plan, tokens_per_step=twice * 512)

            assert isinstance(answer(asked, run.machine), Infeasible), run.id


def test_old_software_keeps_more_than_compiled_software() -> None:
    def needed(**software: bool) -> float:
        plan = PinnedPlan(micro_batch=8, activation_checkpointing="none", optimizer="adamw", offload=(), **software)
        found = answer(replace(workload("gpt2-124m"), reference=None, plan=plan), machine("A100 SXM 80GB"))
        assert isinstance(found, Estimate)
        assert found.plan is not None
        return found.plan.memory_gb.needed

    assert needed(compiled=True) < needed(compiled=False) < needed(flash_attention=False)


def test_a_searched_plan_leaves_its_margin() -> None:
    for name in ("RTX 4070", "RTX 4090", "A100 SXM 80GB"):
        found = answer(workload("nanochat-d32"), machine(name, host_memory_gb=128))

        assert isinstance(found, Estimate)
        assert found.plan is not None
        assert (
            found.plan.memory_gb.needed <= found.plan.memory_gb.available <= 0.95 * machine(name).gpu.memory_gb + 1e-9
        )


# What is missing, and where -------------------------------------------------------------------------------------------


def test_seven_billion_parameters_stream_through_twelve_gigabytes_if_the_host_has_the_ram() -> None:
    asked = replace(workload("llama-2-7b"), reference=None)

    rich, unknown = (answer(asked, machine("RTX 4070", host_memory_gb=gb)) for gb in (128, None))
    poor = answer(asked, machine("RTX 4070", host_memory_gb=64))

    for found in (rich, unknown):
        assert isinstance(found, Estimate)
        assert found.plan is not None
        assert "parameters" in found.plan.offload
        assert found.step_parts_s["offload"] > 0
    assert isinstance(unknown, Estimate)
    assert any("GB of host RAM" in note and "not known" in note for note in unknown.notes)
    assert isinstance(poor, Infeasible)
    assert "GB of host RAM" in poor.detail
    assert "GPU memory" not in poor.detail


def test_the_numbers_of_a_refusal_agree() -> None:
    asked = replace(workload("llama-2-7b"), reference=None, plan=PinnedPlan(offload=()))

    found = answer(asked, machine("RTX 4070"))

    assert isinstance(found, Infeasible)
    assert found.lacks_gb is not None
    assert found.estimate is not None
    assert found.estimate.plan is not None
    memory = found.estimate.plan.memory_gb
    assert found.lacks_gb == pytest.approx(memory.needed - memory.available)
    assert f"lacks {found.lacks_gb:.1f} GB of GPU memory ({memory.needed:.1f} GB needed" in found.detail
    assert "host RAM" not in found.detail


def test_a_slow_bus_makes_offload_slow() -> None:
    def hours(generation: int) -> float:
        on = machine("RTX 4070", host_memory_gb=128)
        found = answer(
            replace(workload("llama-2-7b"), reference=None, tokens_per_step=8192),
            replace(on, gpu=replace(on.gpu, pcie_gen=generation)),
        )
        assert isinstance(found, Estimate)
        return found.hours.p50

    assert hours(4) < hours(3) < hours(1)
