"""Oracle Cloud: one price per GPU and hour, the same in every region, processor and memory included.

The list names products, not machines: which shapes a product buys, and with how many GPUs, stands in `SHAPES`. Beside
the GPUs stand lookalikes in the same unit that buy none: NVIDIA's licences, VMware nodes, machines at the customer's
site. A GPU product that `SHAPES` does not know is reported per GPU, so that a new one is noticed.

The cost estimator has a list of shapes beside it, with their processors and memory; prices are read without it, too.
Preemptible machines cost half (https://docs.oracle.com/iaas/Content/Compute/Concepts/preemptible.htm, "50% less"), but
only shapes that this list marks so are sold that way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

import httpx
import msgspec

from providers.base import (
    Answer,
    Offer,
    PayloadChanged,
    Provider,
    PurchaseOption,
    bodies_of,
    decode_json,
    get,
    get_json,
)

PRODUCTS = "https://apexapps.oracle.com/pls/apex/cetools/api/v1/products/"
SHAPE_LIST = "https://www.oracle.com/a/ocom/docs/cloudestimator2/data/shapes.json"

# Part number -> shapes, GPU, memory of one GPU in GB; the number after the last point of a shape is its GPUs.
# https://docs.oracle.com/iaas/Content/Compute/References/computeshapes.htm, as of 2026-11; matched by their names.
# Not in that list: H100T, which Oracle's own diagnostics treat as eight H100, and B4, the E4 machine with A100 40 GB.
SHAPES: dict[str, tuple[tuple[str, ...], str, int]] = {
    "B88517": (("BM.GPU2.2",), "P100", 16),
    "B88518": (("VM.GPU2.1",), "P100", 16),
    "B89734": (("VM.GPU3.1", "VM.GPU3.2", "VM.GPU3.4", "BM.GPU3.8"), "V100 SXM2 16GB", 16),
    "B92740": (("BM.GPU4.8",), "A100 SXM 40GB", 40),
    "B93544": (("BM.GPU.B4.8",), "A100 SXM 40GB", 40),
    "B95907": (("BM.GPU.A100-v2.8",), "A100 SXM 80GB", 80),
    "B95909": (("VM.GPU.A10.1", "VM.GPU.A10.2", "BM.GPU.A10.4"), "A10", 24),
    "B98415": (("BM.GPU.H100.8",), "H100 SXM", 80),
    "B109479": (("BM.GPU.L40S.4",), "L40S", 48),
    "B109480": (("BM.GPU.H100T.8",), "H100 SXM", 80),
    "B109485": (("BM.GPU.MI300X.8",), "MI300X", 192),
    "B110519": (("BM.GPU.H200.8",), "H200 SXM", 141),
    "B110978": (("BM.GPU.B200.8",), "B200", 180),
    "B110979": (("BM.GPU.GB200.4",), "GB200", 186),
    "B111758": (("BM.GPU.MI355X.8",), "MI355X", 288),
    "B112140": (("BM.GPU.GB300.4",), "GB300", 288),
    "B112237": (("BM.GPU.B300.8",), "B300", 288),
    "B112613": (("BM.GPU.RTXPRO.8",), "RTX PRO 6000 Blackwell Server", 96),
}
# Shape -> its processors as threads, GB of memory: newer than the estimator's list, or wrong in it. An OCPU is two
# threads, but one on NVIDIA's Grace. https://docs.oracle.com/iaas/Content/Compute/References/computeshapes.htm, 2026.
INCLUDED: dict[str, tuple[float, float]] = {
    "BM.GPU.GB200.4": (144, 960),
    "BM.GPU.GB300.4": (144, 960),
    "BM.GPU.B300.8": (256, 4096),
    "BM.GPU.RTXPRO.8": (288, 3072),
}
LOOKALIKES = ("NVIDIA AI Enterprise", "VMware", "Cloud@Customer", "Roving Edge")


class Price(msgspec.Struct):
    model: str
    value: Decimal


class Localization(msgspec.Struct, rename="camel"):
    currency_code: str
    prices: list[Price]


class Product(msgspec.Struct, rename="camel"):
    part_number: str
    display_name: str
    metric_name: str
    service_category: str
    currency_code_localizations: list[Localization]


class Products(msgspec.Struct):
    items: list[Product]


class Part(msgspec.Struct):
    value: str


class ShapeProduct(msgspec.Struct):
    type: Part  # ocpu, memory, disk
    qty: float | None = None


class Shape(msgspec.Struct, rename="camel"):
    name: str
    status: str
    allow_preemptible: bool
    bundle_memory_qty: float | None = None  # GB
    products: list[ShapeProduct] = msgspec.field(default_factory=list)

    @property
    def instance_type(self) -> str:
        """The estimator adds a remark to some names: "BM.GPU.GB200.4 (NVL72)"."""
        return self.name.split(" (")[0]

    @property
    def vcpus(self) -> float | None:
        return next(
            (2 * product.qty for product in self.products if product.type.value == "ocpu" and product.qty), None
        )


class Shapes(msgspec.Struct):
    items: list[Shape]


class Oracle(Provider):
    name = "Oracle Cloud"
    pricing_page = "https://www.oracle.com/cloud/compute/pricing/"
    calls = {"products": Products, "shapes": Shapes}

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        products = Answer("products", await get_json(client, PRODUCTS, params={"currencyCode": "USD"}))
        shapes = await get(client, SHAPE_LIST, accept=(403, 404))
        if shapes.status_code in (403, 404):
            return [products]
        return [products, Answer("shapes", decode_json(shapes.content))]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        if all(answer.call != "products" for answer in answers):
            raise PayloadChanged("shapes alone hold no prices: the answer of api/v1/products is missing")
        shapes = [shape for page in bodies_of(answers, "shapes", Shapes) for shape in page.items]
        listed = {shape.instance_type: shape for shape in shapes if shape.status == "ACTIVE"}
        for page in bodies_of(answers, "products", Products):
            for product in page.items:
                if is_gpu(product):
                    for offer in offers_of(product):
                        yield from as_sold(offer, listed.get(offer.instance_type))


def as_sold(offer: Offer, shape: Shape | None) -> Iterator[Offer]:
    """The offer with what comes with it, and where the shape is sold preemptible that as well."""
    vcpus, memory_gb = INCLUDED.get(offer.instance_type, (None, None))
    if shape is not None:
        vcpus, memory_gb = vcpus or shape.vcpus, memory_gb or shape.bundle_memory_qty or None
    whole = replace(offer, vcpus=vcpus, host_memory_gb=memory_gb)
    yield whole
    if shape is not None and shape.allow_preemptible:
        yield replace(whole, pricing=PurchaseOption.SPOT, price_per_hour=whole.price_per_hour / 2)


def is_gpu(product: Product) -> bool:
    return (
        product.metric_name == "GPU Per Hour"
        and product.service_category.startswith("Compute - GPU")
        and not any(words in product.display_name for words in LOOKALIKES)
    )


def offers_of(product: Product) -> Iterator[Offer]:
    """The machines that a product buys, at each currency's price."""
    for localization in product.currency_code_localizations:
        for price in localization.prices:
            if price.model == "PAY_AS_YOU_GO" and price.value > 0:
                yield from machines(product, price.value, localization.currency_code)


def machines(product: Product, per_gpu: Decimal, currency: str) -> Iterator[Offer]:
    shapes, gpu, memory_gb = SHAPES.get(product.part_number, ((), "", 0))
    for shape in shapes:
        count = int(shape.rpartition(".")[2])
        yield Offer(
            instance_type=shape,
            gpu=gpu,
            gpu_count=count,
            gpu_memory_gb=memory_gb,
            price_per_hour=per_gpu * count,
            currency=currency,
        )
    if not shapes:
        yield Offer(
            instance_type=product.part_number,
            gpu=product.display_name.rpartition("GPU - ")[2],
            gpu_count=1,
            price_per_hour=per_gpu,
            currency=currency,
            count_is_derived=True,
        )
