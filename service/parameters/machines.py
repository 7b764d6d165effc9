"""Machines and rigs: by name (2x RTX 4090) or described."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import get_args

from service.catalogue import UnknownCountry, UnknownGpu
from service.estimation.hardware import Gpu, Interconnect, Machine
from service.parameters.reader import Reader, shown
from service.parameters.vocabulary import DEFAULT_COUNTRY, DEFAULT_RIG, Vocabulary
from service.ranking.request import Rig

HOST_WATTS = 90.0  # a desktop without its GPU while training draws 80 to 150 W; an estimate, no measurement found
LIFETIME_MONTHS = 36.0
MOST_GPUS = 1024
TIMES = r"\s*[x×*](?!tx?\b)\s*"  # not the one of 7900 XTX
# The catalogue reads past a count, so that it would be lost; x16 after PCIe are lanes.
COUNTED = re.compile(rf"[-+]?\d[\d.,]*{TIMES}.+|.*(?<!pcie)\s[x×*]\s*\d+", re.IGNORECASE)


def gpu_of(reader: Reader, name: str, spelling: str, vocabulary: Vocabulary) -> Gpu | None:
    if COUNTED.fullmatch(spelling):
        how = "2x RTX 4090" if name == "rig" else "RTX 4090, and its count apart"
        reader.wrong(name, f"must be written as {how}, not {shown(spelling)}")
        return None
    try:
        return vocabulary.catalogue.gpu(spelling)
    except UnknownGpu as unknown:
        reader.wrong(name, str(unknown))
        return None


def _named_machine(reader: Reader, text: str, vocabulary: Vocabulary) -> Machine | None:
    """`RTX 4070` or `2x RTX 4090`."""
    counted = re.fullmatch(rf"(\d{{1,5}}){TIMES}(.+)", text, flags=re.IGNORECASE)
    count, spelling = (int(counted[1]), counted[2]) if counted else (1, text)
    gpu = gpu_of(reader, "rig", spelling, vocabulary)
    if not 1 <= count <= MOST_GPUS:
        reader.wrong("rig", f"must have 1 to {MOST_GPUS} GPUs, not {count}")
        return None
    return None if gpu is None else Machine(gpu=gpu, gpu_count=count)


def described_machine(reader: Reader, vocabulary: Vocabulary) -> Machine | None:
    reader.missing("gpu", "must name a GPU, such as RTX 4070")
    spelling = reader.text("gpu")
    gpu = gpu_of(reader, "gpu", spelling, vocabulary) if spelling else None
    count = reader.whole("gpu_count", most=MOST_GPUS) or 1
    per_node = reader.whole("gpus_per_node", most=MOST_GPUS) or (8 if count > 8 else count)
    interconnect: Interconnect | None = reader.choice("interconnect", get_args(Interconnect))
    network = reader.number("network_gbit_s", least=0.001, most=1e5)
    host_memory = reader.number("host_memory_gb", least=0.1, most=1e6)
    measured = reader.number("measured_tokens_per_s", least=0.01, most=1e12)
    if gpu is None:
        return None
    return Machine(
        gpu=gpu,
        gpu_count=count,
        gpus_per_node=per_node,
        interconnect=interconnect,
        network_gbit_s=network,
        host_memory_gb=host_memory,
        measured_tokens_per_s=measured,
    )


@dataclass(frozen=True, slots=True)
class _Power:
    """What electricity costs and emits where the rig stands."""

    country: str | None
    usd_per_kwh: float
    source: str
    carbon_g_per_kwh: float | None


def _power(reader: Reader, vocabulary: Vocabulary, default: _Power | None = None) -> _Power:
    price = reader.number("electricity_usd_per_kwh", most=10)
    code = reader.text("country")
    power = default or _country_power(reader, DEFAULT_COUNTRY, vocabulary)
    if code is not None:
        power = _country_power(reader, code, vocabulary)
    assert power is not None or reader.errors
    power = power or _Power(None, 0.0, "unknown", None)
    return power if price is None else replace(power, usd_per_kwh=price, source="your own price")


def _country_power(reader: Reader, code: str, vocabulary: Vocabulary) -> _Power | None:
    if not re.fullmatch(r"[A-Za-z]{2}(-[A-Za-z]{2})?", code):
        reader.wrong("country", f"must be two letters, such as ES, not {shown(code)}")
        return None
    try:
        electricity = vocabulary.catalogue.country(code.upper())
    except UnknownCountry as unknown:
        reader.wrong("country", str(unknown))
        return None
    return _Power(
        code.upper(),
        electricity.usd_per_kwh,
        f"{electricity.source}, {electricity.year}",
        electricity.carbon_g_per_kwh,
    )


def rigs_of(reader: Reader, vocabulary: Vocabulary) -> tuple[Rig, ...]:
    power = _power(reader, vocabulary)
    described = reader.objects("rigs", most=20)
    named = reader.texts("rig")
    if described is None and not named:
        named = [DEFAULT_RIG]
    memory = reader.number("host_memory_gb", least=0.1, most=1e6)
    measured = reader.number("measured_tokens_per_s", least=0.01, most=1e12)
    machines = [
        replace(machine, host_memory_gb=memory)
        for text in named
        if text.lower() != "none" and (machine := _named_machine(reader, text, vocabulary))
    ]
    if machines and measured:
        machines[0] = replace(machines[0], measured_tokens_per_s=measured)
    use = _use(reader)
    rigs = [_used(_default_rig(machine, power), use) for machine in machines]
    return (*rigs, *(rig for nested in described or [] if (rig := _described_rig(nested, vocabulary, power))))


@dataclass(frozen=True, slots=True)
class _Use:
    """What is said of a rig beside its machine. None: not said."""

    gpu_watts: float | None
    host_watts: float | None
    purchase_usd: float
    resale_usd: float
    lifetime_months: float


def _use(reader: Reader) -> _Use:
    use = _Use(
        gpu_watts=reader.number("gpu_watts", above=0, most=5000),
        host_watts=reader.number("host_watts", most=20_000),
        purchase_usd=reader.number("purchase_usd", most=1e7) or 0.0,
        resale_usd=reader.number("resale_usd", most=1e7) or 0.0,
        lifetime_months=reader.number("lifetime_months", least=0.1, most=600) or LIFETIME_MONTHS,
    )
    if use.resale_usd > use.purchase_usd:
        reader.wrong("resale_usd", f"must not be over purchase_usd ({use.purchase_usd:g})")
    return use


def _used(rig: Rig, use: _Use) -> Rig:
    return replace(
        rig,
        gpu_watts=rig.gpu_watts if use.gpu_watts is None else use.gpu_watts,
        host_watts=rig.host_watts if use.host_watts is None else use.host_watts,
        purchase_usd=use.purchase_usd,
        resale_usd=use.resale_usd,
        lifetime_months=use.lifetime_months,
    )


def _default_rig(machine: Machine, power: _Power) -> Rig:
    return Rig(
        name=None,
        machine=machine,
        country=power.country,
        electricity_usd_per_kwh=power.usd_per_kwh,
        electricity_source=power.source,
        carbon_g_per_kwh=power.carbon_g_per_kwh,
        gpu_watts=machine.gpu.board_power_w,
        host_watts=HOST_WATTS,
    )


def _described_rig(reader: Reader, vocabulary: Vocabulary, default: _Power) -> Rig | None:
    machine = described_machine(reader, vocabulary)
    power = _power(reader, vocabulary, default)
    name, use = reader.text("name"), _use(reader)
    if machine is None:
        return None
    return replace(_used(_default_rig(machine, power), use), name=name)
