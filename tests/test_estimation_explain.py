"""What stands behind an estimate: work and traffic of a step, rates, constants that decide it, runs that are near."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from service import catalogue
from service.estimation.answer import Estimate
from service.estimation.efficiencies import Efficiencies
from service.estimation.estimate import Estimator
from service.estimation.explain import Explanation, Part, explain
from service.estimation.hardware import Machine
from service.estimation.workload import PinnedPlan, Workload
from tests.builders import machine, workload

ESTIMATOR = Estimator(catalogue.load().efficiencies, catalogue.load().runs)


def explained(asked: Workload, on: Machine) -> tuple[Estimate, Explanation]:
    found = ESTIMATOR.estimate(asked, on)
    assert isinstance(found, Estimate)
    told = explain(ESTIMATOR, asked, on, found)
    assert told is not None
    return found, told


def part(told: Explanation, name: str) -> Part:
    return next(each for each in told.parts if each.name == name)


def test_the_milliseconds_are_those_of_the_step() -> None:
    found, told = explained(workload("nanochat-d32"), machine("RTX 4070", host_memory_gb=64))

    assert sum(each.ms for each in told.parts) == pytest.approx(1e3 * sum(found.step_parts_s.values()))


@pytest.mark.parametrize(("gpu", "count"), [("RTX 4070", 1), ("H100 SXM", 8), ("H100 SXM", 64)])
def test_the_work_of_all_gpus_is_the_work_of_the_tokens_of_a_step(gpu: str, count: int) -> None:
    asked = replace(workload("nanochat-d32"), reference=None, plan=PinnedPlan(context_parallel=1))
    found, told = explained(asked, machine(gpu, count, host_memory_gb=512))

    model_flops = (part(told, "matmul").flops or 0) + (part(told, "attention").flops or 0) * 3 / 3.5
    assert asked.tokens_per_step is not None
    assert model_flops * count == pytest.approx(told.model_flops_per_token * asked.tokens_per_step)
    assert found.plan is not None
    assert told.hardware_flops_per_token == pytest.approx(told.model_flops_per_token * found.plan.recompute_factor)


def test_no_part_works_faster_than_the_peak_of_the_card() -> None:
    for gpu, count in (("RTX 4070", 1), ("RTX 4090", 2), ("A100 SXM 80GB", 8), ("H100 SXM", 64), ("MI300X", 8)):
        card = machine(gpu, count, host_memory_gb=512)
        _, told = explained(replace(workload("nanochat-d32"), reference=None), card)
        peak = next(rate.value for rate in told.rates if rate.name == "matrix products, peak")
        for name in ("matmul", "attention", "recompute"):
            work = part(told, name)
            if work.flops:
                assert work.flops / work.ms * 1e3 < 1.05 * peak * 1e12, (gpu, name)


def test_offload_says_how_many_bytes_cross_pcie_and_one_card_sends_nothing() -> None:
    _, told = explained(workload("nanochat-d32"), machine("RTX 4070", host_memory_gb=64))

    assert part(told, "offload").bytes == pytest.approx(2 * 13 * 2**30, rel=0.01)  # states out and back, once a step
    assert part(told, "communication").bytes is None


def test_constants_say_who_decided_them_and_what_they_do() -> None:
    _, told = explained(workload("nanochat-d32"), machine("RTX 4070", host_memory_gb=64))
    about = {item.name: item.metadata for item in fields(Efficiencies)}

    assert told.constants
    assert [each.by for each in told.constants] == [about[each.name]["by"] for each in told.constants]
    changes = [abs(each.hours_change) for each in told.constants]
    assert changes == sorted(changes, reverse=True)
    attention = next(each for each in told.constants if each.name == "attention")
    assert attention.hours_change < 0  # a faster kernel saves time
    assert not {"attention_newest", "bus"} & {each.name for each in told.constants}  # of other chips, of links


def test_the_nearest_runs_stand_beside_what_the_formula_says_of_them() -> None:
    found, told = explained(workload("nanochat-d32"), machine("RTX 4070", host_memory_gb=64))

    assert tuple(run.id for run in told.nearest) == found.evidence.runs
    for run in told.nearest:
        assert run.gpu == "RTX 4070"
        assert run.source_url.startswith("https://")
        assert run.modelled_tokens_per_s_per_gpu == pytest.approx(run.tokens_per_s_per_gpu, rel=0.25)


def test_where_only_a_reference_is_known_there_is_nothing_to_explain() -> None:
    asked = replace(workload("nanochat-d32"), model=None)
    card = machine("RTX 4070")

    assert explain(ESTIMATOR, asked, card, ESTIMATOR.estimate(asked, card)) is None
