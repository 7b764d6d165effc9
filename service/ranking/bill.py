"""The bill of one option, line by line: what is charged, at which price, on whose word. Its tariff says the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from service.ranking.cost import SETUP_HOURS, gb_beyond_free, hours_charged, traffic_usd, usd_per_hour_of_hardware
from service.ranking.data import Data
from service.ranking.interruptions import INTERRUPTIONS_SOURCE
from service.ranking.option import BillLine, CloudOffer
from service.ranking.request import Rig
from service.ranking.rules import Rent, Rules, Traffic

ASSUMED_FREE = {
    "egress": "an assumption: free, as with most",
    "ingress": "an assumption: free, as with all known but Vast.ai",
}
NOTHING = 1e-6  # hours that are no line of their own: what rounding leaves


def ownership_bill(rig: Rig, hours: float) -> tuple[BillLine, ...]:
    """What owning costs for so many hours."""
    kwh = rig.watts / 1000 * hours
    electricity = _line("electricity", kwh, "kWh", rig.electricity_usd_per_kwh, rig.electricity_source)
    if not rig.purchase_usd:
        return (electricity,)
    wear = "purchase less resale over the lifetime, all as given"
    return (electricity, _line("hardware", hours, "h", usd_per_hour_of_hardware(rig), wear))


def rent_bill(
    offer: CloudOffer, rules: Rules, data: Data, own_disk_gb: float, hours: float, growth: float
) -> tuple[BillLine, ...]:
    """What renting costs, with `hours` of training if nothing interrupts."""
    rented = _Rented(offer, rules, hours, growth, hours * (1 + growth) + SETUP_HOURS)
    return (
        *rented.hours_lines(),
        *rented.storage_lines(data.storage_gb, own_disk_gb),
        *rented.traffic_lines("egress", "go out", rules.egress, data.egress_gb),
        *rented.traffic_lines("ingress", "come in", rules.ingress, data.ingress_gb),
    )


@dataclass(frozen=True, slots=True)
class _Rented:
    """A machine, and how long it is there."""

    offer: CloudOffer
    rules: Rules
    hours: float  # of training, if nothing interrupts
    growth: float
    rented: float  # hours in all

    def hours_lines(self) -> Iterator[BillLine]:
        """A month's cap takes from all lines alike; what a step or the minimum adds is a line of its own."""
        rent, usd, hours = self.rules.rent, self.offer.usd_per_hour, self.hours
        billed = hours_charged(rent, self.rented)
        share = min(1.0, billed / self.rented)
        price = self._price_source
        if billed < self.rented - NOTHING:
            price += f"; at most {rent.capped_hours:g} h of a month are charged; {rent.source}"
        yield _line("compute", hours * share, "h", usd, price)
        if self.growth:
            yield _line("interruptions", hours * self.growth * share, "h", usd, self._interruptions_source)
        setup = "an assumption: image, packages and data are there after half an hour"
        yield _line("setup", SETUP_HOURS * share, "h", usd, setup)
        if billed > self.rented + NOTHING:
            is_minimum = rent.minimum_hours > self.rented
            item, source = ("minimum", _minimum_source(rent)) if is_minimum else ("rounding", _step_source(rent))
            yield _line(item, billed - self.rented, "h", usd, source)

    def storage_lines(self, stored_gb: float, own_disk_gb: float) -> Iterator[BillLine]:
        """The disk is there from the setup to the end, to the second."""
        if not stored_gb:
            return
        rule, paid_gb = self.rules.storage, max(0.0, stored_gb - own_disk_gb)
        what = f"{stored_gb:,.1f} GB are stored"
        if own_disk_gb:
            what += f", {min(stored_gb, own_disk_gb):,.1f} of them on the machine's own disk"
        elif self.offer.pricing == "spot" and (self.offer.disk_gb or rule.included_gb or rule.included_gb_per_gpu):
            what += ", none of them on the machine's own disk, which an interruption takes along"
        is_assumed = paid_gb > 0 and rule.rate_is_assumed
        told = "an assumption: what most charge" if is_assumed else rule.source or self._price_source
        months, usd_per_gb_month = self.rented / rule.month_hours, float(rule.usd_per_gb_month)
        charged, usd = (paid_gb, usd_per_gb_month) if paid_gb else (stored_gb, 0.0)
        yield _line("storage", charged * months, "GB-month", usd, f"{what}; {told}")

    def traffic_lines(self, item: str, direction: str, rule: Traffic, gb: float) -> Iterator[BillLine]:
        """At the average price of what is not free."""
        if not gb:
            return
        told = rule.source or ASSUMED_FREE[item]
        if not rule.steps:
            yield _line(item, gb, "GB", 0.0, f"{gb:,.1f} GB {direction}; {told}")
            return
        paid_gb, usd = float(gb_beyond_free(gb, rule, self.rented)), float(traffic_usd(gb, rule, self.rented))
        free = f", {gb - paid_gb:,.1f} of them free" if paid_gb < gb else ""
        charged, usd_per_gb = (paid_gb, usd / paid_gb) if paid_gb else (gb, 0.0)
        yield _line(item, charged, "GB", usd_per_gb, f"{gb:,.1f} GB {direction}{free}; {told}")

    @property
    def _price_source(self) -> str:
        return _price_source(self.offer.source, self.offer.observed_at, self.offer.source_url)

    @property
    def _interruptions_source(self) -> str:
        for counted in self.rules.interruptions:
            if counted.gpu == self.offer.gpu:
                return f"{counted.per_hour:g} losses an hour were counted with this provider's GPU; {counted.source}"
        return INTERRUPTIONS_SOURCE


@lru_cache
def _price_source(source: str, seen: datetime, url: str | None) -> str:
    price = f"{source} price seen {seen:%Y-%m-%d %H:%M} UTC"
    return f"{price}, {url}" if url else price


def _step_source(rent: Rent) -> str:
    if rent.by_clock:
        return f"every hour of the clock that is touched is charged; {rent.source}"
    return f"every {_duration(rent.step_hours)} that is begun is charged; {rent.source}"


def _minimum_source(rent: Rent) -> str:
    return f"at least {_duration(rent.minimum_hours)} is charged; {rent.source or 'an assumption'}"


def _duration(hours: float) -> str:
    return f"{hours:g} h" if hours >= 1 else f"{hours * 60:g} min"


def _line(item: str, quantity: float, unit: str, usd_per_unit: float, source: str) -> BillLine:
    usd = quantity * usd_per_unit
    return BillLine(item=item, quantity=quantity, unit=unit, usd_per_unit=usd_per_unit, usd=usd, source=source)
