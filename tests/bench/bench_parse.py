"""How fast each price source's answers become offers, in how much memory: every recording repeated to 100,000 rows."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from math import ceil
from pathlib import Path

from measure import report

from providers import discover
from providers.base import Answer, Provider
from providers.recording import from_text

PAYLOADS = Path(__file__).parent.parent / "payloads"
ROWS = 100_000


def recorded(slug: str) -> list[Answer]:
    text = (PAYLOADS / f"{slug}.json").read_text(encoding="utf-8")
    return [each.answer for each in from_text(text).answers]


def measure(slug: str) -> None:
    """In a process of its own: the peak of memory is the process's."""
    answers, provider_class = recorded(slug), discover()[slug]
    once = max(1, parsed(provider_class, answers))
    times = ceil(ROWS / once)
    at_once = parsed(provider_class, answers * 4) <= 4 * once  # else each list is joined with each
    began, before = time.perf_counter(), peak_mb()
    if at_once:
        parsed(provider_class, answers * times)
    else:
        for _ in range(times):
            parsed(provider_class, answers)
    seconds = time.perf_counter() - began
    how = "in one run" if at_once else f"in {times:,} runs"
    rows = f"{once * times / seconds:,.0f} rows/s"
    report(f"{slug:<16} {rows:>14}, {peak_mb():,.0f} MB (+{peak_mb() - before:,.0f}), {how}", seconds)


def parsed(provider_class: type[Provider], answers: list[Answer]) -> int:
    """How many offers, none of which is kept."""
    return sum(1 for _ in provider_class().parse(answers))


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
