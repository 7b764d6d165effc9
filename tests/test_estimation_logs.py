"""Training logs: every format as its framework prints it (recordings in tests/logs), and what is made of the steps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.estimation.logs import UnreadableLog, estimate_from_log, read_log
from service.estimation.workload import Reference, Workload
from tests.builders import gpu, workload

LOGS = Path(__file__).parent / "logs"


def recorded(name: str) -> str:
    return (LOGS / name).read_bytes().decode()


@pytest.mark.parametrize(
    ("file", "name", "step_s", "tokens_per_step", "warm_up"),
    [
        ("nanochat.txt", "nanochat", 0.4853, 524_288, 2),
        ("nanochat-2026.txt", "nanochat", 1.1777, 65_536, 0),
        ("nanogpt.txt", "nanoGPT", 3.3087, 491_520, 1),
        ("llmc.txt", "llm.c", 0.3002, 524_288, 1),
        ("trainer-summary.txt", "Hugging Face Trainer", 2.994, 196_608, 10),
    ],
)
def test_each_format_gives_its_steps_and_their_tokens(
    file: str, name: str, step_s: float, tokens_per_step: int, warm_up: int
) -> None:
    log = read_log(recorded(file))

    assert log.format == name
    assert log.step_s.p50 == pytest.approx(step_s, rel=1e-3)
    assert log.tokens_per_step == tokens_per_step
    assert log.warm_up == warm_up


def test_a_progress_bar_gives_steps_and_the_workload_their_length() -> None:
    log = read_log(recorded("trainer.txt"))

    answer = estimate_from_log(log, workload("gpt2-124m"))

    assert log.step_s.p50 == 12
    assert log.tokens_per_step is None
    assert log.sequences_per_step == 640
    assert answer.hours.p50 == pytest.approx(9_890_693_120 / (640 * 1024) * 12 / 3600)


def test_the_bar_of_an_evaluation_is_not_taken_for_steps() -> None:
    assert max(read_log(recorded("trainer.txt")).seconds) < 15


def test_steps_are_carried_on_to_the_workloads_tokens_with_their_spread() -> None:
    lines = [f"iter {step}: loss 3.0, time {1000 + 100 * (step % 11):.2f}ms, mfu 30.00%" for step in range(110)]
    log = read_log("tokens per iteration will be: 100,000\n" + "\n".join(lines))

    hours = estimate_from_log(log, replace(workload("gpt2-124m"), tokens=3.6e8)).hours

    assert (hours.p10, hours.p50, hours.p90) == pytest.approx((1.1, 1.5, 1.9), rel=0.01)


def test_an_early_nanochat_that_counts_one_micro_step_is_read_by_its_batch() -> None:
    header = "Total batch size 524,288 => gradient accumulation steps: 64\n"
    line = "step 0424{}/21400 (19.84%) | loss: 3.0 | lrm: 1.00 | dt: 13776.73ms | tok/sec: 594 | mfu: 13.44\n"

    log = read_log(header + "".join(line.format(step) for step in range(5)))

    assert log.tokens_per_step == 524_288


def test_what_was_read_is_said() -> None:
    notes = " ".join(estimate_from_log(read_log(recorded("nanochat.txt")), workload("nanochat-d32")).notes)

    assert "10 steps of nanochat (2 of warm-up left out)" in notes
    assert "561 M parameters" in notes  # another model than the workload's


@pytest.mark.parametrize("text", ["", "no log at all\n", "loss: 3.1\nloss: 3.0\n", "\x00\xff"])
def test_an_unknown_format_names_the_formats(text: str) -> None:
    with pytest.raises(UnreadableLog, match=r"nanochat.*nanoGPT.*llm\.c.*Hugging Face Trainer"):
        read_log(text)


def test_a_log_of_two_steps_tells_nothing() -> None:
    with pytest.raises(UnreadableLog, match="too few"):
        read_log("\n".join(recorded("nanogpt.txt").splitlines()[:8]))


def test_without_tokens_there_is_nothing_to_carry_on_to() -> None:
    reference = Reference(gpu=gpu(), gpu_count=8, hours=33)
    asked = Workload(name="by hours", tokens=None, tokens_per_step=None, reference=reference)

    with pytest.raises(UnreadableLog, match="how many tokens"):
        estimate_from_log(read_log(recorded("llmc.txt")), asked)


@given(st.text(max_size=400))
def test_whatever_is_read_is_a_log_or_a_sentence(text: str) -> None:
    try:
        log = read_log(text)
    except UnreadableLog:
        return
    assert log.seconds
