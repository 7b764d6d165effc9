"""Reference rates by day: those that ship with the software, and over them those that were read since."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from types import MappingProxyType

from service.catalogue import load
from service.catalogue.files import DatedRate

USD, EUR = "USD", "EUR"


class UnknownCurrency(LookupError):
    """No reference rate of this currency is known."""

    def __init__(self, currency: str) -> None:
        self.currency = currency
        super().__init__(f"no exchange rate is known for currency {currency!r}")


@dataclass(frozen=True, slots=True)
class Rates:
    """US dollars for one unit of each currency, oldest first."""

    dated: Mapping[str, tuple[DatedRate, ...]] = field(hash=False)

    def usd_per_unit(self, currency: str, at: datetime) -> Decimal:
        """By the newest rate not after `at`, or by the first. Raises UnknownCurrency."""
        return Decimal(1) if currency == USD else self.dated_rate(currency, at).usd_per_unit

    def dated_rate(self, currency: str, at: datetime) -> DatedRate:
        """The newest rate not after `at`, or the first, with its day. Raises UnknownCurrency."""
        rates = self.dated.get(currency)
        if not rates:
            raise UnknownCurrency(currency)
        day = at.astimezone(UTC).date()
        newest = bisect_right(rates, day, key=lambda rate: rate.date)
        return rates[max(newest - 1, 0)]

    @property
    def currencies(self) -> frozenset[str]:
        """Every currency that has a rate, and the dollar."""
        return frozenset({USD, *self.dated})

    def with_published(self, published: Iterable[tuple[str, date, Decimal]]) -> Rates:
        """These rates and others: currency, day and units for one euro. Of a day in both, the others count."""
        days: dict[date, dict[str, Decimal]] = {}
        for currency, day, units_per_eur in published:
            days.setdefault(day, {EUR: Decimal(1)})[currency] = units_per_eur
        if not days:
            return self
        merged = {currency: {rate.date: rate for rate in rates} for currency, rates in self.dated.items()}
        for day, units in days.items():
            for currency, per_eur in units.items():
                merged.setdefault(currency, {})[day] = DatedRate(day, units[USD] / per_eur)
        in_order = {currency: tuple(rates[day] for day in sorted(rates)) for currency, rates in merged.items()}
        return Rates(MappingProxyType(in_order))


@cache
def shipped_rates() -> Rates:
    """The dated table that ships: what is known before any feed was read."""
    return Rates(load().exchange_rates)


@lru_cache(maxsize=4096)
def _shipped(currency: str, day: date) -> Decimal:
    return shipped_rates().usd_per_unit(currency, datetime(day.year, day.month, day.day, tzinfo=UTC))


def usd_per_unit(currency: str, at: datetime) -> Decimal:
    """By the table that ships alone. Raises UnknownCurrency."""
    return _shipped(currency, at.astimezone(UTC).date())
