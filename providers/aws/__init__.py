"""Amazon EC2: on demand from the lists behind its price page, spot from the list behind its spot page.

Both are files on a CDN that anyone may read. The list of regions comes first; a region without a file of its own (the
CDN answers 403) sells nothing yet, any other failure fails the run, so that no region is lost in silence. No list says
which GPUs a type has: that stands in `instance_types.csv`. A type of a GPU family that is missing there is reported
under its own name, for the check to notice; slices of a GPU are left out. A spot price of "N/A*" or zero is none; what
comes with a machine stands in the other lists only.

These lists are 40 MB for all regions and answer within seconds. The bulk price lists have hundreds of megabytes per
region and are read for what they alone have, reserved prices, by a source of its own with its own pace (`awsreserved`).
A saved one is read here whole, on demand and reserved, and narrowed as it is read (`narrowing`); the spot list may also
be saved as a script, `callback({…});`.

Reading order: this, bulk (what such a list says), narrowing (how it fits into memory), machines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import chain
from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from providers.aws import bulk
from providers.aws.machines import NOT_SAID, Included, included, machine, offers_of, region
from providers.aws.narrowing import Narrower, is_price_list
from providers.base import (
    Answer,
    Offer,
    PayloadChanged,
    Provider,
    ProviderUnavailable,
    PurchaseOption,
    decode_json,
    each,
    get,
    get_json,
    narrow,
)

CDN = "https://b0.p.awsstatic.com"
LOCATIONS = f"{CDN}/locations/1.0/aws/current/locations.json"
LISTS = f"{CDN}/pricing/2.0/meteredUnitMaps/ec2/USD/current/ec2-ondemand-without-sec-sel"
SPOT = "https://website.spot.ec2.aws.a2z.com/spot.json"
SCRIPT = re.compile(r"\s*callback\((.*)\);?\s*", re.DOTALL)
NO_SUCH_FILE = (403, 404)


class Location(msgspec.Struct):
    name: str  # also the name of its price list
    code: str
    type: str  # AWS Region, AWS Local Zone, AWS Wavelength Zone


class Listing(msgspec.Struct):
    price: Decimal
    instance_type: str = msgspec.field(name="Instance Type")
    operating_system: str = msgspec.field(name="Operating System")
    installed: str = msgspec.field(name="Pre Installed S/W", default="NA")
    license: str = msgspec.field(name="License Model", default="No License required")
    vcpus: str | None = msgspec.field(name="vCPU", default=None)
    memory: str | None = msgspec.field(name="Memory", default=None)
    storage: str | None = msgspec.field(name="Storage", default=None)
    network: str | None = msgspec.field(name="Network Performance", default=None)

    @property
    def has(self) -> Included:
        return included(self.vcpus, self.memory, self.storage, self.network)


class OnDemand(msgspec.Struct):
    regions: dict[str, dict[str, Listing]]  # by display name; the inner key is a description, not the type


class SpotPrice(msgspec.Struct):
    name: str  # linux, mswin
    prices: dict[str, str]  # by currency; "N/A*" where there is none


class SpotSize(msgspec.Struct, rename="camel"):
    size: str
    value_columns: list[SpotPrice]


class SpotKind(msgspec.Struct, rename="camel"):
    sizes: list[SpotSize]


class SpotRegion(msgspec.Struct, rename="camel"):
    region: str
    instance_types: list[SpotKind]


class SpotConfig(msgspec.Struct):
    regions: list[SpotRegion]


class Spot(msgspec.Struct):
    config: SpotConfig


class Aws(Provider):
    name = "AWS"
    pricing_page = "https://aws.amazon.com/ec2/pricing/on-demand/"
    calls = {"on_demand": OnDemand, "spot": Spot, "bulk": bulk.PriceList, "locations": dict[str, Location]}
    interval = timedelta(hours=1)  # the spot list is made anew every few minutes, but averages a region

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        locations = await get_json(client, LOCATIONS)

        async def list_of(name: str) -> Answer | None:
            response = await get(client, f"{LISTS}/{quote(name)}/Linux/index.json", accept=NO_SUCH_FILE)
            if response.status_code in NO_SUCH_FILE:
                return None
            return Answer("on_demand", decode_json(response.content), {"region": name})

        lists = [answer for answer in await each(commercial_regions(locations), list_of) if answer is not None]
        if not lists:
            raise ProviderUnavailable(f"{httpx.URL(CDN).host} has no price list for any region")
        return [Answer("locations", locations), *lists, Answer("spot", await get_json(client, SPOT))]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        if all(answer.call == "locations" for answer in answers):
            raise PayloadChanged("locations alone hold no prices")
        codes = {place.name: place.code for answer in answers for place in locations_in(answer)}
        comes_with: dict[str, Included] = {}
        for answer in answers:
            if answer.call == "on_demand":
                listed: OnDemand = narrow(answer.body, OnDemand)
                comes_with |= machines_in(listed)
                yield from on_demand(listed, codes)
            elif answer.call == "bulk":
                yield from bulk.offers(narrow(answer.body, bulk.PriceList))
        for answer in answers:
            if answer.call == "spot":
                yield from spot(narrow(answer.body, Spot), comes_with)

    def read_saved(self, parts: Iterable[bytes]) -> Any:
        parts = iter(parts)
        head = next(parts, b"")
        if not is_price_list(head):
            return super().read_saved(chain([head], parts))
        narrower = Narrower()
        for part in chain([head], parts):
            narrower.feed(part)
        return narrower.close()

    def saved_answers(self, body: Any) -> list[Answer]:
        script = SCRIPT.fullmatch(body) if isinstance(body, str) else None
        return super().saved_answers(decode_json(script[1].encode()) if script else body)


def commercial_regions(locations: object) -> list[str]:
    """The names of the regions that anyone can rent in and that bill in dollars."""
    places = narrow(locations, dict[str, Location]).values()
    return sorted(p.name for p in places if p.type == "AWS Region" and not p.code.startswith(("us-gov-", "cn-")))


def locations_in(answer: Answer) -> list[Location]:
    return list(narrow(answer.body, dict[str, Location]).values()) if answer.call == "locations" else []


def machines_in(prices: OnDemand) -> dict[str, Included]:
    """What comes with each GPU machine of a list."""
    listings = [listing for region_ in prices.regions.values() for listing in region_.values()]
    return {listing.instance_type: listing.has for listing in listings if machine(listing.instance_type)}


def on_demand(prices: OnDemand, codes: dict[str, str]) -> Iterator[Offer]:
    for name, listings in prices.regions.items():
        where = region(codes.get(name, name))
        for listing in listings.values():
            plain = (listing.operating_system, listing.installed, listing.license)
            if plain == ("Linux", "NA", "No License required"):
                yield from offers_of(
                    listing.instance_type, listing.price, where, PurchaseOption.ON_DEMAND, has=listing.has
                )


def spot(prices: Spot, comes_with: dict[str, Included]) -> Iterator[Offer]:
    for listed in prices.config.regions:
        for size in (size for kind in listed.instance_types for size in kind.sizes if machine(size.size)):
            for column in size.value_columns:
                written = column.prices.get("USD", "N/A")
                if column.name == "linux" and not written.startswith("N/A"):
                    price = narrow(written, Decimal)
                    has = comes_with.get(size.size, NOT_SAID)
                    yield from offers_of(size.size, price, region(listed.region), PurchaseOption.SPOT, has=has)
