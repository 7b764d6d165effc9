"""The command `estimate`: hours without a price and without a database."""

from __future__ import annotations

import argparse

import msgspec

from service import catalogue as known
from service import own_rig
from service.commands.answering import BadInput, Failed, content_of, flag, print_json
from service.estimation.answer import Estimate, Infeasible
from service.estimation.estimate import Estimator
from service.estimation.explain import explain
from service.estimation.hardware import Machine
from service.estimation.logs import UnreadableLog
from service.estimation.several import explain_count
from service.estimation.workload import Workload
from service.parameters import InvalidParameters, Vocabulary, estimates_request
from service.parameters.vocabulary import DEFAULT_WORKLOAD
from service.presentation import terminal
from service.presentation.answers import machine_estimate
from service.this_machine import NoCards, this_machine


def run(options: argparse.Namespace) -> None:
    """Hours on one machine, or for a file of machines."""
    catalogue = known.load()
    _refuse_idle(options)
    if options.log:
        _by_log(options, catalogue)
        return
    body = _body_of_request(options)
    try:
        request = estimates_request(body, Vocabulary(catalogue=catalogue))
    except InvalidParameters as invalid:
        raise invalid if options.request else BadInput(_as_typed(invalid)) from invalid
    estimator = Estimator(catalogue.efficiencies, catalogue.runs)
    answers = [estimator.estimate(workload, machine, request.method) for workload, machine in request.questions]
    if options.json:
        print_json(
            [
                machine_estimate(
                    machine, answer, explain(estimator, workload, machine, answer) if options.explain else None
                )
                for (workload, machine), answer in zip(request.questions, answers, strict=True)
            ]
        )
        return
    for (workload, machine), answer in zip(request.questions, answers, strict=True):
        title = f"{workload.name} on {machine.gpu_count}× {machine.gpu.name}"
        terminal.print_estimate(title, answer, options.explain)
        if options.explain:
            _print_why(estimator, workload, machine, answer)


def _print_why(estimator: Estimator, workload: Workload, machine: Machine, answer: Estimate | Infeasible) -> None:
    if sentence := explain_count(estimator, workload, machine):
        terminal.print_line(f"  {sentence}")
    if explanation := explain(estimator, workload, machine, answer):
        terminal.print_explanation(explanation)


def _refuse_idle(options: argparse.Namespace) -> None:
    """What would have no effect is refused, since the answer would be to another question."""
    machine = ("gpu", "gpus", "host_memory_gb", "method")
    for source, others, why in (
        ("log", ("request", *machine), "the log has the pace of its own machine"),
        ("request", ("workload", *machine), "the file says all of it"),
    ):
        idle = [flag(name) for name in others if getattr(options, name) is not None]
        if getattr(options, source) and idle:
            raise BadInput(f"{idle[0]} does not go with {flag(source)}: {why}")


def _by_log(options: argparse.Namespace, catalogue: known.Catalogue) -> None:
    """The owner's own steps, carried on to the tokens of a workload."""
    text = content_of(options.log).decode(errors="replace")
    slug = options.workload or DEFAULT_WORKLOAD
    if slug not in catalogue.workloads:
        raise BadInput(f"--workload {slug} is not known; known: {', '.join(catalogue.workloads)}")
    try:
        answer, estimated = own_rig.by_log(text, catalogue.workloads[slug])
    except UnreadableLog as error:
        raise BadInput(f"--log {options.log}: {error}") from error
    if options.json:
        print_json(answer)
        return
    terminal.print_estimate(f"{answer.workload} at the pace of {options.log}", estimated, options.explain)


def _body_of_request(options: argparse.Namespace) -> object:
    if options.request:
        try:
            return msgspec.json.decode(content_of(options.request))
        except msgspec.DecodeError as error:
            raise BadInput(f"--request {options.request}: not JSON: {error}") from error
    return {
        "workload": options.workload or DEFAULT_WORKLOAD,
        "method": options.method,
        "machines": _machines(options),
    }


def _machines(options: argparse.Namespace) -> list[dict[str, object]]:
    if not options.gpu:
        raise BadInput("--gpu must name a GPU, such as RTX 4070; or give --request FILE, or --log FILE")
    if options.gpu.strip().lower() == own_rig.AUTO:
        return _machines_here()
    count, host_memory_gb = _number(options.gpus), _number(options.host_memory_gb)
    return [{"gpu": options.gpu, "gpu_count": count, "host_memory_gb": host_memory_gb}]


def _machines_here() -> list[dict[str, object]]:
    """The cards of this machine as a body describes them."""
    try:
        found = this_machine(known.load())
    except NoCards as error:
        raise Failed(f"--gpu auto: {error}") from error
    own_rig.say(found)
    return [
        {
            "gpu": one.machine.gpu.name,
            "gpu_count": one.machine.gpu_count,
            "interconnect": one.machine.interconnect,
            "host_memory_gb": one.machine.host_memory_gb,
        }
        for one in found
    ]


def _as_typed(invalid: InvalidParameters) -> str:
    typed = {
        "machines[0].gpu": "--gpu",
        "machines[0].gpu_count": "--gpus",
        "machines[0].host_memory_gb": "--host-memory-gb",
    }
    return "; ".join(f"{typed.get(error.field, '--' + error.field)} {error.message}" for error in invalid.errors)


def _number(text: str | None) -> object:
    """A number as JSON has it; anything else stays as it was typed, and is refused by name."""
    try:
        return None if text is None else msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
