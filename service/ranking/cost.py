"""What an option costs: hours multiplied by what an hour of renting, or of owning, is charged at.

Renting and owning differ in how their `Tariff` is made and in nothing after that. Storage and egress are not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from service.ranking.option import BillLine
from service.ranking.request import Rig

Floats = NDArray[np.float64]

HOURS_PER_DAY = 24.0
HOURS_PER_MONTH = 730.5  # 365.25 days in twelve months

# Clouds bill by the second or the minute (AWS, GCP, RunPod, Lambda) or by the started hour (OVHcloud, Vultr, Linode),
# by their billing pages as read on 2026-11-24. Until each provider has its own rule: by the second, at least one hour.
MINIMUM_BILLED_HOURS = 1.0

# An assumption, not a measurement: image, packages and the tokenised data are on the machine within half an hour.
# The machine is paid for meanwhile. It is not in the days, because a rig is set up as well.
SETUP_HOURS = 0.5

# Losses per machine and hour. 0.10: A100 on GCP, 2021-12-11, 154 falls in 1,548 instance-hours
# (https://github.com/uclasystem/bamboo, traces/gcloud/a100x1-east1b.txt), the only public trace of a GPU that is still
# rented for training. Others read 0.06 to 1.4 (AWS V100, 2022-2023, https://github.com/skypilot-org/spot-traces).
# Machines of one zone are lost together, so that it is not multiplied by their number.
INTERRUPTIONS_PER_HOUR = 0.10
INTERRUPTIONS_SOURCE = "0.10 losses an hour, A100 on GCP, 2021-12-11, https://github.com/uclasystem/bamboo"

# An assumption: 7 B parameters with their states (12 bytes each) at 1.5 GB/s, the speed of one local NVMe.
CHECKPOINT_HOURS = 1 / 60

# An assumption: another machine found and started, and the checkpoint read back.
RESTART_HOURS = 0.25


def interruption_growth(
    per_hour: float = INTERRUPTIONS_PER_HOUR, checkpoint: float = CHECKPOINT_HOURS, restart: float = RESTART_HOURS
) -> float:
    """By what part interruptions lengthen a run that saves checkpoints at the best interval (Young 1974, Daly 2006)."""
    if per_hour == 0:
        return 0.0
    interval = sqrt(2 * checkpoint / per_hour)
    return checkpoint / interval + per_hour * (interval / 2 + restart)


def usd_per_hour_of_electricity(rig: Rig) -> float:
    """What the socket charges for an hour of training."""
    return rig.watts / 1000 * rig.electricity_usd_per_kwh


def usd_per_hour_of_hardware(rig: Rig) -> float:
    """What an hour of use takes off the value of the machine, over its lifetime and less its resale."""
    lost = max(0.0, rig.purchase_usd - rig.resale_usd)
    return lost / (rig.lifetime_months * HOURS_PER_MONTH)


@dataclass(frozen=True, slots=True, eq=False)
class Tariff:
    """What many ways charge, one element each: by the hour, setup too, and for at least so many hours."""

    usd_per_hour: Floats
    setup_hours: Floats
    minimum_hours: Floats

    def cost(self, hours: Floats) -> Floats:
        """Dollars for so many hours of training (the last axis runs over the ways)."""
        return self.usd_per_hour * np.maximum(hours + self.setup_hours, self.minimum_hours)

    def __getitem__(self, ways: NDArray[np.intp]) -> Tariff:
        return Tariff(self.usd_per_hour[ways], self.setup_hours[ways], self.minimum_hours[ways])


def tariff_of_ways(rigs: tuple[Rig, ...], usd_per_hour: Floats) -> Tariff:
    """The tariff of these rigs, then of machines rented at these prices."""
    owned = [usd_per_hour_of_electricity(rig) + usd_per_hour_of_hardware(rig) for rig in rigs]
    rented = np.r_[np.zeros(len(rigs)), np.ones(len(usd_per_hour))]
    return Tariff(np.r_[owned, usd_per_hour], rented * SETUP_HOURS, rented * MINIMUM_BILLED_HOURS)


def rent_bill(usd_per_hour: float, hours: float, growth: float, source: str) -> tuple[BillLine, ...]:
    """What rent is paid for, with `hours` of training if nothing interrupts; sums to what the tariff charges."""
    unused = MINIMUM_BILLED_HOURS - hours * (1 + growth) - SETUP_HOURS
    lines = [
        ("compute", hours, source),
        ("interruptions", hours * growth, INTERRUPTIONS_SOURCE),
        ("setup", SETUP_HOURS, "an assumption: image, packages and data are there after half an hour"),
        ("minimum", unused, "an assumption: at least one hour is billed"),
    ]
    return tuple(_line(item, quantity, "h", usd_per_hour, source) for item, quantity, source in lines if quantity > 0)


def ownership_bill(rig: Rig, hours: float) -> tuple[BillLine, ...]:
    """What owning costs for so many hours; sums to what the tariff charges."""
    kwh = rig.watts / 1000 * hours
    electricity = _line("electricity", kwh, "kWh", rig.electricity_usd_per_kwh, rig.electricity_source)
    if not rig.purchase_usd:
        return (electricity,)
    wear = "purchase less resale over the lifetime, all as given"
    return (electricity, _line("hardware", hours, "h", usd_per_hour_of_hardware(rig), wear))


def _line(item: str, quantity: float, unit: str, usd_per_unit: float, source: str) -> BillLine:
    usd = quantity * usd_per_unit
    return BillLine(item=item, quantity=quantity, unit=unit, usd_per_unit=usd_per_unit, usd=usd, source=source)
