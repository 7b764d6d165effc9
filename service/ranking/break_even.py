"""Where the best rig and the best cloud option cost the same."""

from __future__ import annotations

from service.estimation.answer import Interval
from service.ranking.cost import HOURS_PER_DAY, SETUP_HOURS, usd_per_hour_of_electricity, usd_per_hour_of_hardware
from service.ranking.option import CloudOffer, Option
from service.ranking.request import Rig
from service.ranking.ways import Ways


def electricity_usd_per_kwh(rig: Rig, hours: float, cloud_usd: float) -> float | None:
    """The electricity price above which the cloud costs less. None: it does even with free electricity."""
    for_electricity = cloud_usd - usd_per_hour_of_hardware(rig) * hours
    return _positive(for_electricity, rig.watts / 1000 * hours)


def cloud_usd_per_gpu_hour(
    offer: CloudOffer, cloud_usd: float, beside_rent_usd: float, local_usd: float
) -> float | None:
    """The rent below which the cloud costs less. None: disk and traffic alone cost as much as owning."""
    billed_hours = (cloud_usd - beside_rent_usd) / offer.usd_per_hour
    return _positive(local_usd - beside_rent_usd, billed_hours * offer.gpu_count)


def beside_rent_usd(option: Option) -> Interval:
    """What of a cloud option is not for the machine: a disk for as long as it is rented, and traffic."""
    parts = option.cost_breakdown_usd
    traffic = parts.get("egress", 0.0) + parts.get("ingress", 0.0)
    disk_usd_per_hour = parts.get("storage", 0.0) / (option.hours.p50 + SETUP_HOURS)
    hours = (option.hours.p10, option.hours.p50, option.hours.p90)
    return Interval(*(traffic + disk_usd_per_hour * (each + SETUP_HOURS) for each in hours))


def usd_per_day(local_usd: float, cloud_usd: float, local_hours: float, cloud_hours: float) -> float | None:
    """The value of a day of waiting at which both score the same. None: one of them is both cheaper and faster."""
    days = (local_hours - cloud_hours) / HOURS_PER_DAY
    return _positive((cloud_usd - local_usd) / days, 1.0) if days else None


def runs_to_repay_purchase(rig: Rig, hours: float, cloud_usd: float) -> float | None:
    """After how many runs the purchase, less its resale, is saved. None: nothing was bought, or no run saves any."""
    saved_by_a_run = cloud_usd - usd_per_hour_of_electricity(rig) * hours
    return _positive(rig.purchase_usd - rig.resale_usd, saved_by_a_run) if rig.purchase_usd else None


def _positive(amount: float, per: float) -> float | None:
    return amount / per if amount > 0 and per > 0 else None


def crossings(ways: Ways, local: int, cloud: int) -> dict[str, float | None]:
    """Every price at which this rig and this cloud option cost, or score, the same."""
    rig, offer = ways.rig(local), ways.offer(cloud)
    if rig is None or offer is None:
        raise ValueError("a break-even is between a rig and a cloud option")
    hours, cloud_hours = float(ways.hours[1, local]), float(ways.hours[1, cloud])
    usd, cloud_usd = float(ways.cost[1, local]), float(ways.cost[1, cloud])
    beside_rent_usd = ways.beside_rent_usd(cloud)
    return {
        "electricity_usd_per_kwh": electricity_usd_per_kwh(rig, hours, cloud_usd),
        "cloud_usd_per_gpu_hour": cloud_usd_per_gpu_hour(offer, cloud_usd, beside_rent_usd, usd),
        "usd_per_day": usd_per_day(usd, cloud_usd, hours, cloud_hours),
        "runs_to_repay_purchase": runs_to_repay_purchase(rig, hours, cloud_usd),
    }
