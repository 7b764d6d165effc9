"""How far more GPUs of one kind help a workload, whose global batch stays as it is."""

from __future__ import annotations

from dataclasses import dataclass, replace

from service.estimation.answer import Estimate
from service.estimation.estimate import Estimator
from service.estimation.hardware import Machine
from service.estimation.workload import Workload

MOST_GPUS = 1024
GPUS_PER_NODE = 8
WORTH_IT = 0.8  # of the hours at half the count: a doubling that saves less than a fifth is hardly worth it


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of GPUs, all of them powers of two."""

    fewest: int  # on which it runs at all
    worthwhile: int  # the last doubling that saves a fifth of the hours
    fastest: int  # beyond it more GPUs take as long, or longer


def useful_counts(estimator: Estimator, workload: Workload, machine: Machine) -> Counts | None:
    """At what count more GPUs stop helping; None: it runs on no number of them, or its shapes are not known."""
    if workload.model is None:
        return None
    one = replace(machine, measured_tokens_per_s=None)
    counts = [2**power for power in range(MOST_GPUS.bit_length())]
    machines = [
        replace(one, gpu_count=count, gpus_per_node=min(count, max(GPUS_PER_NODE, machine.gpus_per_node)))
        for count in counts
    ]
    answers = estimator.estimate_many(replace(workload, reference=None), machines)
    hours = {
        count: answer.hours.p50 for count, answer in zip(counts, answers, strict=True) if isinstance(answer, Estimate)
    }
    if not hours:
        return None
    fewest = min(hours)
    worthwhile = fewest
    while hours.get(worthwhile * 2, float("inf")) <= WORTH_IT * hours[worthwhile]:
        worthwhile *= 2
    fastest = min(hours, key=lambda count: (round(hours[count] / min(hours.values()), 2), count))
    return Counts(fewest, min(worthwhile, fastest), fastest)


def explain_count(estimator: Estimator, workload: Workload, machine: Machine) -> str | None:
    """The same as one sentence."""
    counts = useful_counts(estimator, workload, machine)
    if counts is None:
        return None
    parts = []
    if counts.fewest > 1:
        parts.append(f"it takes {counts.fewest} of these GPUs at least")
    if counts.worthwhile > counts.fewest:
        parts.append(f"doubling them saves a fifth or more of the hours up to {counts.worthwhile:,}")
    helped = counts.fastest < MOST_GPUS
    parts.append(f"beyond {counts.fastest:,} more do not help" if helped else f"more still help at {MOST_GPUS:,}")
    sentence = "; ".join(parts)
    return sentence[0].upper() + sentence[1:]
