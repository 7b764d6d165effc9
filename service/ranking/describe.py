"""What a reader is told about one way: its option with title, parts, bill and notes, or why it is left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from hashlib import blake2b

from service.estimation.answer import Estimate, Infeasible, Interval
from service.estimation.hardware import Machine
from service.estimation.scaling import own_interconnect
from service.estimation.workload import Reference, Workload
from service.ranking.bill import ownership_bill, rent_bill
from service.ranking.offers import lacks_gb
from service.ranking.option import BillLine, CloudOffer, ExclusionExample, Option, OptionMachine, RigUse
from service.ranking.request import RankingRequest, Rig
from service.ranking.ways import OVER_BUDGET, OVER_DEADLINE, Ways


def option(
    ways: Ways, place: int, *, rank: int, is_on_frontier: bool, probability_cheapest: float, explain: bool
) -> Option:
    """One way as every way in shows it."""
    rig, offer = ways.rig(place), ways.offer(place)
    estimate = ways.items[ways.item[place]]
    if not isinstance(estimate, Estimate):
        raise TypeError(f"{title(ways, place)} cannot run: {estimate.reason}")
    hours, growth = Interval(*ways.hours[:, place].tolist()), float(ways.growth[place])
    bill = _bill(ways, place, offer, float(estimate.hours.p50))
    energy = rig.watts / 1000 * hours.p50 if rig else None
    carbon = rig.carbon_g_per_kwh if rig else None
    return Option(
        rank=rank,
        id=option_id(ways, place),
        kind="local" if rig else "cloud",
        title=title(ways, place),
        machine=_machine(ways.machine(place)),
        offer=offer,
        rig=_rig_use(rig) if rig else None,
        plan=estimate.plan,
        hours=hours,
        days=Interval(*ways.days(place).tolist()),
        cost_usd=Interval(*ways.cost[:, place].tolist()),
        cost_breakdown_usd={line.item: line.usd for line in bill if rig or line.usd},
        score_usd=float(ways.score[place]),
        energy_kwh=energy,
        co2_kg=energy * carbon / 1000 if energy is not None and carbon is not None else None,
        on_frontier=is_on_frontier,
        probability_cheapest=probability_cheapest,
        evidence=estimate.evidence,
        notes=_notes(offer, estimate, growth),
        offers_grouped=int(ways.grouped[place]),
        step_parts_s=estimate.step_parts_s if explain else None,
        memory_parts_gb=estimate.memory_parts_gb if explain else None,
        bill=bill if explain else None,
    )


def title(ways: Ways, place: int) -> str:
    rig, row = ways.rig(place), ways.offer_row(place)
    return rig_title(rig) if rig else ways.offers.title[row] if row is not None else ""


def rig_title(rig: Rig) -> str:
    """1x RTX 4070 at home (US); with a name of its own: 1x RTX 4070, under the desk."""
    machine = f"{rig.machine.gpu_count}x {rig.machine.gpu.name}"
    if rig.name:
        return f"{machine}, {rig.name}"
    return f"{machine} at home ({rig.country})" if rig.country else f"{machine} at home"


def offer_title(
    gpu: str, gpu_count: int, provider: str, seller: str | None, tier: str | None, pricing: str, term_months: int | None
) -> str:
    """8x H100 SXM at RunPod (secure), spot; providers by the name that people write."""
    where = f"{provider} by {seller}" if seller else provider
    how = {"on_demand": "", "spot": ", spot", "reserved": f", reserved for {term_months} months"}[pricing]
    return f"{gpu_count}x {gpu} at {where}{f' ({tier})' if tier else ''}{how}"


def option_id(ways: Ways, place: int) -> str:
    """The id of an offer, or of a rig: by its title, so that a link holds when its electricity price changes."""
    row = ways.offer_row(place)
    if row is not None:
        return ways.offers.id(row)
    titles = [rig_title(rig) for rig in ways.rigs]
    way = int(ways.way[place])
    twins = titles[:way].count(titles[way])
    return "local-" + blake2b(titles[way].encode(), digest_size=5).hexdigest() + (f"-{twins + 1}" if twins else "")


def example(ways: Ways, place: int, request: RankingRequest) -> ExclusionExample:
    """One way that is left out, with what it lacks."""
    item = ways.items[ways.item[place]]
    can_run = bool(ways.hours[1, place] < float("inf"))
    return ExclusionExample(
        title=title(ways, place),
        detail=_why(ways, place, request, item),
        id=option_id(ways, place),
        kind="local" if ways.rig(place) else "cloud",
        lacks_gb=lacks_gb(item),
        days=float(ways.days(place)[1]) if can_run else None,
        cost_usd=float(ways.cost[1, place]) if can_run else None,
    )


def _why(ways: Ways, place: int, request: RankingRequest, item: Estimate | Infeasible) -> str:
    reason = ways.reasons[ways.reason[place]]
    if reason == OVER_DEADLINE and request.deadline_days is not None:
        days = ways.days(place)[1]
        return f"takes {_short(days)} days, {_short(days - request.deadline_days)} more than the deadline"
    if reason == OVER_BUDGET and request.budget_usd is not None:
        cost = ways.cost[1, place]
        return f"costs ${cost:,.2f}, ${cost - request.budget_usd:,.2f} more than the budget"
    return item.detail if isinstance(item, Infeasible) else f"lacks {item.lacks_gb:.1f} GB"


def _short(days: float) -> str:
    return f"{days:,.0f}" if days >= 10 else f"{days:.2g}"


def _machine(machine: Machine) -> OptionMachine:
    return OptionMachine(
        gpu=machine.gpu.name,
        gpu_count=machine.gpu_count,
        memory_gb=machine.gpu.memory_gb,
        interconnect=own_interconnect(machine),
    )


def _rig_use(rig: Rig) -> RigUse:
    return RigUse(
        electricity_usd_per_kwh=rig.electricity_usd_per_kwh,
        watts=rig.watts,
        country=rig.country,
        purchase_usd=rig.purchase_usd,
    )


def _bill(ways: Ways, place: int, offer: CloudOffer | None, hours: float) -> tuple[BillLine, ...]:
    """What it costs with so many hours of training, if nothing interrupts."""
    row, rig = ways.offer_row(place), ways.rig(place)
    if row is None or offer is None:
        return ownership_bill(rig, hours) if rig else ()
    own_disk_gb = float(ways.offers.own_disk_gb[row])
    return rent_bill(offer, ways.offers.rules[row], ways.data, own_disk_gb, hours, float(ways.growth[place]))


def _notes(offer: CloudOffer | None, estimate: Estimate, growth: float) -> tuple[str, ...]:
    """What a reader has to know about this way and none of its numbers says."""
    return (*(_offer_notes(offer, growth) if offer else ()), *estimate.notes)


def _offer_notes(offer: CloudOffer, growth: float) -> Iterator[str]:
    count = offer.gpu_count
    if offer.available is False:
        yield "out of stock when last seen"
    if offer.stale:
        yield f"an old price: last seen {offer.observed_at:%Y-%m-%d %H:%M} UTC"
    if growth:
        yield f"may be interrupted: {growth:.0%} more hours are counted for lost work, checkpoints and restarts"
    if offer.term_months:
        yield f"committed for {offer.term_months} months; only the hours of this run are counted"
    if offer.count_is_derived and count > 1:
        yield f"priced per GPU; that {count} are rented out together is taken from the provider's largest size"


def described_workload(workload: Workload) -> Mapping[str, object]:
    """The workload as the answer repeats it; everything in it can be written as JSON."""
    reference = workload.reference
    return {
        "slug": workload.slug,
        "name": workload.name,
        "tokens": workload.tokens,
        "tokens_per_step": workload.tokens_per_step,
        "precision": workload.precision,
        "optimizer": workload.optimizer,
        "model": asdict(workload.model) if workload.model else None,
        "reference": {**_plain(reference), "gpu": reference.gpu.name} if reference else None,
        "plan": asdict(workload.plan),
        "assumed": list(workload.assumed),
        "source": workload.source,
    }


def _plain(reference: Reference) -> dict[str, object]:
    return {field.name: getattr(reference, field.name) for field in fields(reference)}
