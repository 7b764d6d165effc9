"""A training log as its framework prints it: seconds per step and tokens per step, carried on to a workload's tokens.

Read are nanochat, nanoGPT, llm.c (and llmq, which prints the same way) and the Trainer of Hugging Face. The owner's own
steps say more than any table, so the answer is the spread of the steps and nothing of the model.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from service.estimation.answer import Estimate, Evidence, Interval
from service.estimation.workload import Workload

Format = Literal["nanochat", "nanoGPT", "llm.c", "Hugging Face Trainer"]
FEWEST_STEPS = 3  # after warm-up: fewer have no spread
STILL_WARMING = 1.2  # steps at the beginning that take this much longer than the later half: compilation, caches
WARM_UP_AT_LEAST = 10  # steps, but no more than a tenth of them: clocks and allocators settle
ANOTHER_MODEL = 0.1  # share by which parameters may differ before it is said


class UnreadableLog(ValueError):
    """Not a training log that can be read: one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingLog:
    """What a log says."""

    format: Format
    seconds: tuple[float, ...]  # of each step that was read, in order, warm-up left out
    warm_up: int  # steps left out at the beginning
    tokens_per_step: float | None  # of all GPUs; None: the log does not say
    sequences_per_step: float | None = None  # where a log counts sequences
    parameters: float | None = None

    @property
    def step_s(self) -> Interval:
        """The spread of the steps."""
        slow, middle, fast = np.quantile(self.seconds, [0.9, 0.5, 0.1]).tolist()
        return Interval(fast, middle, slow)


def read_log(text: str) -> TrainingLog:
    """A training log. Raises UnreadableLog."""
    lines = re.split(r"[\r\n]+", text)
    for read in READERS:
        if found := read(text, lines):
            return found
    raise UnreadableLog(
        "no training steps found; read are the logs of nanochat (`step 00010/21400 (0.05%) | … | dt: 1572.76ms | …`), "
        "nanoGPT (`iter 10: loss 3.2, time 250.11ms, mfu 40.1%`), llm.c (`step 10/18865 | loss … | 300.12 ms | …`) "
        "and the Hugging Face Trainer (its progress bar, or `{'train_runtime': …, 'train_steps_per_second': …}`)"
    )


def estimate_from_log(log: TrainingLog, workload: Workload) -> Estimate:
    """Hours of a workload at the pace of a log. Raises UnreadableLog when tokens cannot be known."""
    if workload.tokens is None:
        raise UnreadableLog("the workload does not say how many tokens it trains on")
    per_step, notes = _tokens_per_step(log, workload)
    steps = workload.tokens / per_step
    hours = log.step_s * (steps / 3600)
    return Estimate(
        hours=hours,
        evidence=Evidence("measured"),
        sigma_own=math.log(hours.p90 / hours.p10) / (2 * 1.2816),
        step_parts_s={"measured": log.step_s.p50},
        notes=(_what_was_read(log, per_step), f"{steps:,.0f} such steps for {workload.tokens:,.0f} tokens", *notes),
    )


def _tokens_per_step(log: TrainingLog, workload: Workload) -> tuple[float, list[str]]:
    notes = ["plan, memory and software are those of the logged run and were not checked"]
    model = workload.model
    if log.parameters and model and abs(log.parameters / model.parameters - 1) > ANOTHER_MODEL:
        notes.append(
            f"the log trains {log.parameters / 1e6:,.0f} M parameters, {workload.name} has "
            f"{model.parameters / 1e6:,.0f} M: these are the hours of the logged model"
        )
    if log.tokens_per_step:
        return log.tokens_per_step, notes
    if log.sequences_per_step and model:
        notes.append(f"{log.sequences_per_step:,.0f} sequences per step, each taken as full: {model.seq_len:,} tokens")
        return log.sequences_per_step * model.seq_len, notes
    if workload.tokens_per_step:
        notes.append(
            f"the log does not say its tokens per step: {workload.tokens_per_step:,} taken, as the workload has"
        )
        return workload.tokens_per_step, notes
    raise UnreadableLog("neither the log nor the workload says how many tokens a step holds")


def _what_was_read(log: TrainingLog, per_step: float) -> str:
    spread = log.step_s
    return (
        f"read {len(log.seconds):,} steps of {log.format} ({log.warm_up} of warm-up left out): "
        f"{spread.p50:.3g} s a step ({spread.p10:.3g} to {spread.p90:.3g}), {per_step:,.0f} tokens each, "
        f"{per_step / spread.p50:,.0f} tokens/s"
    )


# Reading --------------------------------------------------------------------------------------------------------------


def _nanochat(text: str, lines: Sequence[str]) -> TrainingLog | None:
    """`step 00010/21400 (0.05%) | loss: … | dt: 661.23ms | tok/sec: 792,906 | …`.

    The first versions printed the tokens of one micro-step as those of all, so the stated batch goes before tok/sec.
    """
    steps = [
        (float(found["ms"]) / 1000, _count(found["rate"]))
        for line in lines
        if (found := re.search(r"^step \d+\S* .*\| dt: (?P<ms>[\d.]+)ms \| tok/sec: (?P<rate>[\d,]+)", line))
    ]
    if not steps:
        return None
    stated = _stated(text, r"Total batch size:? ([\d,]+)") or _stated(text, r"total_batch_size: ([\d,]+)")
    printed = sorted(rate * seconds for seconds, rate in steps)[len(steps) // 2]
    return _log(
        "nanochat",
        [seconds for seconds, _ in steps],
        tokens_per_step=stated or printed,
        parameters=_stated(text, r"Number of parameters: ([\d,]+)"),
    )


def _nano_gpt(text: str, lines: Sequence[str]) -> TrainingLog | None:
    """`iter 10: loss 3.2345, time 250.11ms, mfu 40.12%`, after `tokens per iteration will be: 491,520`."""
    steps = [
        float(found[1]) / 1000
        for line in lines
        if (found := re.search(r"^iter \d+: loss \S+, time ([\d.]+)ms, mfu ", line))
    ]
    if not steps:
        return None
    millions = re.search(r"number of parameters: ([\d.]+)M", text)
    return _log(
        "nanoGPT",
        steps,
        tokens_per_step=_stated(text, r"tokens per iteration will be: ([\d,]+)"),
        parameters=float(millions[1]) * 1e6 if millions else None,
    )


def _llm_c(text: str, lines: Sequence[str]) -> TrainingLog | None:
    """`step 10/18865 | loss 7.1 (+nanz)| norm 1.2 (+nanz)| lr 8.6e-06 | 300.12 ms | 56.1% bf16 MFU | 1746921 tok/s`."""
    row = r"^step\s+\d+/\d+ \| loss .*\| (?P<ms>[\d.]+) ms \|.*?(?P<rate>\d+) tok/s"
    steps = [(float(found["ms"]) / 1000, float(found["rate"])) for line in lines if (found := re.search(row, line))]
    if not steps:
        return None
    printed = sorted(rate * seconds for seconds, rate in steps)[len(steps) // 2]
    return _log(
        "llm.c",
        [seconds for seconds, _ in steps],
        tokens_per_step=_stated(text, r"total_batch_size=(\d+)") or printed,
        parameters=_stated(text, r"num_parameters:? (\d+)"),
    )


def _trainer(text: str, lines: Sequence[str]) -> TrainingLog | None:
    """The progress bar (`12/500 [00:36<24:24,  3.00s/it]`) of the training, or what the Trainer sums up at its end."""
    total = _stated(text, r"Total optimization steps = ([\d,]+)")
    steps = _progress(lines, total)
    runtime, rate = _summed_up(text, "train_runtime"), _summed_up(text, "train_steps_per_second")
    if not steps and not rate:
        return None
    rate = rate or 1 / steps[-1]
    seen, tokens = _summed_up(text, "num_input_tokens_seen"), _summed_up(text, "train_tokens_per_second")
    count = total or (runtime * rate if runtime and rate else None)
    per_step = None
    if seen and count:
        per_step = seen / count
    elif tokens and rate:
        per_step = tokens / rate
    batch = _stated(text, r"Total train batch size \(w\. parallel, distributed & accumulation\) = ([\d,]+)")
    return _log(
        "Hugging Face Trainer",
        steps or [1 / rate] * max(FEWEST_STEPS, int(count or 0)),  # only the average is known
        tokens_per_step=per_step,
        sequences_per_step=batch,
        parameters=_stated(text, r"Number of trainable parameters = ([\d,]+)"),
    )


def _progress(lines: Sequence[str], total: float | None) -> list[float]:
    """Seconds per step between the lines of a progress bar; bars of evaluations count to something else."""
    marks: list[tuple[int, float]] = []
    for line in lines:
        found = re.search(r"\| (\d+)/(\d+) \[((?:\d+:)?\d+:\d+)<", line)
        if found and (total is None or int(found[2]) == total) and (not marks or int(found[1]) > marks[-1][0]):
            marks.append((int(found[1]), _clock(found[3])))
    between = []
    for (before, began), (after, ended) in pairwise(marks):
        between += [(ended - began) / (after - before)] * (after - before)
    return [seconds for seconds in between if seconds > 0]


READERS: tuple[Callable[[str, Sequence[str]], TrainingLog | None], ...] = (_nanochat, _nano_gpt, _llm_c, _trainer)


def _log(
    name: Format,
    seconds: Sequence[float],
    *,
    tokens_per_step: float | None,
    sequences_per_step: float | None = None,
    parameters: float | None = None,
) -> TrainingLog:
    warm_up = _warm_up(seconds)
    kept = tuple(seconds[warm_up:])
    if len(kept) < FEWEST_STEPS or min(kept) <= 0:
        raise UnreadableLog(f"a log of {name} with {len(seconds)} steps: too few to tell how long one takes")
    return TrainingLog(
        format=name,
        seconds=kept,
        warm_up=warm_up,
        tokens_per_step=tokens_per_step,
        sequences_per_step=sequences_per_step,
        parameters=parameters,
    )


def _warm_up(seconds: Sequence[float]) -> int:
    """Steps at the beginning that say nothing about the rest."""
    if len(seconds) <= FEWEST_STEPS:
        return 0
    settled = float(np.median(seconds[len(seconds) // 2 :]))
    most = len(seconds) // 2
    slow = next((row for row in range(most) if seconds[row] <= STILL_WARMING * settled), most)
    return max(slow, min(WARM_UP_AT_LEAST, len(seconds) // 10))


def _stated(text: str, pattern: str) -> float | None:
    found = re.search(pattern, text)
    return _count(found[1]) if found else None


def _summed_up(text: str, name: str) -> float | None:
    """The last value of a key in the dictionaries that the Trainer prints."""
    found = re.findall(rf"['\"]{name}['\"]: ['\"]?([\d.]+(?:e[+-]?\d+)?)", text)
    return float(found[-1]) if found else None


def _count(text: str) -> float:
    return float(text.replace(",", ""))


def _clock(text: str) -> float:
    seconds = 0.0
    for part in text.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds
