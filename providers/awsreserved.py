"""Amazon EC2's reserved prices: one year or three, with all, some or nothing paid at once, from the bulk price lists.

Every region has a list of a hundred to four hundred megabytes, the only one with these prices. Each is narrowed as it
comes, two at a time, so that all of them fit into memory; the index says which regions there are. That is several
gigabytes for prices that change a few times a year, so it is done once a week and never while somebody waits. What is
sold on demand stands in these lists too; `aws` reads it from shorter ones every hour, and here it is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import httpx
import msgspec

from providers.aws import bulk
from providers.aws.narrowing import narrowed
from providers.base import Answer, Offer, PayloadChanged, Provider, PurchaseOption, each, get_json, narrow, stream

LISTS = "https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AmazonEC2/current"
MOST_BYTES = 2 * 1024**3  # of one list; the longest of 2026 has about 400 MB
REGION = re.compile(r"(?!us-gov-|cn-)[a-z]{2}-[a-z]+-\d")  # not us-west-2-lax-1, a local zone


class Regions(msgspec.Struct):
    regions: dict[str, object]


class AwsReserved(Provider):
    name = "AWS reserved instances"
    pricing_page = "https://aws.amazon.com/ec2/pricing/reserved-instances/pricing/"
    calls = {"bulk": bulk.PriceList, "regions": Regions}
    interval = timedelta(days=7)
    patience = timedelta(hours=6)
    is_quick = False

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        index = await get_json(client, f"{LISTS}/region_index.json")

        async def list_of(region: str) -> Answer:
            parts = stream(client, f"{LISTS}/{region}/index.json", most_bytes=MOST_BYTES)
            return Answer("bulk", await narrowed(parts), {"region": region})

        listed: Regions = narrow(index, Regions)
        regions = sorted(region for region in listed.regions if REGION.fullmatch(region))
        if not regions:
            raise PayloadChanged("the index names no region - at `$.regions`")
        return [Answer("regions", index), *await each(regions, list_of, at_once=2)]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        if all(answer.call == "regions" for answer in answers):
            raise PayloadChanged("regions alone hold no prices: the lists of the regions are missing")
        for answer in answers:
            listed = narrow(answer.body, self.calls[answer.call])
            if isinstance(listed, bulk.PriceList):
                for offer in bulk.offers(listed):
                    if offer.pricing is PurchaseOption.RESERVED:
                        yield replace(offer, provider="aws")
