"""What a currency was worth in US dollars on a day, by the dated reference rates of the catalogue."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

from service.catalogue import load


class UnknownCurrency(LookupError):
    """No reference rate of this currency is known."""

    def __init__(self, currency: str) -> None:
        self.currency = currency
        super().__init__(f"no exchange rate is known for currency {currency!r}")


def usd_per_unit(currency: str, at: datetime) -> Decimal:
    """US dollars for one unit by the newest rate not after `at`, or by the first. Raises UnknownCurrency."""
    return _usd_per_unit(currency, at.astimezone(UTC).date().toordinal())


@lru_cache(maxsize=4096)  # asked once per price, and prices share currency and day
def _usd_per_unit(currency: str, day: int) -> Decimal:
    if currency == "USD":
        return Decimal(1)
    rates = load().exchange_rates.get(currency)
    if rates is None:
        raise UnknownCurrency(currency)
    newest = bisect_right(rates, day, key=lambda rate: rate.date.toordinal())
    return rates[max(newest - 1, 0)].usd_per_unit
