"""Round steps along an axis that starts at zero, of money, and along days."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, timedelta

from service.presentation.charts.drawing import Tick
from service.presentation.language import Language

STEPS = (1, 2, 2.5, 5, 10)
YEAR = 330  # days from which on the same day of two years may be confused


def from_zero(end: float, write: Callable[[float], str], at_most: int = 5) -> tuple[Tick, ...]:
    """Round steps from zero to the first at or beyond `end`."""
    end = end if end > 0 else 1.0
    step = next(step for step in _steps(end / at_most) if end / step <= at_most)
    return tuple(Tick(number * step, write(number * step)) for number in range(math.ceil(round(end / step, 9)) + 1))


def within(start: float, end: float, write: Callable[[float], str], at_most: int = 6) -> tuple[Tick, ...]:
    """Round steps between two values; both ends stay where they are."""
    step = next(step for step in _steps((end - start) / at_most) if (end - start) / step <= at_most)
    first = math.ceil(round(start / step, 9))
    return tuple(
        Tick(number * step, write(number * step)) for number in range(first, math.floor(round(end / step, 9)) + 1)
    )


def days(first: date, last: date, said: Language, at_most: int = 3) -> tuple[Tick, ...]:
    """A few days, evenly apart, in days since the first; with their year where it would be in doubt."""
    length = max((last - first).days, 1)
    step = max(1, math.ceil(length / at_most))
    write = said.day_of_year if length < YEAR else said.date
    return tuple(Tick(float(back), write(first + timedelta(days=back))) for back in range(0, length + 1, step))


def money(end_usd: float, said: Language, *, sign: bool = True, at_most: int = 5) -> tuple[Tick, ...]:
    """Round steps in the reader's currency, at their places in dollars, all with as many decimals."""
    rate = said.money.per_usd
    found = from_zero(end_usd * rate, str, at_most)
    step = found[1].at
    decimals = 0 if step >= 1 and step == int(step) else 2 if round(step * 100, 6) == int(round(step * 100, 6)) else 3
    return tuple(Tick(tick.at / rate, _priced(said, tick.at, decimals if tick.at else 0, sign)) for tick in found)


def _priced(said: Language, amount: float, decimals: int, sign: bool) -> str:
    written, money = said.number(amount, decimals), said.money
    if not sign:
        return written
    return f"{money.symbol}{money.gap}{written}" if money.before else f"{written}{money.gap}{money.symbol}"


def _steps(least: float) -> list[float]:
    size = 10.0 ** math.floor(math.log10(least))
    return [step * size for step in STEPS]
