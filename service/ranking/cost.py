"""What an option costs: billed hours, a disk for as long as the machine is rented, and what is moved.

Renting and owning differ in how their `Tariff` is made and in nothing after that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.ranking.data import Data
from service.ranking.offers import Coded, Floats, Integers, Offers
from service.ranking.request import Rig
from service.ranking.rules import HOURS_PER_MONTH, Rent, Rules, Traffic

HOURS_PER_DAY = 24.0

# An assumption, not a measurement: image, packages and the tokenised data are on the machine within half an hour.
# The machine is paid for meanwhile. It is not in the days, because a rig is set up as well.
SETUP_HOURS = 0.5

# Where every hour of the clock counts that is touched, a run is taken to start at half past: on average over the starts
# that it may have, as many hours are charged.
CLOCK_START = 0.5

ROUNDING = 1e-9  # of a step: so little more is none, since hours are binary fractions


def billed_hours(
    hours: Floats | float,
    *,
    step: Floats | float = 0.0,
    begun: Floats | float = 0.0,
    minimum: Floats | float = 0.0,
    capped: Floats | float = HOURS_PER_MONTH,
    month: float = HOURS_PER_MONTH,
) -> Floats:
    """The hours that are charged for so many hours of a machine.

    Rounded up to steps, of which `begun` is over at the start; the minimum at least, of a month the cap at most.
    """
    whole_steps = np.ceil((hours + begun) / np.maximum(step, ROUNDING) - ROUNDING) * step
    billed = np.maximum(np.where(np.asarray(step) > 0, whole_steps, hours), minimum)
    months = np.floor(billed / month)
    total: Floats = months * capped + np.minimum(billed - months * month, capped)
    return total


def hours_charged(rent: Rent, rented: float) -> float:
    """The hours that one provider charges for so many hours of one machine."""
    if not rent.step_hours and rent.capped_hours >= HOURS_PER_MONTH:
        return max(rented, rent.minimum_hours)
    charged = billed_hours(
        rented,
        step=rent.step_hours,
        begun=begun_hours(rent),
        minimum=rent.minimum_hours,
        capped=rent.capped_hours,
    )
    return float(charged)


def traffic_usd(gb: Floats | float, traffic: Traffic, hours: Floats | float = HOURS_PER_MONTH) -> Floats | float:
    """What so many GB cost within a month, for a machine that has been there for so many hours."""
    if not traffic.steps:
        return 0.0
    paid = gb_beyond_free(gb, traffic, hours)
    ends = [step.above_gb for step in traffic.steps[1:]] + [np.inf]
    parts = (
        np.clip(paid - step.above_gb, 0.0, end - step.above_gb) * float(step.usd_per_gb)
        for step, end in zip(traffic.steps, ends, strict=True)
    )
    return sum(parts, start=0.0)


def gb_beyond_free(gb: Floats | float, traffic: Traffic, hours: Floats | float = HOURS_PER_MONTH) -> Floats | float:
    """What is left to pay for."""
    earned = 1.0 if traffic.accrues_hours is None else np.minimum(hours / traffic.accrues_hours, 1.0)
    paid: Floats | float = np.maximum(gb - traffic.free_gb * earned, 0.0)
    return paid


def usd_per_hour_of_electricity(rig: Rig) -> float:
    """What the socket charges for an hour of training."""
    return rig.watts / 1000 * rig.electricity_usd_per_kwh


def usd_per_hour_of_hardware(rig: Rig) -> float:
    """What an hour of use takes off the value of the machine, over its lifetime and less its resale."""
    lost = max(0.0, rig.purchase_usd - rig.resale_usd)
    return lost / (rig.lifetime_months * HOURS_PER_MONTH)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Tariff:
    """What many ways charge, one element each."""

    rents: tuple[Rent, ...]  # by which hours are charged; `rent` are places in it
    rent: Integers
    usd_per_hour: Floats
    setup_hours: Floats
    disk_usd_per_hour: Floats  # for as long as the machine is rented, to the second
    traffic_usd: Floats

    def cost(self, hours: Floats) -> Floats:
        """Dollars for so many hours of training (the last axis runs over the ways)."""
        rented = hours + self.setup_hours
        usd = self._billed(rented)
        usd *= self.usd_per_hour
        usd += rented * self.disk_usd_per_hour
        usd += self.traffic_usd
        return usd

    def beside_rent(self, hours: Floats) -> Floats:
        """Dollars that are not for the machine."""
        return (hours + self.setup_hours) * self.disk_usd_per_hour + self.traffic_usd

    def _billed(self, rented: Floats) -> Floats:
        """The hours that are charged for so many hours of each machine."""
        step = np.array([rent.step_hours for rent in self.rents])
        begun = np.array([begun_hours(rent) for rent in self.rents])
        minimum = np.array([rent.minimum_hours for rent in self.rents])
        capped = np.array([rent.capped_hours for rent in self.rents])
        billed: Floats = np.maximum(rented, minimum[self.rent])
        others = np.flatnonzero(((step > 0) | (capped < HOURS_PER_MONTH))[self.rent])  # most are by the second
        by = self.rent[others]
        billed[..., others] = billed_hours(
            rented[..., others], step=step[by], begun=begun[by], minimum=minimum[by], capped=capped[by]
        )
        return billed

    def __getitem__(self, ways: NDArray[np.intp]) -> Tariff:
        columns = {name: getattr(self, name)[ways] for name in COLUMNS}
        return Tariff(rents=self.rents, **columns)


COLUMNS = ("rent", "usd_per_hour", "setup_hours", "disk_usd_per_hour", "traffic_usd")


def tariff_of_ways(rigs: tuple[Rig, ...], offers: Offers, rows: Integers, hours: Floats, data: Data) -> Tariff:
    """The tariff of these rigs, then of these rows of the offers, which take so many hours (P50)."""
    rules, none = offers.rules.at(rows), np.zeros(len(rigs))
    owned = [usd_per_hour_of_electricity(rig) + usd_per_hour_of_hardware(rig) for rig in rigs]
    disks = np.array([float(each.storage.usd_per_gb_month) / each.storage.month_hours for each in rules.values])
    stored_gb = np.maximum(data.storage_gb - offers.own_disk_gb[rows], 0.0)
    return Tariff(
        rents=(OWNED, *(each.rent for each in rules.values)),
        rent=np.r_[np.zeros(len(rigs), np.int64), rules.codes + 1],
        usd_per_hour=np.r_[owned, offers.usd_per_hour[rows]],
        setup_hours=np.r_[none, np.full(len(rows), SETUP_HOURS)],
        disk_usd_per_hour=np.r_[none, disks[rules.codes] * stored_gb],
        traffic_usd=np.r_[none, _traffic_usd(rules, hours + SETUP_HOURS, data)],
    )


OWNED = Rent()  # every hour of it, and no other


def begun_hours(rent: Rent) -> float:
    """How much of a step is taken to be over when a run starts."""
    return CLOCK_START * rent.step_hours if rent.by_clock else 0.0


def _traffic_usd(rules: Coded[Rules], hours: Floats, data: Data) -> Floats:
    """Per provider, and per way where what is free is earned by the hour; the median hours stand for all."""
    both = [
        float(traffic_usd(data.egress_gb, each.egress) + traffic_usd(data.ingress_gb, each.ingress))
        for each in rules.values
    ]
    usd: Floats = np.array(both, np.float64)[rules.codes]
    for code, each in enumerate(rules.values):
        if each.egress.accrues_hours is not None:
            mine = rules.codes == code
            usd[mine] = traffic_usd(data.egress_gb, each.egress, hours[mine])
            usd[mine] += traffic_usd(data.ingress_gb, each.ingress)
    return usd
