"""What stands behind an estimate, for those who check it: the work of a step, rates, and the constants that decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor, log10
from typing import Final

from service.estimation.explain import Decisive, Explanation, Part
from service.presentation.language import Language
from service.presentation.language import marked as _

LEAST_MS: Final = 0.001
BY: Final = {"runs": _("published runs"), "physics": _("the literature")}  # what decides a constant


@dataclass(frozen=True, slots=True)
class Work:
    """A part of a step as its row says it; empty where it computes or moves nothing."""

    name: str
    ms: str
    tflop: str
    tflop_per_s: str
    gigabytes: str
    gigabytes_per_s: str


@dataclass(frozen=True, slots=True)
class Behind:
    """An explanation in a reader's language."""

    told: Explanation
    said: Language
    names: Mapping[str, str]  # of the parts of a step

    @property
    def parts(self) -> list[Work]:
        """The longest first."""
        shown = sorted((part for part in self.told.parts if part.ms >= LEAST_MS), key=lambda part: -part.ms)
        return [self._work(part) for part in shown]

    def _work(self, part: Part) -> Work:
        amounts = [amount / unit if amount else None for amount, unit in ((part.flops, 1e12), (part.bytes, 1e9))]
        written = [
            self.significant(value) if value else ""
            for amount in amounts
            for value in (amount, amount and amount / part.ms * 1e3)
        ]
        return Work(self.said.text(self.names[part.name]), self.significant(part.ms), *written)

    @property
    def step_ms(self) -> str:
        return self.significant(sum(part.ms for part in self.told.parts))

    @property
    def per_token(self) -> str:
        """What a token costs in arithmetic."""
        model = self.significant(self.told.model_flops_per_token / 1e9)
        hardware = self.significant(self.told.hardware_flops_per_token / 1e9)
        if model == hardware:
            return self.said.text(_("Forward and backward take {model} GFLOP a token."), model=model)
        form = _("Forward and backward take {model} GFLOP a token, {hardware} with what checkpointing computes again.")
        return self.said.text(form, model=model, hardware=hardware)

    def by(self, constant: Decisive) -> str:
        return self.said.text(BY[constant.by])

    def significant(self, amount: float) -> str:
        """Three digits that count; whole from a hundred on."""
        return self.said.number(amount, max(0, 2 - floor(log10(amount)))) if amount > 0 else "0"
