"""What the estimation core says: shapes, memory, plans, calibration, the ratio method, and the anchors."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from service import catalogue
from service.estimation.answer import Estimate, Infeasible, Method
from service.estimation.chips import sustained
from service.estimation.estimate import Estimator, explain_difference
from service.estimation.flops import work_of
from service.estimation.hardware import Machine
from service.estimation.memory import CUT_ACTIVATIONS
from service.estimation.ratio import headline_tflops
from service.estimation.scaling import own_interconnect
from service.estimation.several import explain_count, useful_counts
from service.estimation.workload import Model, PinnedPlan, Precision, Reference, Workload, complete_model
from tests.builders import gpu, machine, workload

ESTIMATOR = Estimator(catalogue.load().efficiencies, catalogue.load().runs)
WHOLE = PinnedPlan(context_parallel=1)  # sequences are not cut over GPUs


def estimate(asked: Workload, on: Machine, method: Method = "model") -> Estimate:
    answer = ESTIMATOR.estimate(asked, on, method)
    assert isinstance(answer, Estimate), answer
    return answer


def refused(asked: Workload, on: Machine, method: Method = "model") -> Infeasible:
    answer = ESTIMATOR.estimate(asked, on, method)
    assert isinstance(answer, Infeasible), answer
    return answer


def uncalibrated(slug: str = "nanochat-d32") -> Workload:
    return replace(workload(slug), reference=None)


def llama_7b() -> Model:
    return complete_model(
        layers=32, width=4096, heads=32, vocabulary=32_000, seq_len=2048, ffn_width=11_008, ffn_gated=True
    )[0]


# Shapes ---------------------------------------------------------------------------------------------------------------


def test_the_anchor_needs_about_twelve_gigaflops_a_token() -> None:
    model = workload("nanochat-d32").model
    assert model is not None

    flops = work_of([model]).model_flops[0]

    # 1,744.8 M matmul parameters, and causal attention over 1,024 keys on average
    assert flops == pytest.approx(6 * 1744.8e6 + 6 * 32 * 2048 * 2048, rel=1e-3)
    assert flops * 37.6e9 == pytest.approx(4.2e20, rel=0.02)


def test_parameters_follow_from_shapes() -> None:
    model, assumed = complete_model(
        layers=12, width=768, heads=12, vocabulary=50_257, seq_len=1024, tied_embeddings=True
    )

    assert model.parameters == pytest.approx(124e6, rel=0.01)
    assert model.kv_heads == 12
    assert model.ffn_width == 4 * 768
    assert any(line.startswith("parameters") for line in assumed)


def test_a_feed_forward_width_follows_from_the_parameters() -> None:
    model, assumed = complete_model(
        layers=32, width=4096, heads=32, vocabulary=32_000, seq_len=4096, ffn_gated=True, parameters=6.74e9
    )

    assert model.ffn_width == pytest.approx(11_008, rel=0.01)
    assert not model.tied_embeddings
    assert any(line.startswith("ffn_width") for line in assumed)


def test_parameters_that_multiply_nothing_change_memory_and_not_the_work() -> None:
    plain = uncalibrated("nanochat-d12")
    assert plain.model is not None
    fuller = replace(plain, model=replace(plain.model, parameters=plain.model.parameters + 1e8))

    few, many = estimate(plain, machine("RTX 4090")), estimate(fuller, machine("RTX 4090"))

    assert few.plan is not None
    assert many.plan is not None
    assert many.step_parts_s["matmul"] == pytest.approx(few.step_parts_s["matmul"], rel=0.02)
    assert many.memory_parts_gb["weights"] > few.memory_parts_gb["weights"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"heads": 7}, "heads"),
        ({"layers": 0}, "layers"),
        ({"kv_heads": 5}, "kv_heads"),
        ({"parameters": 1e6}, "parameters"),
        ({"active_parameters": 1e12}, "active_parameters"),
        ({"attention_window": 0}, "attention_window"),
    ],
)
def test_shapes_that_contradict_themselves_name_the_field(wrong: dict[str, float], field: str) -> None:
    shapes = {"layers": 12, "width": 768, "heads": 12, "vocabulary": 50_257, "seq_len": 1024} | wrong

    with pytest.raises(ValueError, match=f"^{field}:"):
        complete_model(**shapes)  # type: ignore[arg-type]


def test_grouped_heads_gates_windows_and_experts_change_the_work() -> None:
    plain = llama_7b()
    fewer_keys = replace(plain, kv_heads=8)
    windowed = replace(plain, attention_window=512)
    experts = replace(plain, parameters=4.5e10, active_parameters=6.7e9)

    base, grouped, narrow, mixed = work_of([plain, fewer_keys, windowed, experts]).model_flops

    assert grouped < base
    assert narrow < base
    assert mixed == pytest.approx(base, rel=0.01)


# What cards do --------------------------------------------------------------------------------------------------------


def test_a_geforce_sustains_its_rate_with_fp32_accumulation() -> None:
    assert sustained(gpu("RTX 4070"), "bf16").tflops == pytest.approx(58.3 * 1.05)


def test_power_tells_a_72_watt_card_from_its_peak() -> None:
    assert sustained(gpu("L4"), "bf16").tflops < 0.5 * 121


def test_a_card_that_is_slow_in_bf16_runs_fp16_and_says_so() -> None:
    answer = estimate(uncalibrated("gpt2-124m"), machine("MI100"))

    assert sustained(gpu("MI100"), "bf16").tflops == sustained(gpu("MI100"), "fp16").tflops > 92.3
    assert any("slow in BF16" in note for note in answer.notes)


@pytest.mark.parametrize(
    ("name", "printed"),
    [("RTX 4070", 116.6), ("RTX 2080 Ti", 113.8), ("Titan RTX", 130.5), ("Titan V", 110), ("GB10 (DGX Spark)", 125)],
)
def test_only_geforce_is_printed_at_twice_the_rate_it_trains_at(name: str, printed: float) -> None:
    assert headline_tflops(gpu(name)) == pytest.approx(printed)


@pytest.mark.parametrize(
    ("what", "runs"),
    [
        ("experts", ["megatron-bridge-034", "nemo-automodel-002", "dgxc-nemo-039", "megatron-bridge-025"]),
        ("a sliding window", ["nanochat-log-001", "nanochat-log-003"]),
        ("grouped heads", ["torchtitan-002", "torchtitan-009", "llmq-002"]),
        ("FP8", ["torchtitan-003", "torchtitan-010", "llmq-001"]),
        ("FP16 without fused attention", ["languini-001", "languini-004"]),
    ],
)
def test_what_must_be_told_apart_is_near_what_was_published(what: str, runs: list[str]) -> None:
    published = {run.id: run for run in catalogue.load().runs}

    for name in runs:
        run = published[name]
        rate = estimate(run.workload, run.machine).tokens_per_s_per_gpu

        assert rate is not None
        assert rate.p50 == pytest.approx(run.tokens_per_s_per_gpu, rel=0.20), f"{what}: {name}"


def test_precisions_are_as_far_apart_as_their_rates() -> None:
    def hours(precision: Precision, name: str = "A100 SXM 80GB") -> float:
        asked = replace(uncalibrated("llama-2-7b"), precision=precision, plan=PinnedPlan(micro_batch=1))
        return estimate(asked, machine(name, 8)).hours.p50

    # data sheet of the A100: 312 TFLOP/s in 16 bits, 156 in TF32, 19.5 in FP32
    assert hours("fp16") == pytest.approx(hours("bf16"))
    assert 1.7 < hours("tf32") / hours("bf16") < 2.5
    assert 9 < hours("fp32") / hours("bf16") < 20
    assert 1.2 < hours("bf16", "H100 SXM") / hours("fp8", "H100 SXM") < 2


def test_an_h100_on_pcie_is_slower_than_on_sxm() -> None:
    assert sustained(gpu("H100 PCIe"), "bf16").tflops < 0.7 * sustained(gpu("H100 SXM"), "bf16").tflops


@pytest.mark.parametrize("name", ["T4", "V100 SXM2 16GB"])
def test_bf16_on_a_card_without_it_runs_as_fp16_and_says_so(name: str) -> None:
    answer = estimate(uncalibrated("gpt2-124m"), machine(name))

    assert any("no BF16" in note and "FP16" in note for note in answer.notes)


def test_fp8_on_a_card_without_it_is_refused() -> None:
    answer = refused(replace(uncalibrated(), precision="fp8"), machine("A100 SXM 80GB"))

    assert answer.reason == "unsupported_precision"


def test_fp8_is_faster_than_bf16_and_slower_than_twice_as_fast() -> None:
    bf16 = estimate(uncalibrated("llama-2-7b"), machine("H100 SXM", 8)).hours.p50
    fp8 = estimate(replace(uncalibrated("llama-2-7b"), precision="fp8"), machine("H100 SXM", 8)).hours.p50

    assert bf16 / 2 < fp8 < bf16


def test_software_told_to_be_older_is_slower() -> None:
    def hours(**plan: bool) -> float:
        return estimate(replace(uncalibrated("gpt2-124m"), plan=PinnedPlan(**plan)), machine("A100 SXM 80GB")).hours.p50

    assert hours() < hours(compiled=False) < hours(flash_attention=False)


# Plans and memory -----------------------------------------------------------------------------------------------------


def test_the_anchor_fits_a_12_gb_card_with_its_optimizer_in_host_memory() -> None:
    answer = estimate(workload("nanochat-d32"), machine("RTX 4070", host_memory_gb=64))

    assert answer.plan is not None
    assert answer.plan.offload == ("optimizer",)
    assert answer.plan.memory_gb.needed <= answer.plan.memory_gb.available < 12
    assert answer.plan.memory_gb.host_needed == pytest.approx(13, abs=1)
    assert 2000 < answer.hours.p10 < answer.hours.p50 < answer.hours.p90 < 3600


def test_host_memory_that_is_too_small_is_not_used() -> None:
    poor = refused(uncalibrated(), machine("RTX 4070", host_memory_gb=8))
    rich = estimate(uncalibrated(), machine("RTX 4070", host_memory_gb=64))

    assert poor.reason == "out_of_memory"
    assert rich.plan is not None
    assert rich.plan.memory_gb.host_needed < 64


def test_a_host_that_is_too_small_says_so() -> None:
    answer = refused(uncalibrated(), machine("RTX 4070", host_memory_gb=8))

    assert "host RAM" in answer.detail or "most frugal" in answer.detail


def test_only_software_pinned_and_no_plan_fits_is_not_the_plans_fault() -> None:
    asked = replace(uncalibrated("llama-2-7b"), plan=PinnedPlan(compiled=True))

    assert refused(asked, machine("RTX 2060", host_memory_gb=8)).reason == "out_of_memory"


def test_a_pinned_micro_batch_computes_its_loss_at_once_if_that_fits() -> None:
    model = replace(llama_7b(), vocabulary=128_256, parameters=7.5e9, seq_len=8192)

    def chunk(sequences: int) -> int | None:
        plan = PinnedPlan(micro_batch=sequences, activation_checkpointing="full", sharding="fsdp", offload=())
        asked = Workload(name="128k words", tokens=1e9, tokens_per_step=524_288, model=model, plan=plan)
        found = estimate(asked, machine("H100 SXM", 8)).plan
        assert found is not None
        return found.loss_chunk_tokens

    assert chunk(2) is None
    assert chunk(8) == 1024


def test_a_card_that_no_plan_fits_says_how_much_it_lacks() -> None:
    answer = refused(uncalibrated("llama-2-7b"), machine("RTX 2060", host_memory_gb=16))

    assert answer.reason == "out_of_memory"
    assert answer.lacks_gb is not None
    assert f"lacks {answer.lacks_gb:.1f} GB" in answer.detail


def test_a_pinned_plan_that_does_not_fit_still_has_its_hours() -> None:
    pinned = PinnedPlan(micro_batch=32, activation_checkpointing="none", offload=())

    answer = refused(replace(uncalibrated(), plan=pinned), machine("RTX 4070"))

    assert answer.reason == "plan_out_of_memory"
    assert answer.detail.endswith("under the most frugal plan with these settings")
    assert answer.estimate is not None
    assert not answer.estimate.fits
    assert answer.estimate.lacks_gb == answer.lacks_gb
    assert answer.estimate.hours.p50 > 0


def test_what_is_pinned_stays_and_the_rest_is_searched() -> None:
    pinned = PinnedPlan(micro_batch=2, activation_checkpointing="full", compiled=False)

    plan = estimate(replace(uncalibrated(), plan=pinned), machine("A100 SXM 80GB")).plan

    assert plan is not None
    assert (plan.micro_batch, plan.activation_checkpointing, plan.compiled) == (2, "full", False)
    assert plan.recompute_factor == pytest.approx(4 / 3)


def test_pinning_the_plan_that_was_found_changes_nothing() -> None:
    free = estimate(uncalibrated(), machine("RTX 4090", 2))
    assert free.plan is not None
    found = free.plan
    pinned = PinnedPlan(
        micro_batch=found.micro_batch,
        activation_checkpointing=found.activation_checkpointing,
        offload=found.offload,
        sharding=found.sharding,
    )

    again = estimate(replace(uncalibrated(), plan=pinned, optimizer="muon"), machine("RTX 4090", 2))

    assert again.hours.p50 == pytest.approx(free.hours.p50, rel=0.03)


def test_sharding_on_one_gpu_means_none() -> None:
    answer = estimate(replace(uncalibrated(), plan=PinnedPlan(sharding="fsdp")), machine("A100 SXM 80GB"))

    assert answer.plan is not None
    assert answer.plan.sharding == "none"
    assert any("shards nothing" in note for note in answer.notes)


def test_eight_bit_states_of_muon_are_called_unproven() -> None:
    answer = estimate(replace(uncalibrated(), plan=PinnedPlan(offload=())), machine("RTX 4090"))

    assert answer.plan is not None
    assert answer.plan.optimizer == "adamw_8bit"
    assert any("unproven" in note for note in answer.notes)


@pytest.mark.parametrize("name", ["RTX 4070", "A100 SXM 80GB", "B200"])
@pytest.mark.parametrize("gpu_count", [1, 8, 64])
def test_the_parts_sum_to_their_totals(name: str, gpu_count: int) -> None:
    asked = workload("nanochat-d32")
    answer = estimate(asked, machine(name, gpu_count))
    assert answer.plan is not None
    assert asked.tokens is not None
    assert asked.tokens_per_step is not None

    steps = asked.tokens / asked.tokens_per_step

    assert sum(answer.step_parts_s.values()) * steps / 3600 == pytest.approx(answer.hours.p50)
    assert sum(answer.memory_parts_gb.values()) == pytest.approx(answer.plan.memory_gb.needed)
    assert answer.plan.memory_gb.available == pytest.approx(gpu(name).memory_gb * 0.95)


# Many GPUs ------------------------------------------------------------------------------------------------------------


def test_more_gpus_than_sequences_do_not_help() -> None:
    asked = replace(uncalibrated(), plan=WHOLE)
    some, more = estimate(asked, machine("H100 SXM", 256)), estimate(asked, machine("H100 SXM", 1024))

    assert more.hours.p50 >= some.hours.p50
    assert any("more than 256 GPUs do not help" in note for note in more.notes)


@pytest.mark.parametrize("slug", ["nanochat-d32", "gpt2-124m"])
def test_at_what_count_more_gpus_stop_helping_is_said(slug: str) -> None:
    sequences = {"nanochat-d32": 256, "gpt2-124m": 512}[slug]

    asked = replace(workload(slug), plan=WHOLE)

    counts = useful_counts(ESTIMATOR, asked, machine("H100 SXM", 8))
    sentence = explain_count(ESTIMATOR, asked, machine("H100 SXM", 8))

    assert counts is not None
    assert counts.fewest == 1
    assert counts.worthwhile <= counts.fastest <= sequences
    assert sentence is not None
    assert f"beyond {counts.fastest:,} more do not help" in sentence


def test_a_machine_near_its_limit_says_so() -> None:
    asked = replace(uncalibrated(), plan=WHOLE)
    few, most = (estimate(asked, machine("H100 SXM", count)).notes for count in (8, 256))

    assert not any("do not help" in note for note in few)
    assert any("beyond 256 GPUs more do not help" in note for note in most)


def test_beyond_one_sequence_each_gpus_share_sequences_and_help_less() -> None:
    whole = estimate(uncalibrated(), machine("H100 SXM", 256))
    shared = estimate(uncalibrated(), machine("H100 SXM", 512))

    assert any("beyond 256 GPUs sequences have to be cut over several" in note for note in whole.notes)
    assert shared.plan is not None
    assert shared.plan.context_parallel == 2
    assert any("each sequence cut over 2 GPUs" in note for note in shared.notes)
    assert whole.hours.p50 / 2 < shared.hours.p50 < whole.hours.p50


def test_a_sequence_too_long_for_one_card_is_cut_over_several() -> None:
    model = replace(llama_7b(), seq_len=1_048_576)
    asked = Workload(name="long", tokens=1e9, tokens_per_step=1_048_576, model=model)

    plan = estimate(asked, machine("H100 SXM", 16)).plan

    assert plan is not None
    assert plan.context_parallel > 1
    assert refused(replace(asked, plan=PinnedPlan(context_parallel=1, tensor_parallel=1)), machine("H100 SXM", 16))


# Cuts that are pinned -------------------------------------------------------------------------------------------------


def test_cuts_that_are_pinned_are_kept_and_the_rest_is_searched() -> None:
    asked = replace(uncalibrated("llama-2-7b"), plan=PinnedPlan(tensor_parallel=4, pipeline_parallel=2))

    plan = estimate(asked, machine("H100 SXM", 32)).plan

    assert plan is not None
    assert (plan.tensor_parallel, plan.pipeline_parallel, plan.context_parallel) == (4, 2, 1)
    assert plan.micro_batch >= 1


def test_a_cut_of_one_is_no_cut() -> None:
    asked = replace(uncalibrated("llama-2-7b"), plan=PinnedPlan(tensor_parallel=1, pipeline_parallel=1))

    plan = estimate(asked, machine("H100 SXM", 1024)).plan

    assert plan is not None
    assert plan.tensor_parallel == plan.pipeline_parallel == 1


@pytest.mark.parametrize("count", [1, 4, 12])
def test_a_machine_that_a_pinned_cut_does_not_divide_is_refused_and_told_why(count: int) -> None:
    asked = replace(uncalibrated("llama-2-7b"), plan=PinnedPlan(tensor_parallel=4, context_parallel=2))

    answer = refused(asked, machine("H100 SXM", count))

    assert answer.reason == "plan_does_not_divide"
    assert "a multiple of 8 GPUs (tensor_parallel 4 x context_parallel 2)" in answer.detail
    assert f"not for {count}" in answer.detail


def test_every_kind_of_cut_takes_memory_off_a_card() -> None:
    def needed(**cut: int) -> float:
        whole = {"tensor_parallel": 1, "pipeline_parallel": 1, "context_parallel": 1}
        plan = PinnedPlan(micro_batch=8, activation_checkpointing="none", sharding="zero1", offload=())
        pinned = replace(plan, **(whole | cut))
        answer = ESTIMATOR.estimate(replace(uncalibrated("llama-2-7b"), plan=pinned), machine("H100 SXM", 16))
        told = answer.estimate if isinstance(answer, Infeasible) else answer
        assert told is not None
        return told.memory_parts_gb["activations"]

    whole = needed()

    assert needed(context_parallel=2) == pytest.approx(whole / 2, rel=0.01)
    assert needed(tensor_parallel=2) == pytest.approx(CUT_ACTIVATIONS * whole / 2, rel=0.01)
    assert needed(pipeline_parallel=2) <= CUT_ACTIVATIONS * whole


def test_stages_wait_less_for_each_other_if_each_has_several_parts() -> None:
    def told(**stages: int) -> Estimate:
        pinned = PinnedPlan(micro_batch=1, pipeline_parallel=8, **stages)
        asked = replace(uncalibrated("llama-2-7b"), tokens_per_step=262_144, plan=pinned)
        return estimate(asked, machine("H100 SXM", 8))

    one, two, unsaid = told(virtual_stages=1), told(virtual_stages=2), told()

    assert one.hours.p50 > two.hours.p50
    assert unsaid.hours.p50 == one.hours.p50  # what software does unasked
    assert [each.plan.virtual_stages for each in (one, two, unsaid) if each.plan] == [1, 2, 1]


def test_a_ring_over_nodes_takes_longer_than_one_inside() -> None:
    def communication(per_node: int) -> float:
        pinned = PinnedPlan(micro_batch=1, context_parallel=8, sharding="ddp", offload=())
        model = replace(llama_7b(), seq_len=32_768)
        asked = Workload(name="long", tokens=1e9, tokens_per_step=32_768, model=model, plan=pinned)
        answer = ESTIMATOR.estimate(asked, machine("B200", 8, gpus_per_node=per_node))
        told = answer.estimate if isinstance(answer, Infeasible) else answer
        assert told is not None
        return told.step_parts_s["communication"]

    assert communication(2) > communication(8)


def test_matrices_cut_beyond_a_node_are_summed_over_the_network() -> None:
    def communication(tensor: int) -> float:
        pinned = PinnedPlan(micro_batch=1, tensor_parallel=tensor, sharding="zero1", offload=())
        asked = replace(uncalibrated("llama-2-7b"), plan=pinned)
        return estimate(asked, machine("H100 SXM", 16)).step_parts_s["communication"]

    assert communication(16) > 3 * communication(8)


@pytest.mark.parametrize("name", ["RTX 3090", "A40", "RTX A6000", "H100 PCIe", "RTX 4090"])
def test_cards_for_pcie_talk_over_it_unless_a_bridge_is_named(name: str) -> None:
    assert own_interconnect(machine(name, 2)) in ("pcie", "pcie_p2p")
    assert (own_interconnect(machine(name, 2, interconnect="nvlink")) == "nvlink") == (name != "RTX 4090")


def test_geforce_drivers_forbid_copies_from_card_to_card() -> None:
    assert own_interconnect(machine("RTX 4090", 2)) == "pcie"
    assert own_interconnect(machine("RTX A6000", 2)) == "pcie_p2p"
    assert own_interconnect(machine("A100 SXM 80GB", 2)) == "nvlink"


def test_a_bridge_joins_two_cards_and_not_four() -> None:
    def notes(count: int, name: str = "RTX 3090") -> str:
        return " ".join(estimate(uncalibrated(), machine(name, count, interconnect="nvlink")).notes)

    assert "bridges join 2 RTX 3090, not 4: PCIe taken" in notes(4)
    assert "RTX 4090 has no NVLink: PCIe taken" in notes(2, "RTX 4090")
    assert "PCIe taken" not in notes(2)


def test_a_step_that_holds_no_sequence_is_refused() -> None:
    assert refused(replace(uncalibrated(), tokens_per_step=1024), machine()).reason == "batch_too_small"


def test_slower_links_take_longer() -> None:
    def hours(**links: object) -> float:
        return estimate(uncalibrated("llama-2-7b"), machine("A100 SXM 80GB", 8, **links)).hours.p50

    assert hours() < hours(interconnect="pcie_p2p") < hours(interconnect="pcie")


def test_a_slower_network_takes_longer() -> None:
    def hours(gbit: float) -> float:
        return estimate(uncalibrated("llama-2-7b"), machine("H100 SXM", 64, network_gbit_s=gbit)).hours.p50

    assert hours(400) < hours(25)


def test_a_model_too_large_for_one_card_is_cut_or_sharded() -> None:
    model, _ = complete_model(
        layers=80, width=8192, heads=64, kv_heads=8, vocabulary=128_256, seq_len=8192, ffn_width=28_672, ffn_gated=True
    )
    asked = Workload(name="70B", tokens=1e12, tokens_per_step=4_194_304, model=model)

    plan = estimate(asked, machine("H100 SXM", 64)).plan

    assert plan is not None
    assert plan.sharding in ("zero1", "fsdp")
    assert plan.sharding == "fsdp" or plan.tensor_parallel * plan.pipeline_parallel > 1


# References, measurements, the ratio ----------------------------------------------------------------------------------


def test_on_the_machine_of_the_reference_the_answer_is_the_measurement() -> None:
    answer = estimate(workload("nanochat-d32"), machine("H100 SXM", 8))

    assert answer.hours.p50 == pytest.approx(33, rel=1e-9)
    assert answer.evidence.tier == "reference"
    assert answer.hours.p90 / answer.hours.p10 < 1.2


def test_half_of_what_the_reference_deviates_carries_to_another_gpu() -> None:
    asked = workload("nanochat-d32")
    assert asked.reference is not None
    slower = replace(asked, reference=replace(asked.reference, hours=asked.reference.hours * 1.44))

    base, scaled = estimate(asked, machine("A100 SXM 80GB", 8)), estimate(slower, machine("A100 SXM 80GB", 8))

    assert scaled.hours.p50 == pytest.approx(base.hours.p50 * 1.2)


def test_with_only_a_reference_hours_scale_and_memory_is_not_checked() -> None:
    reference = Reference(gpu=gpu("H100 SXM"), gpu_count=8, hours=33)
    asked = Workload(name="unknown", tokens=None, tokens_per_step=None, reference=reference)

    same, half = estimate(asked, machine("H100 SXM", 8)), estimate(asked, machine("H100 SXM", 4))

    assert same.hours.p50 == pytest.approx(33)
    assert half.hours.p50 == pytest.approx(66, rel=0.05)
    assert same.plan is None
    assert any("memory not checked" in note for note in same.notes)


def test_the_owners_own_measurement_overrides_the_model() -> None:
    answer = estimate(workload("nanochat-d32"), machine("RTX 4070", measured_tokens_per_s=5000.0))

    assert answer.hours.p50 == pytest.approx(37580963840 / 5000 / 3600)
    assert answer.evidence.tier == "measured"
    assert answer.hours.p90 / answer.hours.p10 < 1.1


def test_a_measured_machine_runs_whatever_the_memory_formula_says() -> None:
    answer = estimate(uncalibrated("llama-2-7b"), machine("RTX 2060", host_memory_gb=8, measured_tokens_per_s=100.0))

    assert answer.fits
    assert answer.plan is None
    assert any("no plan was found" in note for note in answer.notes)


def test_the_ratio_method_is_the_seeds_arithmetic() -> None:
    answer = estimate(workload("nanochat-d32"), machine("RTX 4070"), "ratio")

    assert math.isclose(answer.hours.p10, 2112)
    assert math.isclose(answer.hours.p90, 2376)
    assert answer.hours.p10 < answer.hours.p50 < answer.hours.p90
    assert answer.plan is None
    assert any("memory" in note for note in answer.notes)


@pytest.mark.parametrize(("gpu_count", "hours"), [(1, 264), (8, 33)])
def test_by_ratio_the_reference_gpu_takes_its_own_hours(gpu_count: int, hours: float) -> None:
    answer = estimate(workload("nanochat-d32"), machine("H100 SXM", gpu_count), "ratio")

    assert (answer.hours.p10, answer.hours.p50, answer.hours.p90) == (hours, hours, hours)


def test_without_a_reference_there_is_no_ratio() -> None:
    assert refused(uncalibrated(), machine("RTX 4070"), "ratio").reason == "no_reference"


def test_a_workload_of_which_nothing_is_known_is_refused() -> None:
    assert refused(Workload(name="?", tokens=None, tokens_per_step=None), machine()).reason == "no_reference"


def test_why_the_two_methods_differ_is_one_sentence() -> None:
    asked, card = workload("nanochat-d32"), machine("RTX 4070")

    sentence = explain_difference(estimate(asked, card), estimate(asked, card, "ratio"))

    assert "more hours than the published ratio" in sentence
    assert "host memory" in sentence
    assert sentence.endswith(".")


# Evidence -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "tier"),
    [("RTX 4090", "same_gpu"), ("RTX 4080", "same_family"), ("MI300X", "data_sheet"), ("T4", "data_sheet")],
)
def test_evidence_says_how_near_the_published_runs_are(name: str, tier: str) -> None:
    answer = estimate(uncalibrated("gpt2-124m"), machine(name))

    assert answer.evidence.tier == tier
    known = {run.id for run in catalogue.load().runs}
    assert set(answer.evidence.runs) <= known
    assert bool(answer.evidence.runs) == (tier != "data_sheet")


def test_the_less_is_known_the_wider_the_interval() -> None:
    def width(name: str) -> float:
        hours = estimate(uncalibrated("gpt2-124m"), machine(name)).hours
        return hours.p90 / hours.p10

    assert width("RTX 4090") < width("RTX 4080") < width("T4") < width("MI300X")


def test_every_published_run_has_its_source_and_date() -> None:
    for run in catalogue.load().runs:
        assert run.source_url.startswith("https://") or run.source_url.startswith("http://"), run.id
        assert run.date, run.id


# What is said of what was asked ---------------------------------------------------------------------------------------


def test_a_micro_batch_that_a_step_does_not_hold_is_lowered_and_said_so() -> None:
    asked = replace(uncalibrated("nanochat-d20"), plan=PinnedPlan(micro_batch=4096))
    answer = ESTIMATOR.estimate(asked, machine("RTX 4090", 8))
    told = answer.estimate if isinstance(answer, Infeasible) else answer

    assert told is not None
    assert told.plan is not None
    assert any(note.startswith(f"micro-batch 4,096 taken as {told.plan.micro_batch}") for note in told.notes)


def test_several_gpus_without_sharding_are_said_to_be_data_parallel() -> None:
    answer = estimate(replace(uncalibrated(), plan=PinnedPlan(sharding="none")), machine("H100 SXM", 8))

    assert any("sharding none taken as ddp" in note for note in answer.notes)


def test_a_measured_pace_beyond_the_peak_is_doubted() -> None:
    absurd = estimate(uncalibrated(), machine("RTX 4090", measured_tokens_per_s=1e9))
    sane = estimate(uncalibrated(), machine("RTX 4090", measured_tokens_per_s=9000.0))

    assert any("is it right?" in note for note in absurd.notes)
    assert not any("is it right?" in note for note in sane.notes)


def test_the_ratio_of_any_two_cards_is_above_zero_and_rounded_by_a_twentieth_at_most() -> None:
    cards = list(catalogue.load().gpus.values())
    for measured in cards[::5]:
        asked = replace(workload("nanochat-d32"), reference=Reference(gpu=measured, gpu_count=1, hours=100.0))
        for card in cards:
            hours = ESTIMATOR.estimate(asked, Machine(gpu=card), "ratio").hours.p50
            assert hours == pytest.approx(100 * headline_tflops(measured) / headline_tflops(card), rel=0.051)
