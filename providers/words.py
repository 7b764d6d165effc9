"""What price lists say in words beside the numbers: memory and form of a card, what links cards, whose, and where."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Final

from providers.base import read_table

SOLD_IN_TWO_FORMS = re.compile(r"(?:[ahpv]100|[ah]800)(?!\d)", re.IGNORECASE)
FORM = re.compile(r"sxm\d?|pci-?e|nvl(?!ink|\d)", re.IGNORECASE)
MEMORY = re.compile(r"(?<![\w.])(\d{1,4}) ?GB?(?!\w)")
SELLERS = {"crusoecloud": "crusoe", "datacrunch": "verda", "lambdalabs": "lambda"}  # the others' names for our slugs


def memory_in(name: str) -> float | None:
    """The 80 of "A100 (80 GB SXM4)", of "A100_80GB" and of "A100-80G-PCIe"."""
    found = MEMORY.search(name.replace("_", " "))
    return float(found[1]) if found else None


def form_in(name: str) -> str | None:
    """The sxm5 of "h100-sxm5-80gb", the pcie of "A100-80G-PCIe-NVLink"; None where no form is said."""
    found = FORM.search(name)
    return found[0] if found else None


def in_form(gpu: str, form: str | None) -> str:
    """The GPU's name with the form that stands beside it, where that tells two cards apart: an H100 on PCIe is slower.

    Only there: lists also write "pcie" beside cards that have no other form, and "sxm" beside cards that never had it.
    """
    if form is None or not FORM.match(form) or FORM.search(gpu) or not SOLD_IN_TWO_FORMS.search(gpu):
        return gpu
    return f"{gpu} {form}"


# Most mean the SXM card by a bare H100 or A100; who means the one for PCIe, and how that is known (2026-08 to 2026-11).
PCIE_WHERE_NO_FORM_IS_SAID: Final[Mapping[str, tuple[str, ...]]] = {
    "hyperstack": ("a100", "h100"),  # its own API: A100-80G-PCIe, H100-80G-PCIe; SXM is said where it is meant
    "latitude": ("h100",),  # where a server has one: an SXM board has four or eight
    "massedcompute": ("a100", "h100"),  # SXM is said where it is meant; Shadeform, who resells them, says PCIe
    "ovh": ("a100", "h100", "v100"),  # one, two or four to a machine, never the eight of a board as with its H200
    "scaleway": ("h100",),  # its own API: H100-PCIe, H100-SXM
    "spheron": ("a100",),  # at the price of its n3-A100x1, an A100_80G_PCIE (SkyPilot's list of it)
    "vultr": ("a100",),  # in its virtual machines; its boards of eight are let whole and called HGX A100
}


def in_usual_form(gpu: str, seller: str | None) -> str:
    """The GPU's name with the form that its seller means where none is said."""
    pcie = PCIE_WHERE_NO_FORM_IS_SAID.get(seller or "", ())
    return in_form(gpu, "PCIe") if any(card in gpu.casefold() for card in pcie) else gpu


def link(gpu_count: int, form: str | None, nvlink: bool | None = None) -> str | None:
    """What links a machine's GPUs, by the form of the cards and whether NVLink is said. None: nothing, or not said."""
    if gpu_count < 2:
        return None
    words = (form or "").casefold()
    if nvlink or words.startswith(("sxm", "nvlink")):
        return "nvlink"
    return "pcie" if words.startswith("pci") else None


def country_in(place: str | None) -> str | None:
    """The country that a place names: US of "newyork-usa-1", GB of "UK South 1", KR of "Seoul, South Korea"."""
    words = re.sub(r"[\W\d_]+", " ", place or "").casefold().split()
    for length in (4, 3, 2, 1):
        for start in range(len(words) - length, -1, -1):  # the country comes last where there is more than one name
            if code := countries().get(" ".join(words[start : start + length])):
                return code
    return "CA" if words[:1] == ["ca"] else None  # ca-east-1; elsewhere in a name it is California


def country_before(place: str | None) -> str | None:
    """The country whose code a place begins with: NO of "no-luster-1", GB of "uk-lon1"."""
    found = re.match(r"([a-z]{2})-", place or "")
    return {"uk": "GB"}.get(found[1], found[1].upper()) if found else None


def seller_slug(name: str | None) -> str | None:
    """The slug of who owns a machine, by the name that whoever resells it uses."""
    seller = re.sub(r"[^a-z0-9]", "", (name or "").lower())
    return SELLERS.get(seller, seller) or None


@cache
def countries() -> dict[str, str]:
    return {
        name.casefold(): row["code"]
        for row in read_table(__file__, "countries.csv")
        for name in (row["name"], *row["others"].split("|"))
        if name
    }
