"""The only way to a ranking: a market and a question, with estimates that are made once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import RLock
from typing import Protocol

from service.estimation.answer import Estimate, Infeasible, Method
from service.estimation.estimate import explain_difference
from service.estimation.hardware import Machine
from service.estimation.workload import Workload
from service.market.pricing import Market
from service.ranking.describe import rig_title
from service.ranking.offers import Estimates
from service.ranking.option import ExclusionExample, Option, Ranking
from service.ranking.rank import Standings, find
from service.ranking.request import RankingRequest

REMEMBERED_MACHINES = 20_000  # of one workload; rigs are described freely
REMEMBERED_WORKLOADS = 16  # each about 5 MB with 2,000 machines


class Estimator(Protocol):
    def estimate_many(
        self, workload: Workload, machines: Sequence[Machine], method: Method
    ) -> Sequence[Estimate | Infeasible]: ...


class RememberingEstimator:
    """An estimator that answers a question it was asked before from memory, for the workloads of late.

    Threads may share it: one estimates, the others wait for the answer.
    """

    def __init__(self, estimator: Estimator, workloads: int = REMEMBERED_WORKLOADS) -> None:
        self._estimator = estimator
        self._workloads = workloads
        self._answers: OrderedDict[tuple[Workload, Method], _Answers] = OrderedDict()
        self._lock = RLock()

    def estimate(self, workload: Workload, machine: Machine, method: Method = "model") -> Estimate | Infeasible:
        return self.estimate_many(workload, [machine], method)[0]

    def estimate_many(
        self, workload: Workload, machines: Sequence[Machine], method: Method = "model"
    ) -> list[Estimate | Infeasible]:
        with self._lock:
            known = self._of(workload, method).by_machine
            if new := [machine for machine in dict.fromkeys(machines) if machine not in known]:
                known.update(zip(new, self._estimator.estimate_many(workload, new, method), strict=True))
            answers = [known[machine] for machine in machines]
            if len(known) > REMEMBERED_MACHINES:
                known.clear()
            return answers

    def of_machines(self, workload: Workload, method: Method, machines: tuple[Machine, ...]) -> Estimates:
        """The estimates of a market's machines as columns; the same object for the same market."""
        with self._lock:
            answers = self._of(workload, method)
            if answers.machines is not machines:
                answers.columns = Estimates.of(self.estimate_many(workload, machines, method))
                answers.machines = machines
            return answers.columns

    def _of(self, workload: Workload, method: Method) -> _Answers:
        answers = self._answers.setdefault((workload, method), _Answers())
        self._answers.move_to_end((workload, method))
        while len(self._answers) > self._workloads:
            self._answers.popitem(last=False)
        return answers


@dataclass(slots=True)
class _Answers:
    """What is remembered of one workload: every machine ever asked for, and the columns of the last market."""

    by_machine: dict[Machine, Estimate | Infeasible] = field(default_factory=dict)
    machines: tuple[Machine, ...] = ()
    columns: Estimates = field(default_factory=lambda: Estimates.of([]))


def current_ranking(market: Market, request: RankingRequest, estimator: RememberingEstimator, now: datetime) -> Ranking:
    """Every way to run the workload at the prices of this market."""
    return _standings(market, request, estimator, now).ranking(market.state, _differences(request, estimator))


def sketched_ranking(
    market: Market, request: RankingRequest, estimator: RememberingEstimator, now: datetime, most: int
) -> tuple[Ranking, tuple[Option, ...]]:
    """The same, and at most about so many of all options for a picture."""
    standings = _standings(market, request, estimator, now)
    return standings.ranking(market.state, _differences(request, estimator)), standings.sketch(most)


def find_option(
    market: Market, request: RankingRequest, estimator: RememberingEstimator, now: datetime, option_id: str
) -> Option | ExclusionExample | None:
    """One way by its id, explained; with rank 0 where this ranking leaves it out, an example where it cannot run."""
    return find(option_id, request, market.offers, *_estimates(market, request, estimator), now=request.as_of or now)


def _standings(market: Market, request: RankingRequest, estimator: RememberingEstimator, now: datetime) -> Standings:
    estimates = _estimates(market, request, estimator)
    return Standings.of(request, market.offers, *estimates, now=request.as_of or now)


def _estimates(market: Market, request: RankingRequest, estimator: RememberingEstimator) -> tuple[Estimates, Estimates]:
    """Of what is rented out, and of the rigs."""
    rigs = [rig.machine for rig in request.rigs]
    return (
        estimator.of_machines(request.workload, request.method, market.machines),
        Estimates.of(estimator.estimate_many(request.workload, rigs, request.method)),
    )


def _differences(request: RankingRequest, estimator: RememberingEstimator) -> Iterator[str]:
    """Why the two methods disagree on a rig, where both have hours for it."""
    if request.workload.model is None or request.workload.reference is None:
        return
    for rig in request.rigs:
        model = estimator.estimate(request.workload, rig.machine, "model")
        ratio = estimator.estimate(request.workload, rig.machine, "ratio")
        if isinstance(ratio, Infeasible):
            continue
        if isinstance(model, Estimate):
            yield f"{rig_title(rig)}: {explain_difference(model, ratio)}"
        else:
            yield f"{rig_title(rig)}: a ratio checks no memory; the model says that it cannot run ({model.detail})"
