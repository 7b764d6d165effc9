"""JarvisLabs: prices per GPU and region, as container or as virtual machine, on demand and on spot.

`num_gpus` is the largest machine (where it is missing, one GPU is sure), `effective_num_free_devices` what is free of a
pool that others share. Rows without `workload_type` are older virtual machines. Several pools may sell the same at the
same price. A spot price may be missing or repeat the other. Machines without GPUs stand in a list of their own. No
field says the currency: dollars, unless the account pays in rupees, which shows as prices ninety times too high.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

import httpx
import msgspec

from providers.base import (
    Answer,
    Bearer,
    Offer,
    PayloadChanged,
    Provider,
    PurchaseOption,
    counts_up_to,
    get_json,
    narrow,
)
from providers.words import country_in


class Pool(msgspec.Struct):
    gpu_type: str
    region: str
    price_per_hour: Decimal | None
    num_free_devices: int | None
    vram: float | None
    spot_price: Decimal | None = None
    effective_num_free_devices: int | None = None
    spot_num_free_devices: int | None = None
    cpus_per_gpu: float | None = None
    ram_per_gpu: float | None = None
    workload_type: str | None = None  # container, vm
    num_gpus: int | None = None
    spot_only_server: bool | None = None

    @property
    def free(self) -> int | None:
        return self.num_free_devices if self.effective_num_free_devices is None else self.effective_num_free_devices


class ServerMeta(msgspec.Struct):
    server_meta: list[Pool]


class JarvisLabs(Provider):
    name = "JarvisLabs"
    pricing_page = "https://jarvislabs.ai/pricing"
    calls = {"server_meta": ServerMeta}
    auth = Bearer("JL_API_KEY")  # the name in the vendor's own client
    interval = timedelta(minutes=30)
    url = "https://backendn.jarvislabs.net/misc/server_meta"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        return [Answer("server_meta", await get_json(client, self.url, headers=self.auth.headers(self.secrets)))]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        pools = [pool for answer in answers for pool in narrow(answer.body, ServerMeta).server_meta]
        if not pools:
            raise PayloadChanged("no GPU is listed - at `$.server_meta`")
        for pool in pools:
            if not pool.spot_only_server:
                yield from offers_at(pool, pool.price_per_hour, pool.free, PurchaseOption.ON_DEMAND)
            if pool.spot_price != pool.price_per_hour:
                yield from offers_at(pool, pool.spot_price, pool.spot_num_free_devices, PurchaseOption.SPOT)


def offers_at(pool: Pool, price: Decimal | None, free: int | None, pricing: PurchaseOption) -> Iterator[Offer]:
    """A price per GPU as machines of 1, 2, 4, 8 GPUs; none where there is no price."""
    if not price:
        return
    for count in counts_up_to(pool.num_gpus or 1):
        yield Offer(
            instance_type=pool.gpu_type,
            gpu=pool.gpu_type,
            gpu_count=count,
            gpu_memory_gb=pool.vram,
            price_per_hour=price * count,
            currency="USD",
            pricing=pricing,
            region=pool.region,
            country=country_in(pool.region),
            tier=pool.workload_type,
            available=None if free is None else free >= count,
            vcpus=pool.cpus_per_gpu and pool.cpus_per_gpu * count,
            host_memory_gb=pool.ram_per_gpu and pool.ram_per_gpu * count,
            count_is_derived=True,
        )
