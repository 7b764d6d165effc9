"""inference.sh: an aggregator in the shape of Shadeform, which it asks: machines of other clouds, in US cents per hour.

The list is open, has nothing around it, and gives only what some region has. It is an hour old at most.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

import httpx

from providers.base import Answer, Offer, Provider, get_json, narrow
from providers.shadeform import InstanceType, offer


class InferenceSh(Provider):
    name = "inference.sh"
    pricing_page = "https://inference.sh"
    calls = {"instance_types": list[InstanceType]}
    interval = timedelta(hours=1)
    marketplace = True  # what no region has leaves the list
    url = "https://api.inference.sh/instances/types"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        asked = {"available": "true"}
        body = await get_json(client, self.url, params=asked, headers={"X-API-Version": "2"})
        return [Answer("instance_types", body)]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for answer in answers:
            machines: list[InstanceType] = narrow(answer.body, list[InstanceType])
            for machine in machines:
                if machine.configuration.num_gpus > 0 and machine.hourly_price:
                    yield from (offer(machine, place) for place in tuple(machine.availability) or (None,))
