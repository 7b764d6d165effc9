"""The ranking's question as a form: what was typed, what can be chosen, and what was wrong, field by field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, TypeVar, get_args
from urllib.parse import urlencode

import numpy as np

from service.catalogue import Catalogue
from service.estimation.workload import Optimizer, Precision
from service.parameters import DEFAULT_COUNTRY, DEFAULT_RIG, OWN_MODEL, OWN_WORKLOAD, PARAMETERS, PLAN, FieldError
from service.presentation.language import DEFAULT_CURRENCY, ENGLISH, Language
from service.presentation.language import marked as _
from service.presentation.words import OFFLOADED, SHARDING
from service.ranking.offers import Coded, Offers

Parameters = Mapping[str, Sequence[str]]
T = TypeVar("T")

PAGE_NAMES: Final = ("lang", "currency", "x", "y")  # of pages only: how an answer is shown
DEFAULTS: Final = {
    **{parameter.name: tuple(parameter.default.split(", ")) for parameter in PARAMETERS},
    "currency": (DEFAULT_CURRENCY,),
}
NAMES: Final = (*(parameter.name for parameter in PARAMETERS), *PAGE_NAMES)
NUMBERS: Final = frozenset(parameter.name for parameter in PARAMETERS if parameter.type in ("number", "whole"))
OWN_RIG: Final = (
    *(
        "host_watts",
        "gpu_watts",
        "host_memory_gb",
        "measured_tokens_per_s",
        "purchase_usd",
        "resale_usd",
        "lifetime_months",
    ),
)
DATA: Final = ("storage_gb", "egress_gb", "ingress_gb")
NOT_IN_FORM: Final = ("region", "max_age_hours", "limit", "lang", "x", "y")  # carried on: a link keeps its meaning


LABELS: Final = {
    "workload": _("Model"),
    "layers": _("Layers"),
    "width": _("Width"),
    "heads": _("Heads"),
    "vocabulary": _("Vocabulary"),
    "seq_len": _("Sequence, tokens"),
    "parameters": _("Parameters"),
    "kv_heads": _("Heads of keys"),
    "head_width": _("Width of a head"),
    "ffn_width": _("Feed-forward width"),
    "attention_window": _("Window, tokens"),
    "ffn_gated": _("Gated"),
    "tied_embeddings": _("Tied embeddings"),
    "active_parameters": _("Active parameters"),
    "tokens": _("Tokens to train on"),
    "tokens_per_step": _("Tokens per step"),
    "precision": _("Precision"),
    "reference_gpu": _("GPU of that run"),
    "reference_gpus": _("How many"),
    "reference_hours": _("Hours it took"),
    "micro_batch": _("Micro-batch"),
    "optimizer": _("Optimizer"),
    "activation_checkpointing": _("Activation checkpointing"),
    "offload": _("Held in host RAM"),
    "sharding": _("Sharding"),
    "compiled": _("Compiled"),
    "flash_attention": _("Fused attention"),
    "tensor_parallel": _("GPUs per matrix"),
    "context_parallel": _("GPUs per sequence"),
    "pipeline_parallel": _("Groups of layers"),
    "virtual_stages": _("Parts of a group"),
    "rig": _("Your machine"),
    "country": _("Country"),
    "electricity_usd_per_kwh": _("Electricity"),
    "host_watts": _("Rest of the computer, watts"),
    "gpu_watts": _("Each card, watts"),
    "host_memory_gb": _("RAM, GB"),
    "measured_tokens_per_s": _("Tokens per second you measured"),
    "purchase_usd": _("It must be bought for"),
    "resale_usd": _("And sold later for"),
    "lifetime_months": _("After, months"),
    "gpu": _("GPU"),
    "provider": _("Provider"),
    "cloud_country": _("Where"),
    "pricing": _("Purchase"),
    "min_gpus": _("Fewest GPUs"),
    "max_gpus": _("Most GPUs"),
    "deadline_days": _("Done within"),
    "budget_usd": _("Spend at most"),
    "usd_per_day": _("A day of waiting"),
    "storage_gb": _("On its disk, GB"),
    "egress_gb": _("Sent home, GB"),
    "ingress_gb": _("Downloaded, GB"),
    "method": _("Estimate by"),
    "sort": _("Sort by"),
    "per": _("One row per"),
    "as_of": _("Prices as of"),
    "region": _("Region"),
    "max_age_hours": _("Oldest price"),
    "limit": _("Rows"),
    "cursor": _("Page"),
    "currency": _("Amounts in"),
    "lang": _("Language"),
}
PRICINGS: Final = {"on_demand": _("On demand"), "spot": _("Spot (may be interrupted)"), "reserved": _("Reserved")}
SHORT_PRICINGS: Final = {"on_demand": _("on demand"), "spot": _("spot"), "reserved": _("reserved")}
METHODS: Final = {"model": _("the physics model"), "ratio": _("scaling a measured run")}
SORTS: Final = {"cost": _("cost"), "days": _("days"), "score": _("score")}
CHECKPOINTINGS: Final = {"none": _("none"), "selective": _("selective"), "full": _("full")}
FLAGS: Final = {"true": _("yes"), "false": _("no")}
PERS: Final = {"offer": _("offer"), "machine": _("machine of a provider"), "gpu": _("GPU and count")}
CHOICES: Final[Mapping[str, Mapping[str, str]]] = {
    "method": METHODS,
    "sort": SORTS,
    "per": PERS,
    "pricing": PRICINGS,
    "precision": {value: value for value in get_args(Precision)},
    "optimizer": {value: value.replace("_", " ") for value in get_args(Optimizer)},
    "activation_checkpointing": CHECKPOINTINGS,
    "sharding": {"none": _("none"), **SHARDING},
    "offload": {"none": _("nothing"), **OFFLOADED},
    **dict.fromkeys(("compiled", "flash_attention", "ffn_gated", "tied_embeddings"), FLAGS),
}
FREE: Final = {  # what an empty choice means
    **dict.fromkeys(("activation_checkpointing", "sharding", "compiled", "flash_attention"), _("not fixed")),
    **dict.fromkeys(("ffn_gated", "tied_embeddings"), _("as usual")),
    "optimizer": _("its own"),
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a number field may hold; `service.parameters` decides, the page says it at once."""

    least: float
    most: float
    whole: bool = False
    above: bool = False  # `least` itself is too little


BOUNDS: Final = {
    "electricity_usd_per_kwh": Bounds(0, 10),
    "host_watts": Bounds(0, 20_000),
    "gpu_watts": Bounds(0, 5_000, above=True),
    "host_memory_gb": Bounds(0, 1e6, above=True),
    "measured_tokens_per_s": Bounds(0, 1e12, above=True),
    "purchase_usd": Bounds(0, 1e7),
    "resale_usd": Bounds(0, 1e7),
    "lifetime_months": Bounds(0, 600, above=True),
    "min_gpus": Bounds(1, 1024, whole=True),
    "max_gpus": Bounds(1, 1024, whole=True),
    "deadline_days": Bounds(0, 36_500, above=True),
    "budget_usd": Bounds(0, 1e12, above=True),
    "usd_per_day": Bounds(0, 1e9),
    "storage_gb": Bounds(0, 1e9),
    "egress_gb": Bounds(0, 1e9),
    "ingress_gb": Bounds(0, 1e9),
    "layers": Bounds(1, 10_000, whole=True),
    "width": Bounds(1, 1e6, whole=True),
    "heads": Bounds(1, 10_000, whole=True),
    "vocabulary": Bounds(1, 1e8, whole=True),
    "seq_len": Bounds(1, 1e8, whole=True),
    "parameters": Bounds(0, 1e15, above=True),
    "tokens": Bounds(0, 1e18, above=True),
    "tokens_per_step": Bounds(1, 1e9, whole=True),
    "kv_heads": Bounds(1, 10_000, whole=True),
    "head_width": Bounds(1, 1e5, whole=True),
    "ffn_width": Bounds(1, 1e7, whole=True),
    "attention_window": Bounds(1, 1e8, whole=True),
    "active_parameters": Bounds(0, 1e15, above=True),
    "micro_batch": Bounds(1, 100_000, whole=True),
    "tensor_parallel": Bounds(1, 1024, whole=True),
    "pipeline_parallel": Bounds(1, 1024, whole=True),
    "virtual_stages": Bounds(1, 1024, whole=True),
    "context_parallel": Bounds(1, 1024, whole=True),
    "reference_gpus": Bounds(1, 1e6, whole=True),
    "reference_hours": Bounds(0, 1e7, above=True),
}


# Addresses -----------------------------------------------------------------------------------------------------------


def canonical(parameters: Parameters) -> dict[str, list[str]]:
    """The same question in its shortest form: nothing empty, no default, numbers with a point, unknown names gone."""
    shortest: dict[str, list[str]] = {}
    for name in NAMES:
        values = [_written(name, value.strip()) for value in parameters.get(name, ()) if value.strip()]
        if name == "rig" and "none" in values and len(values) > 1:
            values.remove("none")
        if values and tuple(values) != DEFAULTS.get(name):
            shortest[name] = values
    if shortest.get("workload") != [OWN_WORKLOAD]:
        for name in OWN_MODEL:
            shortest.pop(name, None)
    return shortest


def is_canonical(parameters: Parameters) -> bool:
    """Whether nothing in it is left over from a form: a form without script sends its empty fields too."""
    return all(value.strip() and _written(name, value) == value for name in NAMES for value in parameters.get(name, ()))


def for_programs(question: Parameters) -> dict[str, Sequence[str]]:
    """The question without what only pages read."""
    return {name: values for name, values in question.items() if name not in PAGE_NAMES}


def address(path: str, parameters: Parameters, **changed: str | None) -> str:
    """A link to the same question with some parameters changed; None leaves one out."""
    merged = {**parameters, **{name: [value] for name, value in changed.items() if value is not None}}
    for name in (name for name, value in changed.items() if value is None):
        merged.pop(name, None)
    query = urlencode([(name, value) for name, values in merged.items() for value in values])
    return f"{path}?{query}" if query else path


def _written(name: str, value: str) -> str:
    """A decimal comma is a point."""
    return value.replace(",", ".") if name in NUMBERS and value.count(",") == 1 and "." not in value else value


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is set, and the link that removes it."""

    words: str
    href: str


@dataclass(frozen=True, kw_only=True)
class Form:
    """What the template of the form asks."""

    given: Parameters
    catalogue: Catalogue
    offers: Offers
    workloads: Mapping[str, str]  # slug -> name
    provider_names: Mapping[str, str]
    currencies: Sequence[str] = (DEFAULT_CURRENCY,)
    language: Language = ENGLISH
    all_errors: Sequence[FieldError] = ()

    # What was typed --------------------------------------------------------------------------------------------------

    def all(self, name: str) -> list[str]:
        return [value for value in self.given.get(name, ()) if value.strip()]

    def typed(self, name: str) -> str:
        return (self.all(name) or [""])[-1]

    def chosen(self, name: str) -> str:
        return self.typed(name) or DEFAULTS[name][0]

    @property
    def pricing(self) -> list[str]:
        return self.all("pricing") or list(DEFAULTS["pricing"])

    @property
    def no_rig(self) -> bool:
        return self.all("rig") == ["none"]

    @property
    def rig_inputs(self) -> list[str]:
        """One field per machine, and an empty one for the next."""
        machines = [value for value in self.all("rig") if value != "none"]
        return [*(machines or ([] if self.no_rig else [DEFAULT_RIG])), ""]

    @property
    def carried(self) -> list[tuple[str, str]]:
        return [(name, value) for name in NOT_IN_FORM for value in self.all(name)]

    @property
    def is_own_model(self) -> bool:
        return self.chosen("workload") == OWN_WORKLOAD

    def has_any(self, names: str) -> bool:
        """Whether a fold of the form holds something: then it is open."""
        wanted = {"rig": OWN_RIG, "model": OWN_MODEL, "plan": PLAN, "data": DATA}[names]
        return any(self.typed(name) or self.errors(name) for name in wanted)

    # What was wrong --------------------------------------------------------------------------------------------------

    @property
    def has_errors(self) -> bool:
        return bool(self.all_errors)

    @cached_property
    def said_errors(self) -> list[FieldError]:
        """The errors in the reader's language, in the form's order: the summary lists them as they follow."""
        order = {name: place for place, name in enumerate(LABELS)}
        errors = sorted(self.all_errors, key=lambda error: order.get(error.field, len(order)))
        return [replace(error, message=self.language.retell(error.message)) for error in errors]

    def errors(self, name: str) -> list[str]:
        return [error.message for error in self.said_errors if error.field == name]

    def label(self, name: str) -> str:
        return self.language.text(LABELS[name]) if name in LABELS else name

    def limit(self, name: str) -> str:
        """What a number field says at once when it holds anything else."""
        bounds, number = BOUNDS[name], self.language.number
        slots = {"least": number(bounds.least), "most": number(bounds.most)}
        if bounds.whole:
            return self.language.text("must be a whole number from {least} to {most}", **slots)
        if bounds.above:
            return self.language.text("must be a number above {least}, up to {most}", **slots)
        return self.language.text("must be a number from {least} to {most}", **slots)

    def bounds(self, name: str) -> Bounds | None:
        return BOUNDS.get(name)

    # What can be chosen ----------------------------------------------------------------------------------------------

    @property
    def workload_choices(self) -> dict[str, str]:
        return {**self.workloads, OWN_WORKLOAD: self.language.text("Your own model …")}

    @property
    def countries(self) -> dict[str, str]:
        named = {code: self.country(code) for code in self.catalogue.electricity}
        return dict(sorted(named.items(), key=lambda item: _folded(item[1])))

    def country(self, code: str) -> str:
        known = self.catalogue.electricity.get(code.upper())
        return self.language.country(code.upper(), known.name if known else None)

    @property
    def electricity_hint(self) -> str:
        known = self.catalogue.electricity.get(self.chosen("country").upper())
        if known is None:
            return self.language.text("Your own price")
        price = self.language.in_dollars.usd_rate(known.usd_per_kwh)
        return self.language.text(
            "{country} pays {price} ({period})", country=self.country(known.code), price=price, period=known.period
        )

    @property
    def electricity_placeholder(self) -> str:
        known = self.catalogue.electricity.get(self.chosen("country").upper())
        return self.language.in_dollars.usd_rate_number(known.usd_per_kwh) if known else ""

    @property
    def gpu_names(self) -> list[str]:
        return sorted(self.catalogue.sheets)

    @property
    def gpus(self) -> dict[str, int]:
        return _counted(self.offers.machine, lambda machine: machine.gpu.name)

    @property
    def providers(self) -> dict[str, int]:
        return _counted(self.offers.provider, str)

    @property
    def cloud_countries(self) -> dict[str, int]:
        return _counted(self.offers.country, lambda code: code)

    def choices(self, name: str) -> dict[str, str]:
        """What a choice of few holds, in words."""
        if name == "currency":
            return {code: code for code in self.currencies}
        free = {"": self.language.text(FREE[name])} if name in FREE else {}
        return {**free, **{value: self.language.text(words) for value, words in CHOICES[name].items()}}

    def words(self, name: str, value: str) -> str:
        """A value as people write it."""
        say = self.language.text
        if name == "provider":
            return self.provider_names.get(value, value)
        if name == "workload":
            return self.workload_choices.get(value, value).removesuffix(" …")
        if name in ("country", "cloud_country"):
            return self.country(value)
        if name == "pricing" and value in SHORT_PRICINGS:
            return say(SHORT_PRICINGS[value])
        if name in CHOICES:
            return self.choices(name).get(value, value)
        return self._with_unit(name, self._localised(name, value))

    def _with_unit(self, name: str, value: str) -> str:
        say, dollars = self.language.text, self.language.in_dollars
        if name == "electricity_usd_per_kwh":
            return say("{price} per kWh", price=dollars.with_symbol(value))
        if name in ("budget_usd", "usd_per_day", "purchase_usd", "resale_usd"):
            return dollars.with_symbol(value)
        if name == "deadline_days":
            return self.language.count("{n} day", "{n} days", 1 if value == "1" else 2, n=value)
        return say("{n} hours", n=value) if name == "max_age_hours" else value

    def _localised(self, name: str, value: str) -> str:
        return value.replace(".", self.language.decimal) if name in NUMBERS else value

    # What is set -----------------------------------------------------------------------------------------------------

    @cached_property
    def shortest(self) -> Mapping[str, Sequence[str]]:
        return canonical(self.given)

    @property
    def set_names(self) -> list[str]:
        """The parameters that narrow the answer, in the form's order."""
        not_filters = ("sort", "limit", "cursor", "currency", "lang", *OWN_MODEL)
        return [name for name in LABELS if name not in not_filters and name in self.shortest]

    @property
    def chips(self) -> list[Chip]:
        return [
            Chip(
                f"{self.label(name)}: {', '.join(self.words(name, value) for value in self.shortest[name])}",
                address("/", self._without(name), cursor=None),
            )
            for name in self.set_names
        ]

    def _without(self, name: str) -> Parameters:
        gone = (name, *OWN_MODEL) if name == "workload" else (name,)
        return {kept: values for kept, values in self.shortest.items() if kept not in gone}

    @property
    def reset(self) -> str:
        """The form as it was found, in the language and the currency that were chosen."""
        return address("/", {name: self.all(name) for name in ("lang", "currency") if self.all(name)})

    @property
    def summary(self) -> str:
        """The closed form names what it holds: `Change: nanochat d32, RTX 4070, United States`."""
        parts = [self.words("workload", self.chosen("workload"))]
        parts += [self.language.text("clouds only")] if self.no_rig else self.rig_inputs[:-1]
        parts.append(self.country(self.typed("country") or DEFAULT_COUNTRY))
        parts += [self.label(name).lower() for name in self.set_names if name not in ("workload", "rig", "country")]
        return self.language.text("Change: {parts}", parts=", ".join(parts))


def _counted(column: Coded[T], named: Callable[[T], str | None]) -> dict[str, int]:
    """Each value with how often it is offered, by name."""
    counts: Counter[str] = Counter()
    for value, count in zip(
        column.values, np.bincount(column.codes, minlength=len(column.values)).tolist(), strict=True
    ):
        if count and (name := named(value)):
            counts[name] += count
    return dict(sorted(counts.items(), key=lambda item: item[0].lower()))


def _folded(name: str) -> str:
    """For sorting: accents do not count."""
    return name.lower().translate(str.maketrans("áéíóúüñ", "aeiouun"))
