"""The cards of this machine, from what the libraries and tools of their makers answer (recorded)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import SimpleNamespace

import pytest

from service import catalogue
from service.own_rig import as_found, named
from service.parameters import Vocabulary, ranking_request
from service.this_machine import Card, NoCards, amd_cards, machines_of, nvidia_cards
from tests.builders import NOON

GB = 2**30


class RecordedNvml:
    """Answers of NVML, card by card: name, bytes, milliwatts, whether an NVLink is up."""

    class NVMLError(Exception):
        pass

    def __init__(self, cards: Sequence[tuple[str | bytes, int, int | None, int | None]], driver: bool = True) -> None:
        self.cards, self.driver, self.open = cards, driver, False

    def nvmlInit(self) -> None:  # noqa: N802
        if not self.driver:
            raise self.NVMLError("Driver Not Loaded")
        self.open = True

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.open = False

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> object:  # noqa: N802
        return self.cards[index]

    def nvmlDeviceGetName(self, handle: object) -> str | bytes:  # noqa: N802
        return self._of(handle)[0]

    def nvmlDeviceGetMemoryInfo(self, handle: object) -> object:  # noqa: N802
        return SimpleNamespace(total=self._of(handle)[1])

    def nvmlDeviceGetPowerManagementLimit(self, handle: object) -> int:  # noqa: N802
        return self._told(self._of(handle)[2])

    def nvmlDeviceGetNvLinkState(self, handle: object, link: int) -> int:  # noqa: N802
        return self._told(self._of(handle)[3])

    def _told(self, value: int | None) -> int:
        if value is None:
            raise self.NVMLError("Not Supported")
        return value

    def _of(self, handle: object) -> tuple[str | bytes, int, int | None, int | None]:
        assert self.open
        assert isinstance(handle, tuple)
        return handle


RTX_4070 = ("NVIDIA GeForce RTX 4070", 12_878_610_432, 200_000, None)
RTX_3090 = (b"NVIDIA GeForce RTX 3090", 25_769_803_776, 280_000, 1)

AMD_SMI = [
    {
        "gpu": 0,
        "asic": {"market_name": "AMD Instinct MI300X"},
        "vram": {"type": "HBM3", "size": {"value": 196592, "unit": "MB"}},
    },
    {
        "gpu": 1,
        "asic": {"market_name": "AMD Instinct MI300X"},
        "vram": {"type": "HBM3", "size": {"value": 196592, "unit": "MB"}},
    },
]
ROCM_SMI = {
    "card0": {"Card series": "Radeon RX 7900 XTX", "Card model": "0x744c", "VRAM Total Memory (B)": "25753026560"},
    "system": {"Driver version": "6.7.0"},
}


def test_a_geforce_is_found_with_its_memory_and_limit() -> None:
    (card,) = nvidia_cards(RecordedNvml([RTX_4070]))

    assert card == Card("NVIDIA GeForce RTX 4070", 12_878_610_432 / GB, 200.0, False)


def test_two_bridged_cards_are_one_machine_linked_by_nvlink() -> None:
    cards = nvidia_cards(RecordedNvml([RTX_3090, RTX_3090]))

    (found,) = machines_of(cards, 62.7, catalogue.load())

    assert (found.machine.gpu.name, found.machine.gpu_count) == ("RTX 3090", 2)
    assert found.machine.interconnect == "nvlink"
    assert found.machine.host_memory_gb == 63
    assert found.gpu_watts == 280
    assert "limited to 280 W, linked by NVLink" in found.said


@pytest.mark.parametrize("library", [None, RecordedNvml([], driver=False), RecordedNvml([])])
def test_without_a_driver_there_is_no_card(library: RecordedNvml | None) -> None:
    assert nvidia_cards(library) == []


def test_amd_cards_are_read_by_the_newer_tool_first() -> None:
    outputs = {"amd-smi": AMD_SMI, "rocm-smi": ROCM_SMI}

    cards = amd_cards(lambda command: json.dumps(outputs[command[0]]))

    assert [(card.name, round(card.memory_gb)) for card in cards] == [("AMD Instinct MI300X", 192)] * 2


def test_where_only_rocm_smi_is_installed_it_is_asked() -> None:
    said = "WARNING: power cap not readable\n" + json.dumps(ROCM_SMI)

    cards = amd_cards(lambda command: said if command[0] == "rocm-smi" else None)

    assert [(card.name, round(card.memory_gb)) for card in cards] == [("Radeon RX 7900 XTX", 24)]


@pytest.mark.parametrize("output", [None, "", "not JSON {", "[]", "{}", "3", '[{"asic": 1}]'])
def test_tools_that_say_nothing_of_use_find_nothing(output: str | None) -> None:
    assert amd_cards(lambda command: output) == []


def test_kinds_of_cards_are_machines_of_their_own() -> None:
    cards = nvidia_cards(RecordedNvml([RTX_4070, RTX_3090, RTX_3090]))

    assert [named(found) for found in machines_of(cards, 64, catalogue.load())] == ["2x RTX 3090", "1x RTX 4070"]


def test_without_a_card_the_error_says_what_was_asked() -> None:
    with pytest.raises(NoCards, match=r"NVML.*amd-smi or rocm-smi"):
        machines_of([], 64, catalogue.load())


def test_a_card_without_a_data_sheet_is_named() -> None:
    with pytest.raises(NoCards, match=r"1x NVIDIA GeForce RTX 4070 Laptop GPU.*nearest"):
        machines_of([Card("NVIDIA GeForce RTX 4070 Laptop GPU", 8)], 64, catalogue.load())


def test_a_rig_found_here_brings_its_ram_and_power_limit_into_the_question() -> None:
    (found,) = machines_of(nvidia_cards(RecordedNvml([RTX_3090, RTX_3090])), 64, catalogue.load())
    asked = ranking_request({"rig": [named(found), "RTX 4070"]}, Vocabulary(catalogue=catalogue.load()), NOON)

    own, other = as_found(asked, [found]).rigs

    assert own.machine == found.machine
    assert own.gpu_watts == 280
    assert other == asked.rigs[1]


def test_what_was_typed_of_this_machine_goes_over_what_was_found() -> None:
    (found,) = machines_of(nvidia_cards(RecordedNvml([RTX_3090, RTX_3090])), 64, catalogue.load())
    typed = {"host_memory_gb": ["48"], "measured_tokens_per_s": ["9000"], "gpu_watts": ["220"]}
    asked = ranking_request({"rig": [named(found)], **typed}, Vocabulary(catalogue=catalogue.load()), NOON)

    (own,) = as_found(asked, [found]).rigs

    assert (own.machine.host_memory_gb, own.machine.measured_tokens_per_s, own.gpu_watts) == (48, 9000, 220)
