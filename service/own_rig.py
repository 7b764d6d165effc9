"""What owners bring to the command line: the cards of this machine, and the log of a run."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from service.catalogue import Catalogue
from service.estimation.answer import Estimate, Interval
from service.estimation.logs import TrainingLog, estimate_from_log, read_log
from service.estimation.workload import Workload
from service.ranking.request import RankingRequest
from service.this_machine import FoundMachine, this_machine

AUTO = "auto"


def named(found: FoundMachine) -> str:
    """A machine as it would be typed."""
    return f"{found.machine.gpu_count}x {found.machine.gpu.name}"


def with_own_cards(
    given: Mapping[str, Sequence[str]], catalogue: Catalogue
) -> tuple[dict[str, list[str]], tuple[FoundMachine, ...]]:
    """Parameters whose `auto` rig is this machine, and what was found, which is said. Raises NoCards."""
    rigs = [text.strip() for text in given.get("rig", ())]
    if not any(text.lower() == AUTO for text in rigs):
        return {name: list(values) for name, values in given.items()}, ()
    found = this_machine(catalogue)
    say(found)
    others = [text for text in rigs if text.lower() != AUTO]
    return {**{name: list(values) for name, values in given.items()}, "rig": [*map(named, found), *others]}, found


def say(found: Sequence[FoundMachine]) -> None:
    """Standard output belongs to the answer."""
    sys.stderr.write("".join(f"{one.said}.\n" for one in found))


def as_found(request: RankingRequest, found: Sequence[FoundMachine]) -> RankingRequest:
    """The request with what is known of the cards of this machine, RAM, links, power limits; what was typed counts."""
    rigs = list(request.rigs)
    for place, one in enumerate(found):  # they were put first, in this order
        rig, typed = rigs[place], rigs[place].machine
        machine = replace(
            one.machine,
            host_memory_gb=typed.host_memory_gb or one.machine.host_memory_gb,
            measured_tokens_per_s=typed.measured_tokens_per_s,
        )
        limit = one.gpu_watts if rig.gpu_watts == typed.gpu.board_power_w else None
        rigs[place] = replace(rig, machine=machine, gpu_watts=rig.gpu_watts if limit is None else limit)
    return replace(request, rigs=tuple(rigs))


@dataclass(frozen=True, slots=True)
class LogAnswer:
    """What a log comes to, as `estimate --log --json` prints it."""

    workload: str
    format: str
    steps: int
    warm_up_steps: int
    step_s: Interval
    tokens_per_step: float | None  # None: the log does not say, the workload's was taken
    hours: Interval
    days: Interval
    notes: tuple[str, ...]


def by_log(text: str, workload: Workload) -> tuple[LogAnswer, Estimate]:
    """Hours of a workload at the pace of a training log. Raises UnreadableLog."""
    log = read_log(text)
    estimate = estimate_from_log(log, workload)
    return _answer(log, workload, estimate), estimate


def _answer(log: TrainingLog, workload: Workload, estimate: Estimate) -> LogAnswer:
    return LogAnswer(
        workload=workload.name,
        format=log.format,
        steps=len(log.seconds),
        warm_up_steps=log.warm_up,
        step_s=log.step_s,
        tokens_per_step=log.tokens_per_step,
        hours=estimate.hours,
        days=estimate.hours * (1 / 24),
        notes=estimate.notes,
    )
