"""The bill of one option, line by line: what is charged, at which price, on whose word. Its tariff says the same."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from service.ranking.cost import (
    SETUP_HOURS,
    gb_beyond_free,
    hours_charged,
    traffic_usd,
    usd_per_hour_of_hardware,
)
from service.ranking.data import Data
from service.ranking.interruptions import INTERRUPTIONS_SOURCE
from service.ranking.option import BillLine, CloudOffer
from service.ranking.request import Rig
from service.ranking.rules import Rent, Rules, Traffic

ASSUMED_RATE = "an assumption: what most charge"
NOTHING = 1e-6  # hours that are no line of their own: what rounding leaves


def rent_bill(
    offer: CloudOffer, rules: Rules, data: Data, own_disk_gb: float, hours: float, growth: float
) -> tuple[BillLine, ...]:
    """What renting costs, with `hours` of training if nothing interrupts."""
    rented = hours * (1 + growth) + SETUP_HOURS
    return (
        *_hours_lines(offer, rules, hours, growth, rented),
        *_storage_lines(offer, rules, data.storage_gb, own_disk_gb, rented),
        *_traffic_lines("egress", "go out", rules.egress, data.egress_gb, rented),
        *_traffic_lines("ingress", "come in", rules.ingress, data.ingress_gb, rented),
    )


def ownership_bill(rig: Rig, hours: float) -> tuple[BillLine, ...]:
    """What owning costs for so many hours."""
    kwh = rig.watts / 1000 * hours
    electricity = _line("electricity", kwh, "kWh", rig.electricity_usd_per_kwh, rig.electricity_source)
    if not rig.purchase_usd:
        return (electricity,)
    wear = "purchase less resale over the lifetime, all as given"
    return (electricity, _line("hardware", hours, "h", usd_per_hour_of_hardware(rig), wear))


# The machine ---------------------------------------------------------------------------------------------------------


def _hours_lines(offer: CloudOffer, rules: Rules, hours: float, growth: float, rented: float) -> Iterator[BillLine]:
    """A month's cap takes from all lines alike; what a step or the minimum adds is a line of its own."""
    rent, usd = rules.rent, offer.usd_per_hour
    billed = hours_charged(rent, rented)
    share = min(1.0, billed / rented)
    price = _price_source(offer)
    if billed < rented - NOTHING:
        price += f"; at most {rent.capped_hours:g} h of a month are charged; {rent.source}"
    yield _line("compute", hours * share, "h", usd, price)
    if growth:
        yield _line("interruptions", hours * growth * share, "h", usd, _interruptions_source(offer, rules))
    setup = "an assumption: image, packages and data are there after half an hour"
    yield _line("setup", SETUP_HOURS * share, "h", usd, setup)
    if billed > rented + NOTHING:
        is_minimum = rent.minimum_hours > rented
        item, source = ("minimum", _minimum_source(rent)) if is_minimum else ("rounding", _step_source(rent))
        yield _line(item, billed - rented, "h", usd, source)


def _price_source(offer: CloudOffer) -> str:
    price = f"{offer.source} price seen {offer.observed_at:%Y-%m-%d %H:%M} UTC"
    return f"{price}, {offer.source_url}" if offer.source_url else price


def _interruptions_source(offer: CloudOffer, rules: Rules) -> str:
    for counted in rules.interruptions:
        if counted.gpu == offer.gpu:
            return f"{counted.per_hour:g} losses an hour were counted with this provider's GPU; {counted.source}"
    return INTERRUPTIONS_SOURCE


@lru_cache
def _step_source(rent: Rent) -> str:
    if rent.by_clock:
        return f"every hour of the clock that is touched is charged; {rent.source}"
    return f"every {_duration(rent.step_hours)} that is begun is charged; {rent.source}"


@lru_cache
def _minimum_source(rent: Rent) -> str:
    return f"at least {_duration(rent.minimum_hours)} is charged; {rent.source or 'an assumption'}"


def _duration(hours: float) -> str:
    return f"{hours:g} h" if hours >= 1 else f"{hours * 60:g} min"


# What is stored and moved --------------------------------------------------------------------------------------------


def _storage_lines(
    offer: CloudOffer, rules: Rules, stored_gb: float, own_disk_gb: float, rented: float
) -> Iterator[BillLine]:
    """The disk is there from the setup to the end, to the second."""
    if not stored_gb:
        return
    rule, paid_gb = rules.storage, max(0.0, stored_gb - own_disk_gb)
    what = f"{stored_gb:,.1f} GB are stored"
    if own_disk_gb:
        what += f", {min(stored_gb, own_disk_gb):,.1f} of them on the machine's own disk"
    elif offer.pricing == "spot" and (offer.disk_gb or rule.included_gb or rule.included_gb_per_gpu):
        what += ", none of them on the machine's own disk, which an interruption takes along"
    told = ASSUMED_RATE if paid_gb and rule.rate_is_assumed else rule.source or _price_source(offer)
    months = rented / rule.month_hours
    yield _line("storage", paid_gb * months, "GB-month", float(rule.usd_per_gb_month), f"{what}; {told}")


def _traffic_lines(item: str, direction: str, rule: Traffic, gb: float, rented: float) -> Iterator[BillLine]:
    """At the average price of what is not free."""
    if not gb:
        return
    paid_gb = float(gb_beyond_free(gb, rule, rented)) if rule.steps else 0.0
    usd = float(traffic_usd(gb, rule, rented))
    what = f"{gb:,.1f} GB {direction}"
    if rule.steps and paid_gb < gb:
        what += f", {gb - paid_gb:,.1f} of them free"
    told = rule.source or "an assumption: free, as with most"
    yield _line(item, paid_gb, "GB", usd / paid_gb if paid_gb else 0.0, f"{what}; {told}")


def _line(item: str, quantity: float, unit: str, usd_per_unit: float, source: str) -> BillLine:
    usd = quantity * usd_per_unit
    return BillLine(item=item, quantity=quantity, unit=unit, usd_per_unit=usd_per_unit, usd=usd, source=source)
