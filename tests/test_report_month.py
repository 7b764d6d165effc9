"""A month of reports: exactly the expected ones leave, at the expected local times; also when it is killed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from report_month import _slowly, lived, survived, table
from reporting import receiver

# What each reader is told. New York hears only of changes; Madrid's Monday of the 19th is made up for once, when the
# service is back on the 22nd; after the clocks are set back, eight o'clock is still eight o'clock. The price that
# flickers around the limit from the 14th to the 18th is one alert.
EXPECTED = """\
Mon 12 Oct 01:30 EDT | New York, what changed | Your first report: d32 costs $ to $
Mon 12 Oct 08:00 CEST | Madrid, Mondays | Tu primer informe: d32 cuesta entre $ y $
Wed 14 Oct 00:00 UTC | below | Alert: d32 below $, now $
Wed 14 Oct 00:00 UTC | rig | Alert: renting beats your RTX 4070 ($ vs $)
Wed 14 Oct 00:00 UTC | ten percent | Alert: d32 fell 13% to $: 8× H100 SXM spot
Wed 14 Oct 01:30 EDT | New York, what changed | d32 fell 13% to $: 8× H100 SXM spot
Fri 16 Oct 01:30 EDT | New York, what changed | d32 rose 4.8% to $: 8× H100 SXM spot
Sat 17 Oct 01:30 EDT | New York, what changed | d32 fell 2.7% to $: 8× H100 SXM spot
Sun 18 Oct 01:30 EDT | New York, what changed | d32 rose 2.1% to $: 8× H100 SXM spot
Thu 22 Oct 05:30 CEST | Madrid, Mondays | d32 baja un 9,8 % a $: 8× H100 SXM spot
Wed 21 Oct 23:30 EDT | New York, what changed | d32 still $; 1 price moved
Sat 24 Oct 00:00 UTC | ten percent | Alert: d32 rose 19% to $: 8× H100 SXM spot
Sat 24 Oct 01:30 EDT | New York, what changed | d32 rose 15% to $: 8× H100 SXM spot
Mon 26 Oct 08:00 CET | Madrid, Mondays | d32 sube un 15 % a $: 8× H100 SXM spot
Wed 28 Oct 00:00 UTC | below | Alert: d32 below $, now $
Wed 28 Oct 00:00 UTC | rig | Alert: renting beats your RTX 4070 ($ vs $)
Wed 28 Oct 00:00 UTC | ten percent | Alert: d32 fell 18% to $: 8× H100 SXM spot
Wed 28 Oct 01:30 EDT | New York, what changed | d32 fell 18% to $: 8× H100 SXM spot
Sun 01 Nov 09:00 IST | Kolkata, monthly | Your first report: d32 costs $ to $
Mon 02 Nov 01:30 EST | New York, what changed | d32 still $; 1 price moved
Mon 02 Nov 08:00 CET | Madrid, Mondays | d32 baja un 18 % a $: 8× H100 SXM spot
Wed 04 Nov 18:00 UTC | silence | Cloud One silent for 24 h; d32 ranking incomplete
Sun 08 Nov 00:00 UTC | ten percent | Alert: d32 fell 11% to $: 8× H100 SXM spot
Sun 08 Nov 01:30 EST | New York, what changed | d32 fell 11% to $: 8× H100 SXM spot
Mon 09 Nov 08:00 CET | Madrid, Mondays | d32 baja un 11 % a $: 8× H100 SXM spot
""".splitlines()

KILLS = 6


async def test_exactly_the_expected_reports_leave_at_the_expected_times(
    fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiver() as received:
        monkeypatch.setenv("MONTH_RECEIVER", received.address)

        await lived(fresh_database_url, tmp_path)

    assert without_amounts(table(received)) == EXPECTED
    assert len(received.posted) == len(EXPECTED)


async def test_a_process_killed_at_random_moments_sends_the_same(fresh_database_url: str, tmp_path: Path) -> None:
    async with receiver() as received:
        received.answer = _slowly

        killed = await survived(fresh_database_url, tmp_path, received, KILLS)

    assert killed > 0
    assert without_amounts(table(received)) == EXPECTED


def without_amounts(lines: Sequence[str]) -> list[str]:
    """Totals change with what is learnt of hours; who is told what and when does not."""
    return [re.sub(r"\$[\d.,]*\d|\d[\d.,]* US\$", "$", line) for line in lines]
