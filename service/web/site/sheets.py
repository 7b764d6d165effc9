"""Data sheets: one GPU and one workload, each with its sources, what it costs now and the runs behind its estimates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from litestar import get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Template

from service.catalogue import GpuSheet, UnknownGpu
from service.estimation.answer import Estimate
from service.estimation.hardware import Gpu, Machine
from service.estimation.runs import PublishedRun
from service.estimation.workload import Workload
from service.presentation.language import Language
from service.presentation.numbers import TimeScale, time_scale
from service.ranking.option import CloudOffer
from service.web.caching import PRICES
from service.web.frame import Twin
from service.web.services import AnyRequest, Services
from service.web.site.visit import Visit

CHEAPEST: Final = 10
RATES: Final = (
    ("bf16_tflops", "BF16"),
    ("fp16_tflops", "FP16"),
    ("fp8_tflops", "FP8"),
    ("tf32_tflops", "TF32"),
    ("fp32_tflops", "FP32"),
)


@get("/gpus/{name:str}", include_in_schema=False, opt=PRICES)
async def gpu_page(request: AnyRequest, name: FromPath[str], services: NamedDependency[Services]) -> Template:
    visit = Visit.of(request, services)
    try:
        gpu = services.catalogue.gpu(name)
    except UnknownGpu as unknown:
        raise NotFoundException(str(unknown)) from unknown
    view = GpuView(visit=visit, sheet=services.catalogue.sheets[gpu.name])
    twin = Twin("JSON", f"/api/v1/gpus/{gpu.name}")
    return visit.page("gpu.html", view, twins=[twin])


@get("/workloads/{slug:str}", include_in_schema=False, opt=PRICES)
async def workload_page(request: AnyRequest, slug: FromPath[str], services: NamedDependency[Services]) -> Template:
    visit = Visit.of(request, services)
    workload = (await services.vocabulary(slug)).workload(slug)
    if workload is None:
        raise NotFoundException(f"There is no workload {slug[:80]!r}.")
    view = WorkloadView(visit=visit, workload=workload)
    twin = Twin("JSON", f"/api/v1/workloads/{slug}")
    return visit.page("workload.html", view, twins=[twin])


@dataclass(frozen=True, kw_only=True)
class GpuView:
    visit: Visit
    sheet: GpuSheet

    @property
    def said(self) -> Language:
        return self.visit.said

    @property
    def gpu(self) -> Gpu:
        return self.sheet.gpu

    @property
    def rates(self) -> list[tuple[str, float, bool]]:
        """Precision, dense TFLOPS, and whether that is unsure."""
        return [
            (words, getattr(self.gpu, name), name in self.sheet.unverified)
            for name, words in RATES
            if getattr(self.gpu, name) is not None
        ]

    def unsure(self, name: str) -> bool:
        return name in self.sheet.unverified

    @cached_property
    def offers(self) -> list[CloudOffer]:
        """Those that can be had first, then by the price of one GPU and hour."""
        offers = self.visit.services.market.offers
        rows = [offers.row(row) for row in np.flatnonzero(offers.gpu.is_one_of({self.gpu.name})).tolist()]
        return sorted(rows, key=lambda row: (row.available is False, row.usd_per_hour / row.gpu_count, row.id))

    @property
    def cheapest(self) -> list[CloudOffer]:
        return self.offers[:CHEAPEST]

    @property
    def prices_href(self) -> str:
        return self.visit.link("/prices", gpu=self.gpu.name)

    @property
    def ranking_href(self) -> str:
        return self.visit.link("/", gpu=self.gpu.name)

    def option_href(self, offer: CloudOffer) -> str:
        return self.visit.link("/option", option=offer.id)

    @property
    def runs(self) -> Sequence[PublishedRun]:
        return [run for run in self.visit.services.catalogue.runs if run.machine.gpu.name == self.gpu.name]

    @property
    def sources(self) -> list[SourceOfRuns]:
        """Who published the runs, the most first."""
        found: dict[str, list[PublishedRun]] = {}
        for run in self.runs:
            found.setdefault(run.source, []).append(run)
        return sorted((SourceOfRuns(runs) for runs in found.values()), key=lambda source: -len(source.runs))


@dataclass(frozen=True, slots=True)
class SourceOfRuns:
    """The runs that one source published on a GPU."""

    runs: Sequence[PublishedRun]

    @property
    def name(self) -> str:
        return self.runs[0].source

    @property
    def href(self) -> str:
        return self.runs[0].source_url

    @property
    def gpus(self) -> str:
        """On how many at a time: 8, 8–512."""
        counts = [run.machine.gpu_count for run in self.runs]
        return f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)}–{max(counts)}"

    @property
    def models(self) -> list[str]:
        return list(dict.fromkeys(run.workload.name for run in self.runs))

    @property
    def newest(self) -> str:
        return max(run.date for run in self.runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A measured run beside what the model says of it."""

    machine: str
    hours: float
    source: str | None
    estimate: Estimate | None


@dataclass(frozen=True, kw_only=True)
class WorkloadView:
    visit: Visit
    workload: Workload

    @property
    def said(self) -> Language:
        return self.visit.said

    @property
    def ranking_href(self) -> str:
        return self.visit.link("/", workload=self.workload.slug)

    @property
    def others(self) -> list[tuple[str, str]]:
        known = self.visit.services.catalogue.workloads
        return [
            (other.name, self.visit.link(f"/workloads/{slug}"))
            for slug, other in known.items()
            if slug != self.workload.slug
        ]

    @cached_property
    def check(self) -> Check | None:
        measured = self.workload.reference
        if measured is None:
            return None
        found: Any = None
        if self.workload.model is not None:
            machine = Machine(gpu=measured.gpu, gpu_count=measured.gpu_count)
            found = self.visit.services.estimator.estimate(self.workload, machine, "model")
        return Check(
            machine=f"{measured.gpu_count}× {measured.gpu.name}",
            hours=measured.hours,
            source=measured.source,
            estimate=found if isinstance(found, Estimate) else None,
        )

    @property
    def scale(self) -> TimeScale:
        hours = self.check.hours if self.check else 24.0
        return time_scale([hours / 24], self.said)

    @property
    def runs(self) -> Sequence[PublishedRun]:
        """Published runs of the very same shape of model."""
        model = self.workload.model
        if model is None:
            return []
        shape = (model.layers, model.width, model.vocabulary)
        runs = self.visit.services.catalogue.runs
        return [
            run
            for run in runs
            if run.workload.model
            and (run.workload.model.layers, run.workload.model.width, run.workload.model.vocabulary) == shape
        ]


HANDLERS: Final = [gpu_page, workload_page]
