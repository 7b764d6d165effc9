"""Cudo Compute: virtual machines priced by their parts (GPU, vCPU, GiB of memory), bare metal by the machine.

A virtual machine is put together by whoever rents it, between the ratios that its type allows. Here it has 8 vCPUs and
32 GiB per GPU, or what comes nearest within them; its price is the sum of the three parts. A disk and a public address
are extra (0.011 and 0.004 USD an hour for 100 GiB, 2026) and not in it. `maxGpuFree` is how many GPUs one machine can
have now. Parts that are committed for a term stand in `prices`, with the same names. Prices are text.

New customers are let in on request since 2026-03; the list has stayed open.

Bare metal names its GPU by an id only ("nvidia-h100"); the memory of each id is told by a call of its own. Three
answers are read, all without a key; two of them have the same outer name. A place begins with its country: no-luster-1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from math import ceil, floor, inf
from typing import Any

import httpx
import msgspec

from providers.base import (
    CALM,
    Answer,
    Bearer,
    Offer,
    PayloadChanged,
    Provider,
    PurchaseOption,
    bodies_of,
    counts_up_to,
    get_json,
    narrow,
)
from providers.words import country_before

API = "https://rest.compute.cudo.org/v1"
MOST_TYPES = "200"  # of bare metal; the two dozen that there are come in one page
VCPUS_PER_GPU = 8
GIB_PER_GPU = 32


class Money(msgspec.Struct):
    value: Decimal  # USD per hour


class Parts(msgspec.Struct, rename="camel"):
    """Prices of one unit of each part."""

    gpu_price_hr: Money
    vcpu_price_hr: Money
    memory_gib_price_hr: Money


class TermParts(Parts, rename="camel"):
    commitment_term: str


class VmType(Parts, rename="camel"):
    data_center_id: str
    machine_type: str
    gpu_model: str  # "" where it has none
    max_gpu_free: int
    gpu_model_id: str = ""
    min_vcpu_per_gpu: float = 0
    max_vcpu_per_gpu: float = inf  # "Infinity", too
    min_vcpu_per_memory_gib: float = 0
    max_vcpu_per_memory_gib: float = inf
    prices: list[TermParts] = []


class VmTypes(msgspec.Struct, rename="camel"):
    machine_types: list[VmType]


class TermPrice(msgspec.Struct, rename="camel"):
    commitment_term: str
    price_hr: Money  # of the machine


class MachineType(msgspec.Struct, rename="camel"):
    id: str
    gpus: int
    gpu_model_id: str
    prices: list[TermPrice]
    machines_free: int
    data_center_id: str | None = None
    cpu_cores: float | None = None
    memory_gib: float | None = None


class MachineTypes(msgspec.Struct, rename="camel"):
    machine_types: list[MachineType]


class GpuModel(msgspec.Struct, rename="camel"):
    id: str
    memory_gib: float


class GpuModels(msgspec.Struct, rename="camel"):
    gpu_models: list[GpuModel]


class Entries(msgspec.Struct, rename="camel"):
    machine_types: list[object] = []
    total_count: int | None = None


class Cudo(Provider):
    name = "Cudo Compute"
    pricing_page = "https://www.cudocompute.com/pricing"
    calls = {"vm_types": VmTypes, "machine_types": MachineTypes, "gpu_models": GpuModels}
    auth = Bearer("CUDO_API_KEY")
    auth_is_optional = True
    interval = timedelta(hours=1)
    marketplace = True  # sizes come and go with what is free

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        headers = self.auth.headers(self.secrets)
        return [
            Answer("vm_types", await whole(client, f"{API}/vms/machine-types", headers)),
            Answer("machine_types", await whole(client, f"{API}/machines-types", headers, pageSize=MOST_TYPES)),
            Answer("gpu_models", await get_json(client, f"{API}/vms/gpu-models", headers=headers)),
        ]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        if all(answer.call == "gpu_models" for answer in answers):
            raise PayloadChanged("GPU models alone hold no prices: the answers of machine-types are missing")
        models = [model for listed in bodies_of(answers, "gpu_models", GpuModels) for model in listed.gpu_models]
        memory_gb = {model.id: model.memory_gib for model in models}
        for vms in bodies_of(answers, "vm_types", VmTypes):
            for vm in vms.machine_types:
                yield from vm_offers(vm, memory_gb.get(vm.gpu_model_id))
        for machines in bodies_of(answers, "machine_types", MachineTypes):
            for machine in machines.machine_types:
                yield from machine_offers(machine, memory_gb.get(machine.gpu_model_id))

    def saved_answers(self, body: Any) -> list[Answer]:
        """As everywhere, and all three lists side by side in one object, where they cannot have the same name."""
        if not isinstance(body, dict) or "bareMetal" not in body:
            return super().saved_answers(body)
        lists = {"machineTypes": "vm_types", "bareMetal": "machine_types", "gpuModels": "gpu_models"}
        outer = {"bareMetal": "machineTypes"}
        answers = [Answer(call, {outer.get(name, name): body[name]}) for name, call in lists.items() if name in body]
        for answer in answers:
            narrow(answer.body, self.calls[answer.call])
        return answers


async def whole(client: httpx.AsyncClient, url: str, headers: Mapping[str, str], **params: str) -> Any:
    """One list, in one answer. Raises PayloadChanged when it is cut: how its pages are counted is nowhere said."""
    body = await get_json(client, url, params=params, headers=headers)
    part: Entries = narrow(body, Entries)
    if (part.total_count or 0) > len(part.machine_types):
        raise PayloadChanged(f"cut at {len(part.machine_types)} of {part.total_count} - at `$.machineTypes`")
    return body


def months_in(term: str) -> int:
    """0 for COMMITMENT_TERM_NONE, 3 for COMMITMENT_TERM_3_MONTHS."""
    found = re.fullmatch(r"COMMITMENT_TERM_(?:NONE|(\d{1,3})_MONTHS?)", term)
    if found is None:
        raise PayloadChanged(f"a term of {term!r} - at `$.machineTypes[...].prices[...].commitmentTerm`")
    return int(found[1] or 0)


def on_terms(offer: Offer, term: str) -> Offer:
    months = months_in(term)
    return replace(offer, pricing=PurchaseOption.RESERVED, term_months=months) if months else offer


# Virtual machines ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Size:
    """What stands beside one GPU."""

    vcpus: int
    memory_gib: int

    def price(self, parts: Parts) -> Decimal:
        price = CALM.fma(parts.vcpu_price_hr.value, self.vcpus, parts.gpu_price_hr.value)
        return CALM.fma(parts.memory_gib_price_hr.value, self.memory_gib, price)


def size_of(vm: VmType) -> Size:
    """The usual size, or the nearest to it within the ratios of this type."""
    try:
        vcpus = max(ceil(vm.min_vcpu_per_gpu), floor(min(VCPUS_PER_GPU, vm.max_vcpu_per_gpu)))
        most = vcpus / vm.min_vcpu_per_memory_gib if vm.min_vcpu_per_memory_gib else inf
        return Size(vcpus, max(ceil(vcpus / vm.max_vcpu_per_memory_gib), floor(min(GIB_PER_GPU, most))))
    except (ArithmeticError, ValueError) as error:
        raise PayloadChanged(f"the ratios of {vm.machine_type!r} allow no machine: {error}") from error


def vm_offers(vm: VmType, memory_gb: float | None) -> Iterator[Offer]:
    if not vm.gpu_model or not vm.gpu_price_hr.value:
        return
    size = size_of(vm)
    for count in counts_up_to(max(vm.max_gpu_free, 1)):
        on_demand = Offer(
            instance_type=vm.machine_type,
            gpu=re.sub(r" *\(.*\)$", "", vm.gpu_model),  # "A40 (compute mode)"
            gpu_count=count,
            gpu_memory_gb=memory_gb,
            price_per_hour=CALM.multiply(size.price(vm), count),
            currency="USD",
            region=vm.data_center_id,
            country=country_before(vm.data_center_id),
            available=vm.max_gpu_free > 0,
            vcpus=size.vcpus * count,
            host_memory_gb=size.memory_gib * count,
            count_is_derived=True,
        )
        yield on_demand
        for parts in vm.prices:
            if months_in(parts.commitment_term):
                yield replace(
                    on_terms(on_demand, parts.commitment_term), price_per_hour=CALM.multiply(size.price(parts), count)
                )


# Bare metal ----------------------------------------------------------------------------------------------------------


def machine_offers(machine: MachineType, memory_gb: float | None) -> Iterator[Offer]:
    for price in machine.prices if machine.gpus else ():
        if price.price_hr.value:
            on_demand = Offer(
                instance_type=machine.id,
                gpu=machine.gpu_model_id,
                gpu_count=machine.gpus,
                gpu_memory_gb=memory_gb,
                price_per_hour=price.price_hr.value,
                currency="USD",
                region=machine.data_center_id,
                country=country_before(machine.data_center_id),
                tier="bare metal",
                available=machine.machines_free > 0,
                vcpus=machine.cpu_cores,
                host_memory_gb=machine.memory_gib,
            )
            yield on_terms(on_demand, price.commitment_term)
