"""The cards of this machine, by the libraries and tools of their makers; and its RAM."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import psutil

from service.catalogue import Catalogue, UnknownGpu
from service.estimation.hardware import Interconnect, Machine

GB = 2.0**30
AMD_COMMANDS = (  # the newer tool first; both print JSON
    ("amd-smi", "static", "--asic", "--vram", "--json"),
    ("rocm-smi", "--showproductname", "--showmeminfo", "vram", "--json"),
)
PATIENCE_S = 20  # a driver that hangs should not hang us


class NoCards(Exception):
    """Nothing that could train was found, or nothing of which a data sheet is known: one sentence."""


@dataclass(frozen=True, slots=True)
class Card:
    """One accelerator as its driver names it."""

    name: str
    memory_gb: float
    watts: float | None = None  # the limit it is set to; None: not told
    nvlink: bool = False  # whether a link to another card is up


@dataclass(frozen=True, slots=True)
class FoundMachine:
    """Cards of one kind in this machine, as a machine that can be estimated."""

    machine: Machine
    gpu_watts: float | None
    said: str  # what was found, for people


class Nvml(Protocol):
    """What is used of nvidia-ml-py (pynvml): github.com/gpuopenanalytics/pynvml."""

    def nvmlInit(self) -> None: ...  # noqa: N802
    def nvmlShutdown(self) -> None: ...  # noqa: N802
    def nvmlDeviceGetCount(self) -> int: ...  # noqa: N802
    def nvmlDeviceGetHandleByIndex(self, index: int) -> object: ...  # noqa: N802
    def nvmlDeviceGetName(self, handle: object) -> str | bytes: ...  # noqa: N802
    def nvmlDeviceGetMemoryInfo(self, handle: object) -> object: ...  # noqa: N802
    def nvmlDeviceGetPowerManagementLimit(self, handle: object) -> int: ...  # noqa: N802
    def nvmlDeviceGetNvLinkState(self, handle: object, link: int) -> int: ...  # noqa: N802

    @property
    def NVMLError(self) -> type[Exception]: ...  # noqa: N802


Run = Callable[[Sequence[str]], str | None]


def this_machine(catalogue: Catalogue) -> tuple[FoundMachine, ...]:
    """What stands here, one machine per kind of card. Raises NoCards."""
    cards = [*nvidia_cards(_nvml()), *amd_cards(_output_of)]
    return machines_of(cards, psutil.virtual_memory().total / GB, catalogue)


def machines_of(cards: Sequence[Card], ram_gb: float, catalogue: Catalogue) -> tuple[FoundMachine, ...]:
    """Cards as machines, most cards first. Raises NoCards."""
    if not cards:
        raise NoCards(
            "no card was found: neither an NVIDIA driver (NVML) nor amd-smi or rocm-smi answers; "
            "name the card instead, such as RTX 4070"
        )
    kinds = Counter(card.name for card in cards)
    found, unknown = [], []
    for name, count in kinds.most_common():
        alike = [card for card in cards if card.name == name]
        try:
            found.append(_found(alike, ram_gb, catalogue))
        except UnknownGpu as error:
            unknown.append(f"{count}x {name}: {error}")
    if not found:
        raise NoCards(f"found {'; '.join(unknown)}")
    return tuple(found)


def _found(cards: Sequence[Card], ram_gb: float, catalogue: Catalogue) -> FoundMachine:
    first, count = cards[0], len(cards)
    gpu = catalogue.resolve(first.name, first.memory_gb)
    linked: Interconnect | None = "nvlink" if count > 1 and all(card.nvlink for card in cards) else None
    machine = Machine(gpu=gpu, gpu_count=count, gpus_per_node=count, interconnect=linked, host_memory_gb=round(ram_gb))
    watts = min((card.watts for card in cards if card.watts), default=None)
    limit = f", limited to {watts:.0f} W" if watts and watts < gpu.board_power_w else ""
    links = ", linked by NVLink" if linked else ""
    said = f"found {count}x {first.name} ({first.memory_gb:.0f} GB{limit}{links}): taken as {count}x {gpu.name}"
    return FoundMachine(machine, watts, f"{said}, {ram_gb:.0f} GB of RAM")


# NVIDIA ---------------------------------------------------------------------------------------------------------------


def _nvml() -> Nvml | None:
    try:
        import pynvml  # of nvidia-ml-py; not needed where no NVIDIA card stands
    except ModuleNotFoundError:
        return None
    library: Nvml = pynvml
    return library


def nvidia_cards(library: Nvml | None) -> list[Card]:
    """Cards that the NVIDIA driver knows; none without a driver."""
    if library is None:
        return []
    try:
        library.nvmlInit()
    except library.NVMLError:
        return []
    try:
        handles = [library.nvmlDeviceGetHandleByIndex(index) for index in range(library.nvmlDeviceGetCount())]
        return [_nvidia_card(library, handle) for handle in handles]
    finally:
        library.nvmlShutdown()


def _nvidia_card(library: Nvml, handle: object) -> Card:
    name = library.nvmlDeviceGetName(handle)
    total = getattr(library.nvmlDeviceGetMemoryInfo(handle), "total", 0)
    return Card(
        name.decode() if isinstance(name, bytes) else name,
        total / GB,
        _if_told(library, lambda: library.nvmlDeviceGetPowerManagementLimit(handle) / 1000),
        bool(_if_told(library, lambda: float(library.nvmlDeviceGetNvLinkState(handle, 0)))),
    )


def _if_told(library: Nvml, ask: Callable[[], float]) -> float | None:
    """Many cards do not tell everything."""
    try:
        return ask()
    except library.NVMLError:
        return None


# AMD ------------------------------------------------------------------------------------------------------------------


def _output_of(command: Sequence[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def amd_cards(run: Run) -> list[Card]:
    """Cards that amd-smi or, without it, rocm-smi names; none where neither is installed."""
    for command, read in zip(AMD_COMMANDS, (_amd_smi, _rocm_smi), strict=True):
        if (output := run(command)) and (cards := read(_parsed(output))):
            return cards
    return []


def _parsed(output: str) -> object:
    """The JSON of a tool, which may print warnings before it."""
    starts = [place for place in (output.find("["), output.find("{")) if place >= 0]
    try:
        return json.loads(output[min(starts) :]) if starts else None
    except json.JSONDecodeError:
        return None


def _amd_smi(said: object) -> list[Card]:
    rows = said.get("gpu_data", []) if isinstance(said, Mapping) else said
    cards = []
    for row in rows if isinstance(rows, list) else []:
        size = _at(row, "vram", "size")
        memory = _at(size, "value") if isinstance(size, Mapping) else size
        if isinstance(name := _at(row, "asic", "market_name"), str) and isinstance(memory, int | float):
            cards.append(Card(name, float(memory) / 1024))  # MB
    return cards


def _rocm_smi(said: object) -> list[Card]:
    rows = said.items() if isinstance(said, Mapping) else ()
    return [card for key, row in rows if str(key).startswith("card") and (card := _rocm_card(row))]


def _rocm_card(row: object) -> Card | None:
    name = _first(row, ("Card series", "Card Series", "Card model", "Card Model"))
    memory = _first(row, ("VRAM Total Memory (B)",))
    return Card(name, float(memory) / GB) if name and memory else None


def _first(row: object, names: Iterable[str]) -> str | None:
    return next((str(value) for name in names if (value := _at(row, name)) is not None), None)


def _at(value: object, *path: str) -> object:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
