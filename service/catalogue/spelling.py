"""Which GPU a price list or a person means by a name, however it is written. Pure.

A name is taken apart: its words say which GPUs may be meant, form factor and memory tell them apart.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from service.estimation.hardware import Gpu


class UnknownGpu(LookupError):
    """No GPU of the catalogue is meant; the message says why, and which come nearest."""

    def __init__(self, spelling: str, nearest: Sequence[str] = (), why: str = "is not in the catalogue") -> None:
        self.spelling = spelling
        self.nearest = tuple(nearest)
        hint = f"; nearest: {', '.join(nearest)}" if nearest else ""
        super().__init__(f"GPU {spelling!r} {why}{hint}")


@dataclass(frozen=True, slots=True)
class Spelling:
    """A name taken apart. All spellings of one GPU share their words, aliases apart."""

    words: str  # without case, punctuation, vendor, form factor and memory
    form: str | None  # sxm, pcie, nvl, oam; None: not said
    memory_gb: float | None  # None: not said


@dataclass(frozen=True, slots=True)
class Candidate:
    """A GPU under some words, with the forms and memory sizes that are written beside them."""

    gpu: Gpu
    forms: frozenset[str | None]
    written_gb: frozenset[float | None]  # beyond its own: GH200 is written with the 480 GB of its CPU

    def agrees_with(self, said: Spelling, memory_gb: float | None) -> bool:
        return (
            (said.form is None or said.form in self.forms)
            and (said.memory_gb in self.written_gb or is_memory_of(self.gpu, said.memory_gb))
            and is_memory_of(self.gpu, memory_gb)
        )


Names = Mapping[str, Sequence[Candidate]]  # words -> the GPUs that go by them, the one meant by default first


def resolve(names: Names, spelling: str, memory_gb: float | None = None) -> Gpu:
    """The GPU that is meant. Raises UnknownGpu: unknown words, a slice, a form or memory that it never had."""
    memory_gb = memory_gb or None  # some lists write 0 for what they do not say
    if SLICE.search(folded(spelling)):
        raise UnknownGpu(spelling, nearest(names, spelling), "is a slice of a GPU, not a whole one")
    for said in readings(spelling):
        if candidates := names.get(said.words):
            return chosen(candidates, said, spelling, memory_gb)
    raise UnknownGpu(spelling, nearest(names, spelling))


def chosen(candidates: Sequence[Candidate], said: Spelling, spelling: str, memory_gb: float | None) -> Gpu:
    for candidate in candidates:
        if candidate.agrees_with(said, memory_gb):
            return candidate.gpu
    why = "exists, but not in this form" if memory_gb is None else f"exists, but not in a form with {memory_gb:g} GB"
    raise UnknownGpu(spelling, [candidate.gpu.name for candidate in candidates], why)


def is_memory_of(gpu: Gpu, memory_gb: float | None) -> bool:
    """Lists write what a driver reports (45 of 48, 262 of 288), decimal GB (86 for 80), another sheet (192 for 180)."""
    return memory_gb is None or 0.90 <= memory_gb / gpu.memory_gb <= 1.08


def nearest(names: Names, spelling: str, most: int = 3) -> list[str]:
    """Names of the catalogue whose words resemble the spelling's most, best first."""
    close = get_close_matches(next(readings(spelling)).words, names, n=most)
    return list(dict.fromkeys(candidate.gpu.name for words in close for candidate in names[words]))[:most]


# Taking a name apart -------------------------------------------------------------------------------------------------

# MIG 1g.10gb, vGPU, 1/8, A40-8Q
SLICE = re.compile(r"\bmig\b|\b\d+g\.\d+g|\bvgpu\b|\bfraction|\bslice|\b\d+ ?/ ?\d+\b|\b\d+[qcb]\b")
FORM = re.compile(r"sxm ?\d?(?!\d)|pci ?e|nvl(?!ink|\d)|oam")
FORMS = {"nvl": "nvl", "sxm": "sxm", "pci": "pcie", "oam": "oam"}  # by its first letters, the most telling first
MEMORY = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?) ?g(?:i?b)?\b")
NOISE = re.compile(
    r"\b(?:hbm\d\w*|gddr\d\w*|nvlink|nvl\d+|bare ?metal|hgx|ac|gpus?|graphics|card|tensor|core|generation|edition"
    r"|with \w+ cpu|\d{1,3}x|x\d{1,3}|^\d{1,3} x)\b"
)
PUNCTUATION = re.compile(r"[^a-z0-9.]+|(?<!\d)\.|\.(?!\d)")
VENDOR = re.compile(r"^(?:nvidia|amd|intel|habana|geforce|tesla|quadro|instinct|radeon)+(?=.)")
MEMORY_WITHOUT_UNIT = re.compile(r"(.+) (\d{1,3})")  # a100-sxm-40


def readings(spelling: str) -> Iterator[Spelling]:
    """What the name may say: as it stands, then with a last bare number read as memory."""
    text = PUNCTUATION.sub(" ", folded(spelling))
    found = {form.replace(" ", "")[:3] for form in FORM.findall(text)}
    form = next((form for start, form in FORMS.items() if start in found), None)
    text = FORM.sub(" ", text)
    memory = MEMORY.search(text)
    words = " ".join(NOISE.sub(" ", MEMORY.sub(" ", text)).split())
    yield Spelling(squeezed(words), form, float(memory[1]) if memory else None)
    if bare := MEMORY_WITHOUT_UNIT.fullmatch(words):
        yield Spelling(squeezed(bare[1]), form, float(bare[2]))


def folded(spelling: str) -> str:
    return unicodedata.normalize("NFKC", spelling).casefold().replace("_", "-")


def squeezed(words: str) -> str:
    return VENDOR.sub("", words.replace(" ", ""))


# The names of a catalogue --------------------------------------------------------------------------------------------


def names_of(aliases: Mapping[Gpu, Sequence[str]], shared: Mapping[str, Sequence[str]]) -> Names:
    """Every word that a GPU goes by. `shared` orders the GPUs that share one; raises ValueError where it does not."""
    said: dict[str, dict[Gpu, list[Spelling]]] = defaultdict(lambda: defaultdict(list))
    for gpu, others in aliases.items():
        for spelling in (gpu.name, *others):
            reading = next(readings(spelling))
            said[reading.words][gpu].append(reading)
    orders = {next(readings(name)).words: list(order) for name, order in shared.items()}
    return {words: in_order(words, gpus, orders.get(words)) for words, gpus in said.items()}


def in_order(words: str, gpus: Mapping[Gpu, Sequence[Spelling]], order: Sequence[str] | None) -> list[Candidate]:
    by_name = {gpu.name: gpu for gpu in gpus}
    order = order or list(by_name)[:1]
    if set(order) != set(by_name):
        raise ValueError(f"{words!r} is a name of {', '.join(by_name)}, but shared names order {', '.join(order)}")
    return [candidate(by_name[name], gpus[by_name[name]]) for name in order]


def candidate(gpu: Gpu, said: Sequence[Spelling]) -> Candidate:
    own_form = next(readings(gpu.form_factor)).form
    return Candidate(
        gpu=gpu,
        forms=frozenset(reading.form for reading in said if reading.form) or frozenset({own_form}),
        written_gb=frozenset(reading.memory_gb for reading in said),
    )
