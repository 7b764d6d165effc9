"""The clouds of the SkyPilot catalogue: whose list it is, how it is recognised, and where it differs from the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from providers.aws.machines import regions as aws_regions
from providers.azure import countries as azure_countries
from providers.words import seller_slug


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """One folder of the catalogue."""

    folder: str
    machines: str  # what every instance type with a GPU looks like; tells whose a bare list is
    provider: str | None = None  # slug, where it is not the folder
    column: str | None = None  # a column that only this list has, where other lists name machines alike
    currency: str = "USD"
    memory: Literal["each", "machine"] = "each"  # whose memory `GpuInfo` gives
    gpu: str | None = None  # where the instance type names the GPU better than its column does
    pcie: tuple[str, ...] = ()  # machines with PCIe cards that only their lack of a form factor tells
    seller: str | None = None  # where the instance type names who owns the machine
    priced: bool = True  # False: what the list has for prices is none of a machine, see the note beside it

    @property
    def slug(self) -> str:
        return self.provider or self.folder


CLOUDS = {
    cloud.folder: cloud
    for cloud in (
        Cloud(folder="aws", machines=r"[a-z]+\d\w*(-\w+)?\.(\d*xlarge|metal.*)"),
        Cloud(folder="azure", machines=r"Standard_.+"),
        Cloud(folder="cudo", machines=r".+_\d+x\d+v\d+gb"),
        Cloud(folder="do", provider="digitalocean", machines=r"gpu-[a-z0-9]+x\d+-\d+gb.*"),
        Cloud(folder="fluidstack", machines=r".+::\d+"),
        # A row is the host without GPUs, or GPUs without a host, and the latter are not to be relied on: one A100 80 GB
        # at $1.85 on demand and $1.96 on spot in us-central1, $4.42 in us-east5 (commit 006059e, read November 2026).
        Cloud(folder="gcp", machines=r"|TPU-VM", priced=False),
        Cloud(folder="hyperbolic", machines=r"\d+x-.+-\d+-\d+", column="StorageGiB"),
        Cloud(folder="hyperstack", machines=r"n\d-.+x\d+(-NVLink)?"),
        Cloud(folder="ibm", machines=r"g\w+-\d+x\d+x\d+\w+"),
        Cloud(folder="jarvislabs", machines=r"\d+x_\w+_\d+V_\d+G"),
        # The machine with one A100 SXM4 40 GB has a name of its own; lambda.ai lists the others as PCIe, but for 8x.
        Cloud(folder="lambda", machines=r"gpu_\d+x_\w+", pcie=("gpu_1x_a100", "gpu_2x_a100", "gpu_4x_a100")),
        Cloud(folder="lium", machines=r"[A-Z][\w-]*_\d+x"),
        # Both columns hold `minimum_price_cents`, the floor of an auction (sky/catalog/data_fetchers/fetch_mithril.py,
        # commit 161a59f, read November 2026): nobody is charged it.
        Cloud(folder="mithril", machines=r"[\w-]+\.\w+\.\d+x", priced=False),
        Cloud(folder="nebius", machines=r"gpu-.+_\d+gpu-\d+vcpu-\d+gb"),
        Cloud(folder="oci", provider="oracle", machines=r"(VM|BM)\..+"),
        Cloud(folder="paperspace", machines=r"(?!ECS)[A-Z][A-Za-z0-9+]*(-[A-Za-z0-9]+)*"),
        Cloud(
            folder="primeintellect",
            machines=r"\w+?__\d+x\w+?__\d+__\d+(__SPOT)?",
            column="UpstreamCloudId",
            memory="machine",
            seller=r"(\w+?)__",
        ),
        Cloud(folder="runpod", machines=r"\d+x_.+_(SECURE|COMMUNITY)"),
        Cloud(folder="seeweb", machines=r"ECS\d+GPU\d*", currency="EUR"),  # Seeweb's own prices, in euros, unconverted
        Cloud(folder="shadeform", machines=r"[a-z]+_[A-Z].*", seller=r"([a-z]+)_"),
        Cloud(folder="spheron", machines=r".+", column="SpheronInstanceType"),
        Cloud(
            folder="vast",
            machines=r"\d+x-\w+-\d+-\d+",
            memory="machine",
            gpu=r"\d+x-(\w+)-\d+-\d+",  # RTX_4070S_Ti, where the column says RTX4070
        ),
        Cloud(folder="verda", machines=r"\d+[A-Z].*\.\d+V", column="UpstreamCloudId"),
        Cloud(folder="yotta", machines=r"\d+x\d+v\d+g_.+"),
    )
}

# Regions are named by country, by a word for it, or by neither. What the first words say is a country only if it stands
# here: "ca", "no" and "it" do, "eu", "me" and "asia" cannot.
COUNTRIES = {
    "au": "AU", "australia": "AU", "br": "BR", "ca": "CA", "canada": "CA", "finland": "FI", "fin": "FI", "france": "FR",
    "fr": "FR", "germany": "DE", "ice": "IS", "iceland": "IS", "il": "IL", "in": "IN", "india": "IN", "it": "IT",
    "japan": "JP", "jp": "JP", "mx": "MX", "netherlands": "NL", "no": "NO", "norway": "NO", "poland": "PL", "se": "SE",
    "sweden": "SE", "uk": "GB", "us": "US", "usa": "US",
}  # fmt: skip
PLACES = {  # as other tools' tables of these clouds name them, two alike for each, read November 2026
    ("lambda", "asia-northeast-1"): "JP",
    ("lambda", "asia-northeast-2"): "JP",
    ("lambda", "asia-south-1"): "IN",
    ("lambda", "europe-central-1"): "DE",
    ("lambda", "me-west-1"): "IL",
    ("nebius", "eu-north1"): "FI",
    ("nebius", "eu-west1"): "FR",
    ("nebius", "me-west1"): "IL",
}


def country_of(cloud: Cloud, region: str) -> str | None:
    """The country that a region's name says, if it says one."""
    if cloud.folder == "aws":
        return aws_regions()[region].country if region in aws_regions() else None
    if cloud.folder == "azure":
        return azure_countries().get(region.casefold())
    if known := PLACES.get((cloud.folder, region)):
        return known
    if cloud.folder in ("runpod", "lium", "primeintellect") and re.fullmatch(r"[A-Z]{2}", region):
        return region
    if cloud.folder == "vast":  # "Taiwan, TW, AS": place, country, continent
        words = region.split(", ")
        return words[-2] if len(words) > 1 else None
    words = re.findall(r"[a-z]+", region.lower())
    return next((COUNTRIES[word] for word in words if word in COUNTRIES), None)


def seller_of(cloud: Cloud, instance_type: str, named: str | None) -> str | None:
    """The slug of who owns the machine, where the cloud resells."""
    found = re.match(cloud.seller, instance_type) if cloud.seller else None
    return seller_slug(found[1] if found else named)
