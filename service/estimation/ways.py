"""The ways to lay a model out, as columns: what they have in common on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from service.estimation.choices import Choice, choices_for, framework_of, layout_of
from service.estimation.flops import Floats
from service.estimation.memory import Layout
from service.estimation.workload import Checkpointing, Optimizer, PinnedPlan

LIGHTER: dict[Checkpointing, Checkpointing] = {"full": "selective", "selective": "none", "none": "none"}
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Ways:
    """Choices as columns."""

    choices: tuple[Choice, ...]
    layout: Layout
    stated: Floats  # micro-batches; infinite: the largest that fits
    quantised: Floats  # 1 where states are in 8 bits though the workload does not ask for it
    cut: Rows  # the choices that cut anything
    plainer: tuple[tuple[Rows, Rows], ...]  # choices, and those beside them that offload or repeat one thing less


@lru_cache(maxsize=256)
def ways_for(pinned: PinnedPlan, optimizer: Optimizer, gpus: int, cut: bool, split: bool) -> Ways:
    """All that is worth trying on up to `gpus` GPUs; `cut` and `split` as for choices."""
    return ways_of(choices_for(pinned, optimizer, gpus, cut, split), pinned, optimizer)


def ways_of(choices: Sequence[Choice], pinned: PinnedPlan, optimizer: Optimizer) -> Ways:
    """Choices under what is pinned beside them: the software."""
    framework, kernel = framework_of(pinned)
    asked, several = pinned.optimizer or optimizer, len(choices)
    return Ways(
        choices=tuple(choices),
        layout=layout_of(choices, [framework] * several, [kernel] * several, [pinned.compiled is True] * several),
        stated=np.array([one.micro_batch or np.inf for one in choices]),
        quantised=np.array([float(one.optimizer != asked) for one in choices]),
        cut=np.flatnonzero([max(one.tensor, one.pipeline, one.context) > 1 for one in choices]),
        plainer=(
            _pairs(choices, [replace(one, offload=one.offload[:-1]) for one in choices]),
            _pairs(choices, [replace(one, checkpointing=LIGHTER[one.checkpointing]) for one in choices]),
        ),
    )


def _pairs(choices: Sequence[Choice], plainer: Sequence[Choice]) -> tuple[Rows, Rows]:
    """The rows of choices that have a plainer one among them, and the rows of those."""
    row_of = {choice: row for row, choice in enumerate(choices)}
    pairs = [(row, row_of[one]) for row, one in enumerate(plainer) if row_of.get(one, row) != row]
    rows, than = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
    return rows, than
