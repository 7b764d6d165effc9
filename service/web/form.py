"""The ranking's question as a form: what was typed, what can be chosen, and what was wrong, field by field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

from service.catalogue import Catalogue
from service.parameters import DEFAULT_COUNTRY, DEFAULT_RIG, PARAMETERS, FieldError
from service.presentation.numbers import usd_rate
from service.ranking.offers import Offers

Parameters = Mapping[str, Sequence[str]]

DEFAULTS: Final = {parameter.name: tuple(parameter.default.split(", ")) for parameter in PARAMETERS}
NAMES: Final = tuple(parameter.name for parameter in PARAMETERS)
OF_PAGES: Final = ("lang", "currency", "option", "x", "y", "range")  # known to pages, and no part of the question
NUMBERS: Final = frozenset(parameter.name for parameter in PARAMETERS if parameter.type in ("number", "whole"))
NOT_IN_FORM: Final = ("region", "max_age_hours", "limit")  # carried on, so that a link keeps its meaning
LABELS: Final = {
    "workload": "Model",
    "rig": "Your machine",
    "country": "Country",
    "electricity_usd_per_kwh": "Electricity",
    "gpu": "GPU",
    "provider": "Provider",
    "cloud_country": "Where",
    "pricing": "Purchase",
    "min_gpus": "Fewest GPUs",
    "max_gpus": "Most GPUs",
    "deadline_days": "Done within",
    "budget_usd": "Spend at most",
    "usd_per_day": "A day of waiting",
    "method": "Estimate by",
    "sort": "Sort by",
    "per": "One row per",
    "as_of": "Prices as of",
    "region": "Region",
    "max_age_hours": "Oldest price",
    "limit": "Rows",
}
UNITS: Final = {
    "electricity_usd_per_kwh": "${} per kWh",
    "deadline_days": "{} days",
    "budget_usd": "${}",
    "usd_per_day": "${}",
    "max_age_hours": "{} hours",
}
PRICINGS: Final = {"on_demand": "On demand", "spot": "Spot (may be interrupted)", "reserved": "Reserved"}


def canonical(parameters: Parameters) -> dict[str, list[str]]:
    """The same question in its shortest form: nothing empty, no default, numbers with a point, unknown names gone."""
    shortest: dict[str, list[str]] = {}
    for name in NAMES:
        values = [_written(name, value.strip()) for value in parameters.get(name, ()) if value.strip()]
        if name == "rig" and "none" in values and len(values) > 1:
            values.remove("none")
        if values and tuple(values) != DEFAULTS[name]:
            shortest[name] = values
    return shortest


def is_canonical(parameters: Parameters) -> bool:
    """Whether nothing in it is left over from a form: a form without script sends its empty fields too."""
    return all(value.strip() and _written(name, value) == value for name in NAMES for value in parameters.get(name, ()))


def address(path: str, parameters: Parameters, **changed: str | None) -> str:
    """A link to the same question with some parameters changed; None leaves one out."""
    merged: dict[str, Sequence[str]] = {**parameters}
    merged.update({name: [value] for name, value in changed.items() if value is not None})
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What the template of the form asks."""

    given: Parameters
    catalogue: Catalogue
    offers: Offers
    workloads: Mapping[str, str]  # slug -> name
    provider_names: Mapping[str, str]
    all_errors: Sequence[FieldError] = ()
    pricings: Mapping[str, str] = field(default_factory=lambda: PRICINGS)

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

    # What was wrong --------------------------------------------------------------------------------------------------

    @property
    def has_errors(self) -> bool:
        return bool(self.all_errors)

    def errors(self, name: str) -> list[str]:
        return [error.message for error in self.all_errors if error.field == name]

    def label(self, name: str) -> str:
        return LABELS.get(name, name)

    # What can be chosen ----------------------------------------------------------------------------------------------

    @property
    def countries(self) -> dict[str, str]:
        named = {code: electricity.name for code, electricity in self.catalogue.electricity.items()}
        return dict(sorted(named.items(), key=lambda item: item[1]))

    @property
    def electricity_hint(self) -> str:
        known = self.catalogue.electricity.get(self.chosen("country").upper())
        return f"{known.name} pays {usd_rate(known.usd_per_kwh)} ({known.period})" if known else "Your own price"

    @property
    def electricity_placeholder(self) -> str:
        known = self.catalogue.electricity.get(self.chosen("country").upper())
        return f"{known.usd_per_kwh:.3g}" if known else ""

    @property
    def gpu_names(self) -> list[str]:
        return sorted(self.catalogue.sheets)

    @property
    def gpus(self) -> dict[str, int]:
        return _counted(row.machine.gpu.name for row in self.offers.rows)

    @property
    def providers(self) -> dict[str, int]:
        return _counted(row.provider for row in self.offers.rows)

    @property
    def cloud_countries(self) -> dict[str, int]:
        return _counted(row.country for row in self.offers.rows)

    def words(self, name: str, value: str) -> str:
        """A value as people write it."""
        if name == "provider":
            return self.provider_names.get(value, value)
        if name == "workload":
            return self.workloads.get(value, value)
        if name in ("country", "cloud_country"):
            known = self.catalogue.electricity.get(value.upper())
            return known.name if known else value
        if name == "pricing" and value in PRICINGS:
            return PRICINGS[value].split(" (")[0].lower()
        return UNITS[name].format(value) if name in UNITS else value

    # What is set -----------------------------------------------------------------------------------------------------

    @property
    def set_names(self) -> list[str]:
        """The parameters that narrow the answer, in the form's order."""
        return [name for name in LABELS if name not in ("sort", "limit") and name in canonical(self.given)]

    @property
    def chips(self) -> list[Chip]:
        shortest = canonical(self.given)
        return [
            Chip(
                f"{LABELS[name]}: {', '.join(self.words(name, value) for value in shortest[name])}",
                address("/", shortest, **{name: None}),
            )
            for name in self.set_names
        ]

    @property
    def summary(self) -> str:
        """The closed form names what it holds: `Change: nanochat d32, RTX 4070, United States`."""
        parts = [self.words("workload", self.chosen("workload"))]
        parts += ["clouds only"] if self.no_rig else self.rig_inputs[:-1]
        parts.append(self.words("country", self.typed("country") or DEFAULT_COUNTRY))
        parts += [LABELS[name].lower() for name in self.set_names if name not in ("workload", "rig", "country")]
        return f"Change: {', '.join(parts)}"


def _counted(values: object) -> dict[str, int]:
    """Each value with how often it is offered, by name."""
    counts = Counter(value for value in values if value)  # type: ignore[attr-defined]
    return dict(sorted(counts.items(), key=lambda item: item[0].lower()))
