"""The command `estimate`: hours without a price and without a database."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from service import catalogue as known
from service import own_rig
from service.commands.answering import BadInput, Failed, content_of, flag, print_json, refuse_idle_model, typed
from service.estimation.answer import Estimate, Infeasible
from service.estimation.estimate import Estimator
from service.estimation.explain import explain
from service.estimation.hardware import Machine
from service.estimation.logs import UnreadableLog
from service.estimation.several import explain_count
from service.estimation.workload import Workload
from service.parameters import (
    OWN_MODEL,
    EstimatesRequest,
    Vocabulary,
    estimate_request,
    estimates_request,
    workload_in,
)
from service.presentation import terminal
from service.presentation.answers import machine_estimate
from service.this_machine import NoCards, this_machine


def run(options: argparse.Namespace) -> None:
    """Hours on one machine, or for a file of machines."""
    catalogue, given = known.load(), typed(options)
    _refuse_idle(options, given)
    if options.log:
        _by_log(options, given, Vocabulary(catalogue=catalogue))
        return
    request = _asked(options, given, Vocabulary(catalogue=catalogue))
    estimator = Estimator(catalogue.efficiencies, catalogue.runs)
    answers = [estimator.estimate(workload, machine, request.method) for workload, machine in request.questions]
    every = zip(request.questions, request.notes, answers, strict=True)
    if options.json:
        print_json(
            [
                machine_estimate(
                    machine, answer, explain(estimator, workload, machine, answer) if options.explain else None, notes
                )
                for (workload, machine), notes, answer in every
            ]
        )
        return
    for (workload, machine), notes, answer in every:
        title = f"{workload.name} on {machine.gpu_count}× {machine.gpu.name}"
        terminal.print_estimate(title, answer, options.explain)
        for note in notes:
            terminal.print_line(f"  {note}")
        if options.explain:
            _print_why(estimator, workload, machine, answer)


def _print_why(estimator: Estimator, workload: Workload, machine: Machine, answer: Estimate | Infeasible) -> None:
    if sentence := explain_count(estimator, workload, machine):
        terminal.print_line(f"  {sentence}")
    if explanation := explain(estimator, workload, machine, answer):
        terminal.print_explanation(explanation)


def _refuse_idle(options: argparse.Namespace, given: Mapping[str, Sequence[str]]) -> None:
    """What would have no effect is refused, since the answer would be to another question."""
    refuse_idle_model(given)
    described = [name for name in given if name not in ("workload", *OWN_MODEL)]
    for source, others, why in (
        ("log", [*described, *(["request"] if options.request else [])], "the log has the pace of its own machine"),
        ("request", given, "the file says all of it"),
    ):
        idle = [flag(name) for name in others]
        if getattr(options, source) and idle:
            raise BadInput(f"{idle[0]} does not go with {flag(source)}: {why}")


def _by_log(options: argparse.Namespace, given: Mapping[str, Sequence[str]], vocabulary: Vocabulary) -> None:
    """The owner's own steps, carried on to the tokens of a workload."""
    text = content_of(options.log).decode(errors="replace")
    try:
        answer, estimated = own_rig.by_log(text, workload_in(given, vocabulary))
    except UnreadableLog as error:
        raise BadInput(f"--log {options.log}: {error}") from error
    if options.json:
        print_json(answer)
        return
    terminal.print_estimate(f"{answer.workload} at the pace of {options.log}", estimated, options.explain)


def _asked(options: argparse.Namespace, given: Mapping[str, Sequence[str]], vocabulary: Vocabulary) -> EstimatesRequest:
    if options.request:
        return estimates_request(_content(options.request), vocabulary)
    each = [estimate_request(machine, vocabulary) for machine in _machines(given)]
    questions = tuple(question for request in each for question in request.questions)
    return replace(each[0], questions=questions, notes=tuple(notes for request in each for notes in request.notes))


def _content(file: str) -> object:
    try:
        return msgspec.json.decode(content_of(file))
    except msgspec.DecodeError as error:
        raise BadInput(f"--request {file}: not JSON: {error}") from error


def _machines(given: Mapping[str, Sequence[str]]) -> list[Mapping[str, Sequence[str]]]:
    """The machine that was typed, or all that stand here; what was typed of them goes over what was found."""
    name = given.get("gpu", [""])[-1].strip()
    if not name:
        raise BadInput("--gpu must name a GPU, such as RTX 4070; or give --request FILE, or --log FILE")
    if name.lower() != own_rig.AUTO:
        return [given]
    try:
        found = this_machine(known.load())
    except NoCards as error:
        raise Failed(f"--gpu auto: {error}") from error
    own_rig.say(found)
    return [{**_as_typed(one.machine), **given, "gpu": [one.machine.gpu.name]} for one in found]


def _as_typed(machine: Machine) -> dict[str, list[str]]:
    said = {
        "gpu_count": machine.gpu_count,
        "gpus_per_node": machine.gpus_per_node,
        "interconnect": machine.interconnect,
        "host_memory_gb": machine.host_memory_gb,
    }
    return {name: [str(value)] for name, value in said.items() if value is not None}
