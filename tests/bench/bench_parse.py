"""How fast each price source's answers become offers, and in how much memory: every recording, to 100,000 offers."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections import deque
from math import ceil
from pathlib import Path

from measure import report

from providers import discover
from providers.base import Answer
from providers.recording import from_text

PAYLOADS = Path(__file__).parent.parent / "payloads"
ROWS = 100_000


def recorded(slug: str) -> list[Answer]:
    text = (PAYLOADS / f"{slug}.json").read_text(encoding="utf-8")
    return [each.answer for each in from_text(text).answers]


def measure(slug: str) -> None:
    """In a process of its own: the peak of memory is the process's."""
    answers, provider_class = recorded(slug), discover()[slug]
    once = max(1, len(list(provider_class().parse(answers))))
    times = ceil(ROWS / once)
    before = peak_mb()
    began = time.perf_counter()
    parsed = 0
    for _ in range(times):
        offers = deque(provider_class().parse(answers), maxlen=1)
        parsed += once if offers else 0
    seconds = time.perf_counter() - began
    held = list(provider_class().parse(answers * min(times, ceil(2_000 / once))))  # as one list: what joins, grows
    what = f"{slug}: {parsed / seconds:,.0f} offers/s, {peak_mb():,.0f} MB (+{peak_mb() - before:,.0f}), {len(held):,}"
    report(what, seconds)


def peak_mb() -> float:
    """Linux counts kilobytes, macOS bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main(slugs: list[str]) -> None:
    if len(slugs) == 1:
        measure(slugs[0])
        return
    for slug in slugs or sorted(path.name.split(".")[0] for path in PAYLOADS.glob("*.offers.json")):
        subprocess.run([sys.executable, __file__, slug], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
