"""Amazon's bulk price list: on demand and reserved, one entry per product, its prices by SKU further below.

Most products are none of ours. Beside the Linux machine on shared hardware stand its twins with Windows, with a
licence of one's own, with SQL Server installed, on dedicated hardware, and those of a capacity block at $0. A reserved
price has a part paid at once ("Quantity") and a part per hour; ours is both, spread over the 8,760 hours of each year.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from providers.aws.machines import Included, included, machine, offers_of, region
from providers.base import Offer, PayloadChanged, PurchaseOption, narrow

HOURS_PER_YEAR = 8760
YEARS = {"1yr": 1, "3yr": 3}
PARTS = {  # of the price, by how it is paid; some all paid upfront have a part per hour too, of 0
    "No Upfront": {"Hrs"},
    "Partial Upfront": {"Hrs", "Quantity"},
    "All Upfront": {"Quantity"},
}


class Product(msgspec.Struct):
    attributes: dict[str, str]
    productFamily: str = ""  # noqa: N815 - a few products belong to none


class Compute(msgspec.Struct, rename="camel"):
    instance_type: str
    location: str
    operating_system: str
    tenancy: str
    pre_installed_sw: str
    license_model: str = "No License required"
    capacitystatus: str = "Used"
    marketoption: str = "OnDemand"  # older lists lack it
    vcpu: str | None = None
    memory: str | None = None
    storage: str | None = None
    network_performance: str | None = None

    @property
    def has(self) -> Included:
        return included(self.vcpu, self.memory, self.storage, self.network_performance)


class Dimension(msgspec.Struct, rename="camel"):
    unit: str
    price_per_unit: dict[str, Decimal]  # by currency


class TermAttributes(msgspec.Struct, rename="pascal", omit_defaults=True):
    lease_contract_length: str | None = None
    offering_class: str | None = None
    purchase_option: str | None = None


class Term(msgspec.Struct, rename="camel"):
    price_dimensions: dict[str, Dimension]
    term_attributes: TermAttributes


class Terms(msgspec.Struct):
    on_demand: dict[str, dict[str, Term]] = msgspec.field(name="OnDemand")
    reserved: dict[str, dict[str, Term]] = msgspec.field(name="Reserved", default_factory=dict)


class PriceList(msgspec.Struct):
    products: dict[str, Product]
    terms: Terms


def offers(prices: PriceList) -> Iterator[Offer]:
    if not any(is_compute(product) for product in prices.products.values()):
        raise PayloadChanged("no Compute Instance - at `$.products[...].productFamily`")
    for sku, product in prices.products.items():
        compute = sold_as_plain_linux(sku, product)
        if compute is not None:
            for term in prices.terms.on_demand.get(sku, {}).values():
                yield from on_demand(compute, term)
            for term in prices.terms.reserved.get(sku, {}).values():
                yield from reserved(compute, term)


def is_compute(product: Product) -> bool:
    return product.productFamily.startswith("Compute Instance")  # or "Compute Instance (bare metal)"


def sold_as_plain_linux(sku: str, product: Product) -> Compute | None:
    """The product, if it is a GPU machine as we compare them."""
    if not is_compute(product):
        return None
    try:
        compute = narrow(product.attributes, Compute)
    except PayloadChanged as mismatch:
        raise PayloadChanged(f"{mismatch} (of `$.products.{sku}.attributes`)") from mismatch
    kind = (compute.operating_system, compute.tenancy, compute.pre_installed_sw, compute.license_model)
    plain = kind == ("Linux", "Shared", "NA", "No License required")
    bookable = compute.capacitystatus == "Used" and compute.marketoption == "OnDemand"
    return compute if plain and bookable and machine(compute.instance_type) else None


def on_demand(compute: Compute, term: Term) -> Iterator[Offer]:
    for dimension in term.price_dimensions.values():
        for currency, price in dimension.price_per_unit.items():
            if dimension.unit == "Hrs":
                yield from offers_of(
                    compute.instance_type,
                    price,
                    region(compute.location),
                    PurchaseOption.ON_DEMAND,
                    has=compute.has,
                    currency=currency,
                )


def reserved(compute: Compute, term: Term) -> Iterator[Offer]:
    paid = term.term_attributes
    years = YEARS.get(paid.lease_contract_length or "")
    if years is None:
        raise PayloadChanged(f"a reservation for {paid.lease_contract_length!r} - at `$.terms.Reserved`")
    tier = ", ".join(words.lower() for words in (paid.offering_class, paid.purchase_option) if words)
    per_hour: dict[str, Decimal] = {}
    upfront: dict[str, Decimal] = {}
    parts = {"Hrs": per_hour, "Quantity": upfront}
    for dimension in term.price_dimensions.values():
        for currency, price in dimension.price_per_unit.items():
            if dimension.unit not in parts:
                raise PayloadChanged(f"a reservation by {dimension.unit!r} - at `$.terms.Reserved`")
            part = parts[dimension.unit]
            part[currency] = part.get(currency, Decimal(0)) + price
    for currency in {**per_hour, **upfront}:
        if lacking := PARTS.get(paid.purchase_option or "", set()) - {
            unit for unit in parts if currency in parts[unit]
        }:
            raise PayloadChanged(f"{compute.instance_type}, {tier}, without {lacking} - at `$.terms.Reserved`")
        at_once = upfront.get(currency, Decimal(0))
        price = per_hour.get(currency, Decimal(0)) + at_once / (years * HOURS_PER_YEAR)
        yield from offers_of(
            compute.instance_type,
            price.quantize(Decimal("1e-10")),  # as fine as the list itself
            region(compute.location),
            PurchaseOption.RESERVED,
            has=compute.has,
            currency=currency,
            term_months=12 * years,
            upfront=at_once,
            tier=tier or None,
        )
