"""The euro foreign exchange reference rates of the European Central Bank: one small XML file, new each working day.

It appears about 16:00 in Frankfurt, names 29 currencies (2026), and quotes units of each for one euro. The euro
itself is not in it, nor are ARS, CLP and COP. A currency that is no longer quoted keeps its last rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import ClassVar, Final, NamedTuple
from xml.etree import ElementTree

import httpx

from providers.base import PayloadChanged, Source, get
from service.rates.known import USD, Rates, UnknownCurrency

MOST_CHARACTERS: Final = 1_000_000  # the daily file has two thousand
LARGEST_STEP: Final = Decimal(2)  # the lira lost a third within a month (2021-12): half or double is another unit


class PublishedRate(NamedTuple):
    """What one euro was worth on a day."""

    currency: str
    day: date
    units_per_eur: Decimal


class EuropeanCentralBank:
    """The feed as a source beside the providers; it is fetched and parsed as they are, and yields no offers."""

    slug: ClassVar[str] = "ecb"
    name: ClassVar[str] = "European Central Bank: euro reference rates"
    pricing_page: ClassVar[str] = (
        "https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates/html/index.en.html"
    )
    source: ClassVar[Source] = "rates"
    interval: ClassVar[timedelta] = timedelta(hours=6)
    is_quick: ClassVar[bool] = True
    url: ClassVar[str] = "https://www.ecb.europa.eu/stats/eurofxref/eurofxref-daily.xml"

    @classmethod
    def missing(cls, secrets: Mapping[str, str]) -> str | None:
        return None

    @classmethod
    async def fetch(cls, client: httpx.AsyncClient) -> str:
        """The file as it stands. Raises what providers raise."""
        return (await get(client, cls.url)).text

    @classmethod
    def parse(cls, xml: str) -> Sequence[PublishedRate]:
        """Every rate, of every day in the file. Raises PayloadChanged."""
        rates = [rate for cube in _days(xml) for rate in _rates_of(cube)]
        for day in {rate.day for rate in rates}:
            if not any(rate.currency == USD for rate in rates if rate.day == day):
                raise PayloadChanged(f"the rates of {day} name no dollar")
        if not rates:
            raise PayloadChanged("an XML file without rates - at `$.Cube.Cube[@time].Cube[@currency]`")
        return rates


def _days(xml: str) -> Sequence[ElementTree.Element]:
    if len(xml) > MOST_CHARACTERS or "<!DOCTYPE" in xml or "<!ENTITY" in xml:  # an entity may unpack to gigabytes
        raise PayloadChanged(f"no file of reference rates; it begins with {xml[:60]!r}")
    try:
        root = ElementTree.fromstring(xml)
    except (ElementTree.ParseError, ValueError) as error:
        raise PayloadChanged(f"not XML: {error}; it begins with {xml[:60]!r}") from error
    return root.findall(".//{*}Cube[@time]")


def _rates_of(cube: ElementTree.Element) -> Iterable[PublishedRate]:
    day = _day(cube.get("time", ""))
    for each in cube.findall("{*}Cube"):
        currency, rate = each.get("currency", ""), each.get("rate", "")
        if len(currency) != 3 or not (currency.isascii() and currency.isupper()):
            raise PayloadChanged(f"{currency[:20]!r} is no currency - at `$.Cube.Cube[@time].Cube[@currency]`")
        yield PublishedRate(currency, day, _number(currency, rate))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise PayloadChanged(f"{text[:20]!r} is no day - at `$.Cube.Cube[@time]`") from error


def _number(currency: str, text: str) -> Decimal:
    try:
        rate = Decimal(text)
    except InvalidOperation as error:
        raise PayloadChanged(f"{text[:20]!r} is no rate of {currency} - at `$.Cube.Cube.Cube[@rate]`") from error
    if not rate.is_finite() or not Decimal("1e-9") < rate < Decimal("1e12"):
        raise PayloadChanged(f"{rate} can be no rate of {currency} - at `$.Cube.Cube.Cube[@rate]`")
    return rate


# Belief --------------------------------------------------------------------------------------------------------------


def believable(
    published: Sequence[PublishedRate], known: Rates, now: datetime
) -> tuple[list[PublishedRate], list[tuple[PublishedRate, str]]]:
    """The rates that can be true, and the others with the reason. Where the dollar is in doubt, its whole day is."""
    doubts = {rate: doubt for rate in published if (doubt := why_unbelievable(rate, published, known, now))}
    without_dollar = {rate.day for rate in doubts if rate.currency == USD}
    doubts |= {
        rate: "the dollar of that day is not believed"
        for rate in published
        if rate.day in without_dollar and rate not in doubts
    }
    return [rate for rate in published if rate not in doubts], list(doubts.items())


def why_unbelievable(
    rate: PublishedRate, published: Sequence[PublishedRate], known: Rates, now: datetime
) -> str | None:
    if rate.day > now.astimezone(UTC).date() + timedelta(days=1):
        return f"dated {rate.day}, which is to come"
    dollar = next(each.units_per_eur for each in published if each.day == rate.day and each.currency == USD)
    at = datetime(rate.day.year, rate.day.month, rate.day.day, tzinfo=UTC)
    try:
        now_usd, last_usd = _usd(rate, dollar), _known_usd(rate.currency, known, at)
    except UnknownCurrency:
        return None  # quoted for the first time
    step = now_usd / last_usd
    if 1 / LARGEST_STEP <= step <= LARGEST_STEP:
        return None
    return f"{now_usd:.4g} USD after {last_usd:.4g}: more than half or double"


def _usd(rate: PublishedRate, dollar: Decimal) -> Decimal:
    """US dollars for one unit; the dollar itself is judged by what a euro is worth in it."""
    return dollar if rate.currency == USD else dollar / rate.units_per_eur


def _known_usd(currency: str, known: Rates, at: datetime) -> Decimal:
    return known.usd_per_unit("EUR" if currency == USD else currency, at)
