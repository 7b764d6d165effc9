"""What the benchmarks share: a clock that prints a line, and offers by the ten thousand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from random import Random

from providers.base import PurchaseOption
from service import catalogue
from service.checks import Observation
from service.estimation.hardware import Gpu

COUNTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24, 32, 48, 64)


@contextmanager
def measured(what: str, wanted_ms: float | None = None) -> Iterator[None]:
    began = time.perf_counter()
    yield
    report(what, time.perf_counter() - began, wanted_ms)


def report(what: str, seconds: float, wanted_ms: float | None = None) -> None:
    """One line of the table: what was done, how long it took, and what was wanted of it."""
    wanted = f"   (wanted: under {wanted_ms:,.0f})" if wanted_ms else ""
    print(f"{what:<60}{seconds * 1000:10,.1f} ms{wanted}", flush=True)  # noqa: T201


def repeated(what: str, do: Callable[[], object], wanted_ms: float | None = None, times: int = 9) -> None:
    """The median of several times."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        do()
        took.append(time.perf_counter() - began)
    report(what, sorted(took)[times // 2], wanted_ms)


def kinds(count: int) -> list[tuple[Gpu, int]]:
    """As many kinds of machines, of all GPUs of the catalogue."""
    every = [(gpu, gpus) for gpus in COUNTS for gpu in catalogue.load().gpus.values()]
    return every[:count]


def observations(count: int, machines: int, at: datetime) -> Iterator[Observation]:
    """As many live offers of as many kinds of machines, of 30 providers and 40 regions; the same every time."""
    random = Random(2026)
    some = kinds(machines)
    for number in range(count):
        gpu, gpus = some[number % len(some)]
        yield Observation(
            collector="bench",
            provider=f"provider{random.randrange(30)}",
            seller=None,
            instance_type=f"type-{number}",
            gpu=gpu.name,
            gpu_count=gpus,
            gpu_memory_gb=gpu.memory_gb,
            region=f"region-{number % 40}",
            country="US",
            tier=None,
            pricing=PurchaseOption.SPOT if random.random() < 0.3 else PurchaseOption.ON_DEMAND,
            term_months=None,
            price_per_hour=Decimal(gpus * random.randint(30, 800)) / 100,
            currency="USD" if number % 5 else "EUR",
            available=(True, False, None)[number % 3],
            observed_at=at,
            source="live",
            source_url="https://bench.example/pricing",
            count_is_derived=False,
        )
