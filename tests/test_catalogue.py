"""The catalogue: each number with its source, each name of a GPU to the GPU it means, or to nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.catalogue import CatalogueError, UnknownCountry, UnknownGpu, load, text_of
from service.catalogue.files import read_electricity, read_exchange_rates, read_gpus, read_workloads
from service.estimation.workload import Model
from service.rates import UnknownCurrency, usd_per_unit

CATALOGUE = load()
NAMES = sorted(CATALOGUE.gpus)
STATES = {code for code in CATALOGUE.electricity if "-" in code}

# What is known -------------------------------------------------------------------------------------------------------


def test_a_hundred_gpus_are_known_each_with_its_sources_and_the_day_they_were_read() -> None:
    assert len(CATALOGUE.sheets) >= 100
    assert all(sheet.sources for sheet in CATALOGUE.sheets.values())
    assert all(date(2026, 1, 1) < sheet.retrieved for sheet in CATALOGUE.sheets.values())


def test_a_measured_matrix_rate_is_near_what_the_data_sheet_promises() -> None:
    shares = {
        gpu.name: gpu.matmul_bf16_tflops / sixteen_bit
        for gpu in CATALOGUE.gpus.values()
        if gpu.matmul_bf16_tflops and (sixteen_bit := gpu.bf16_tflops or gpu.fp16_tflops)
    }

    assert len(shares) >= 40
    # GeForce cards boost past their sheet; a P100 that accumulates in FP32 reaches less than half of its FP16
    assert {name: share for name, share in shares.items() if not 0.38 <= share <= 1.2} == {}


def test_an_rtx_4070_multiplies_at_half_its_headline_because_it_accumulates_in_fp32() -> None:
    assert CATALOGUE.gpus["RTX 4070"].bf16_tflops == 58.3
    assert CATALOGUE.gpus["RTX 4070"].memory_gb == 12


def test_cards_without_bf16_say_so() -> None:
    assert CATALOGUE.gpus["V100 SXM2 16GB"].bf16_tflops is None
    assert CATALOGUE.gpus["A100 SXM 80GB"].fp8_tflops is None


@pytest.mark.parametrize("slug", sorted(CATALOGUE.workloads))
def test_the_parameters_of_a_preset_follow_from_its_shapes(slug: str) -> None:
    model = CATALOGUE.workloads[slug].model
    assert model is not None

    assert parameters_of(model) == pytest.approx(model.parameters, rel=0.02)


def parameters_of(model: Model) -> float:
    attention = 2 * model.width * model.width * (1 + model.kv_heads / model.heads)
    feed_forward = (3 if model.ffn_gated else 2) * model.width * model.ffn_width
    embeddings = model.vocabulary * model.width * (1 if model.tied_embeddings else 2)
    return model.layers * (attention + feed_forward) + embeddings


def test_the_anchor_is_264_h100_hours_for_37_6_billion_tokens() -> None:
    workload = CATALOGUE.workloads["nanochat-d32"]

    assert workload.model is not None
    assert workload.reference is not None
    assert workload.model.parameters == pytest.approx(1.88e9, rel=0.001)
    assert workload.tokens == pytest.approx(37.6e9, rel=0.001)
    assert workload.tokens == 71_680 * 524_288
    assert workload.reference.gpu is CATALOGUE.gpus["H100 SXM"]
    assert workload.reference.hours * workload.reference.gpu_count == 264


def test_all_presets_have_a_source_and_train_whole_steps() -> None:
    assert set(CATALOGUE.workloads) >= {
        *(f"nanochat-{depth}" for depth in ("d12", "d20", "d26", "d32", "d34")),
        *("gpt2-124m", "gpt2-1.6b", "tinyllama-1.1b", "llama-2-7b"),
    }
    assert all(workload.source and workload.tokens_per_step for workload in CATALOGUE.workloads.values())


def test_household_electricity_is_known_in_forty_countries_and_all_american_states() -> None:
    countries = CATALOGUE.electricity.keys() - STATES

    assert len(countries) >= 40
    assert countries >= {"US", "ES", "MX", "GB", "DE", "IS", "NO", "IN", "CN", "JP", "KR", "CA", "AU", "BR"}
    assert len(STATES) == 51


def test_an_electricity_price_says_what_it_is_of() -> None:
    spain = CATALOGUE.country("es")

    assert spain.official
    assert spain.period == "2025-S2"
    assert spain.year == 2025
    assert spain.currency == "EUR"
    assert 0.25 < spain.usd_per_kwh < 0.40
    assert not CATALOGUE.country("MX").official


def test_an_unknown_country_is_named_with_what_comes_near() -> None:
    with pytest.raises(UnknownCountry, match=r"'Spain'.*ES"):
        CATALOGUE.country("Spain")
    with pytest.raises(UnknownCountry, match="GB"):
        CATALOGUE.country("UK")


# What a name means ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_gpu_is_found_by_its_name_and_by_each_alias_with_its_memory(name: str) -> None:
    sheet = CATALOGUE.sheets[name]

    assert CATALOGUE.gpu(name) is sheet.gpu
    assert [CATALOGUE.resolve(alias, sheet.gpu.memory_gb).name for alias in (name, *sheet.aliases)] == [
        name for _ in (name, *sheet.aliases)
    ]


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("NVIDIA A100-SXM4-80GB", "A100 SXM 80GB"),
        ("A100 (80 GB SXM4)", "A100 SXM 80GB"),
        ("A100_80G_PCIE", "A100 PCIe 80GB"),
        ("a100-sxm-40", "A100 SXM 40GB"),
        ("NVIDIA-H100-80GB-HBM3", "H100 SXM"),
        ("H100-80G-PCIe-NVLink", "H100 PCIe"),
        ("H100_PCIE_BAREMETAL", "H100 PCIe"),
        ("h100-sxm5-80gb", "H100 SXM"),
        ("8x H100 (80 GB PCIe)", "H100 PCIe"),
        ("H200 NVL (141GB) NVLink", "H200 NVL"),
        ("NVIDIA B300 SXM6 AC", "B300"),
        ("NVIDIA GB200 NVL72", "GB200"),
        ("NVIDIA GH200 480GB", "GH200"),
        ("AMD Instinct MI300X OAM", "MI300X"),
        ("NVIDIA T4 Tensor Core", "T4"),
        ("Tesla V100-PCIE-16GB", "V100 PCIe 16GB"),
        ("V100-32GB", "V100 SXM2 32GB"),
        ("geforcertx4090-pcie-24gb", "RTX 4090"),
        ("RTX_4070_Ti_Super", "RTX 4070 Ti Super"),
        ("RTX6000Ada", "RTX 6000 Ada"),
        ("RTX6000", "Quadro RTX 6000"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX PRO 6000 Blackwell Server"),
        ("RTXPRO6000-WK", "RTX PRO 6000 Blackwell Workstation"),
        ("RTX PRO 6000 MaxQ", "RTX PRO 6000 Blackwell Max-Q"),
        ("Habana Gaudi2", "Gaudi 2"),
        ("NVIDIA L40S with AMD CPU", "L40S"),
    ],
)
def test_a_spelling_of_a_price_list_is_understood(spelling: str, name: str) -> None:
    assert CATALOGUE.resolve(spelling).name == name


@pytest.mark.parametrize(
    ("spelling", "memory_gb", "name"),
    [
        ("A100", 40, "A100 SXM 40GB"),
        ("A100", 80, "A100 SXM 80GB"),
        ("A100 PCIe", 40, "A100 PCIe 40GB"),
        ("V100", 16, "V100 SXM2 16GB"),
        ("V100", 32, "V100 SXM2 32GB"),
        ("H100", 79.65, "H100 SXM"),  # 81,559 MiB
        ("H100", 93.6, "H100 NVL"),  # 95,830 MiB
        ("RTX 3080", 10, "RTX 3080 10GB"),
        ("RTX 3080", 12, "RTX 3080 12GB"),
        ("RTX 4060 Ti", 8, "RTX 4060 Ti 8GB"),
        ("RTX 4060 Ti", 16, "RTX 4060 Ti 16GB"),
        ("RTX 6000", 24, "Quadro RTX 6000"),
        ("RTX 6000", 48, "RTX 6000 Ada"),
        ("B300", 268, "B300"),
        ("B300", 262, "B300"),
        ("B200", 192, "B200"),
        ("B200", 179, "B200"),
        ("L40S", 44.99, "L40S"),
        ("H200 NVL", 143, "H200 NVL"),
        ("H100", 0, "H100 SXM"),  # lists write 0 for what they do not say
    ],
)
def test_memory_tells_namesakes_apart_in_whatever_way_it_is_counted(spelling: str, memory_gb: float, name: str) -> None:
    assert CATALOGUE.resolve(spelling, memory_gb).name == name


@pytest.mark.parametrize(
    ("name", "usual"),
    [
        ("A100", "A100 SXM 80GB"),
        ("h100", "H100 SXM"),
        ("V100", "V100 SXM2 16GB"),
        ("rtx 3080", "RTX 3080 10GB"),
        ("RTX 4060 Ti", "RTX 4060 Ti 16GB"),
        ("rtx-4070", "RTX 4070"),
        ("rtx pro 6000", "RTX PRO 6000 Blackwell Server"),
    ],
)
def test_a_bare_name_means_the_usual_one(name: str, usual: str) -> None:
    assert CATALOGUE.gpu(name).name == usual


@pytest.mark.parametrize(
    ("spelling", "memory_gb"),
    [
        ("NVIDIA H100 MIG 1g.10gb", None),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition MIG 2g.48gb", 48),
        ("NVIDIA A10-8Q", None),
        ("1/8 A10", None),
        ("NVIDIA A16 vGPU", 2),
        ("A10", 4),  # a sixth of one, sold under its name
        ("L4", 12),
    ],
)
def test_a_slice_is_not_the_whole_gpu(spelling: str, memory_gb: float | None) -> None:
    with pytest.raises(UnknownGpu):
        CATALOGUE.resolve(spelling, memory_gb)


def test_a_memory_that_no_form_ever_had_is_refused_with_the_forms_there_are() -> None:
    with pytest.raises(UnknownGpu, match="64 GB") as refused:
        CATALOGUE.resolve("A100 SXM", 64)

    assert "A100 SXM 80GB" in refused.value.nearest


@pytest.mark.parametrize(
    ("spelling", "near"),
    [("RTX 4071", "RTX 4070"), ("H1000", "H100 SXM"), ("RTX 5090 Laptop GPU", "RTX 5090"), ("GTX 4090", "RTX 4090")],
)
def test_an_unknown_gpu_is_named_with_what_comes_near(spelling: str, near: str) -> None:
    with pytest.raises(UnknownGpu) as unknown:
        CATALOGUE.gpu(spelling)

    assert unknown.value.spelling == spelling
    assert near in unknown.value.nearest
    assert near in str(unknown.value)


def test_what_resembles_nothing_has_nothing_near() -> None:
    with pytest.raises(UnknownGpu) as unknown:
        CATALOGUE.gpu("toaster")

    assert unknown.value.nearest == ()


@given(
    name=st.sampled_from(NAMES),
    separator=st.sampled_from([" ", "-", "_", "  "]),
    style=st.sampled_from([str.upper, str.lower, str.title, str.swapcase]),
    vendor=st.booleans(),
)
def test_case_separators_and_the_vendor_change_no_meaning(
    name: str, separator: str, style: object, vendor: bool
) -> None:
    gpu = CATALOGUE.gpus[name]
    assert callable(style)

    spelling = style(separator.join([*([gpu.vendor] if vendor else []), *name.split(" ")]))

    assert CATALOGUE.resolve(spelling) is gpu


@given(st.text(max_size=40), st.one_of(st.none(), st.floats(0, 1000)))
def test_any_text_is_a_gpu_or_an_unknown_one(spelling: str, memory_gb: float | None) -> None:
    try:
        found = [CATALOGUE.resolve(spelling, memory_gb).name]
    except UnknownGpu as unknown:
        found = list(unknown.nearest)

    assert set(found) <= CATALOGUE.gpus.keys()


# Currencies ----------------------------------------------------------------------------------------------------------


def test_a_dollar_is_a_dollar() -> None:
    assert usd_per_unit("USD", datetime(2026, 11, 24, tzinfo=UTC)) == 1


def test_a_rate_is_the_newest_that_was_known_then() -> None:
    known = CATALOGUE.exchange_rates["EUR"]

    assert usd_per_unit("EUR", datetime(2026, 10, 2, 12, tzinfo=UTC)) == Decimal("1.1225")
    assert usd_per_unit("EUR", datetime(2026, 10, 4, 12, tzinfo=UTC)) == Decimal("1.1225")
    assert usd_per_unit("EUR", datetime(2030, 1, 1, tzinfo=UTC)) == known[-1].usd_per_unit


def test_before_the_first_rate_the_first_one_holds() -> None:
    assert usd_per_unit("EUR", datetime(2019, 1, 1, tzinfo=UTC)) == CATALOGUE.exchange_rates["EUR"][0].usd_per_unit


@pytest.mark.parametrize(
    "currency", ["EUR", "GBP", "CHF", "INR", "CNY", "JPY", "BRL", "CAD", "AUD", "SGD", "MXN", "SEK"]
)
def test_the_currencies_of_price_lists_are_known(currency: str) -> None:
    assert 0 < usd_per_unit(currency, datetime(2026, 11, 24, tzinfo=UTC)) < 2


def test_an_unknown_currency_is_named() -> None:
    with pytest.raises(UnknownCurrency, match="XXX"):
        usd_per_unit("XXX", datetime(2026, 11, 24, tzinfo=UTC))


# What is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("bandwidth_gb_s = 504", "bandwidth_gb_s = -504", r"gpus.toml: RTX 4070 Ti: .*bandwidth_gb_s"),
        ("memory_gb = 288", 'memory_gb = "much"', r"gpus.toml: .*memory_gb"),
        ("https://", "see ", r"gpus.toml: .*(sources|matmul_sources)"),
        ("retrieved = 2026-11-24", 'retrieved = "lately"', r"gpus.toml: B300: .*retrieved"),
        ('unverified = ["board_power_w"', 'unverified = ["colour"', r"gpus.toml: B300: .*colour"),
        ('matmul_precision = "bf16"\n', "", r"gpus.toml: .*needs precision and sources"),
        ("consumer = true", "consumer = true\ncolour = 1", r"gpus.toml: .*colour"),
        ("[[shared_name]]", "[[nickname]]", r"gpus.toml: .*nickname"),
        ("vendor = ", "vendor == ", r"gpus.toml: .*line"),
    ],
)
def test_a_sheet_that_does_not_hold_is_refused_by_name(before: str, after: str, complaint: str) -> None:
    text = text_of("gpus.toml")
    assert before in text

    with pytest.raises(CatalogueError, match=complaint):
        read_gpus(text.replace(before, after))


def test_a_preset_whose_reference_gpu_is_unknown_is_refused() -> None:
    text = text_of("workloads.toml").replace('gpu = "H100 SXM"', 'gpu = "H100 SMX"')

    with pytest.raises(CatalogueError, match=r"workloads.toml: nanochat-d20: .*H100 SMX"):
        read_workloads(text, CATALOGUE.gpus)


def test_a_preset_whose_shapes_contradict_each_other_is_refused() -> None:
    text = text_of("workloads.toml").replace("heads = 6\n", "heads = 7\n")

    with pytest.raises(CatalogueError, match=r"workloads.toml: nanochat-d12: .*heads"):
        read_workloads(text, CATALOGUE.gpus)


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("\nUS,United States,0.1872,USD", "\nUS,United States,0,USD", "electricity.csv: US: .*price_per_kwh"),
        ("\nUS,United States,0.1872,USD", "\nUS,United States,0.1872,XXX", "electricity.csv: US: .*XXX"),
        ("\nUS,", "\nES,", "electricity.csv: ES: stands twice"),
        ("2026-02", "February", "electricity.csv: US: .*period"),
    ],
)
def test_an_electricity_price_that_does_not_hold_is_refused(before: str, after: str, complaint: str) -> None:
    text = text_of("electricity.csv")
    assert before in text

    with pytest.raises(CatalogueError, match=complaint):
        read_electricity(text.replace(before, after), CATALOGUE.exchange_rates)


@pytest.mark.parametrize(
    "line",
    [
        "2026-10-09,EUR,2,https://a.example,here",
        "2026-10-09,SEK,0,https://a.example,here",
        "2026-10-10,SEK,11,https://a.example,here",
    ],
)
def test_an_exchange_rate_that_stands_twice_is_zero_or_has_no_dollar_is_refused(line: str) -> None:
    with pytest.raises(CatalogueError, match=r"exchange_rates.csv: 2026-10-"):
        read_exchange_rates(f"{text_of('exchange_rates.csv')}{line}\n")


def test_nothing_loaded_can_be_changed() -> None:
    for known in (CATALOGUE.gpus, CATALOGUE.sheets, CATALOGUE.workloads, CATALOGUE.electricity, CATALOGUE.names):
        assert isinstance(known, Mapping)
        assert not hasattr(known, "__setitem__")
