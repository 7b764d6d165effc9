"""The command line: rank, estimate, collect, import-history, serve, migrate, record, status, fit."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

import structlog

from service.commands.answering import BadInput, Failed, flag
from service.database import DatabaseTooNew, DatabaseTooOld, DatabaseUnavailable
from service.parameters import MACHINE, OWN_MODEL, PARAMETERS, PLAN, InvalidParameters, Parameter
from service.settings import InvalidSetting

FAILURE, BAD_INPUT, INTERRUPTED = 1, 2, 130
REPORT_FORMATS = ("text", "md", "html", "json")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, 1 for a failure, 2 for bad input."""
    _log_to_standard_error()
    options = _parser().parse_args(arguments)
    try:
        done = import_module(f"service.commands.{options.command}").run(options)  # no other waits for its libraries
        if asyncio.iscoroutine(done):
            asyncio.run(done)
        sys.stdout.flush()
    except InvalidParameters as invalid:
        return _refuse("; ".join(f"{_option(error.field)} {error.message}" for error in invalid.errors), BAD_INPUT)
    except (BadInput, InvalidSetting) as error:
        return _refuse(str(error), BAD_INPUT)
    except (Failed, DatabaseUnavailable, DatabaseTooOld, DatabaseTooNew) as error:
        return _refuse(str(error), FAILURE)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has gone: `rank | head`
        sys.stderr.close()
    return 0


def _refuse(sentence: str, status: int) -> int:
    sys.stderr.write(f"rig-or-rent: {sentence}\n")
    return status


def _option(field: str) -> str:
    """A parameter as it is typed here; the path in a request's file stays as it is."""
    is_flag = field in {parameter.name for parameter in (*PARAMETERS, *MACHINE)}
    return flag(field) if is_flag else f"{field}:"


def _log_to_standard_error() -> None:
    """Standard output belongs to the answer."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


# What can be typed ----------------------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """Says in one sentence what is wrong, without the whole usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="rig-or-rent", description="On which hardware, for how much money, in how many days?")
    parser.add_argument("--version", action="version", version=version("rig-or-rent"))
    every = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, meaning: str) -> argparse.ArgumentParser:
        added: argparse.ArgumentParser = every.add_parser(name, help=meaning, description=meaning, allow_abbrev=False)
        added.set_defaults(command=name.replace("-", "_"))
        return added

    rank = command("rank", "Rank every way to run a workload by cost and days.")
    _add(rank, PARAMETERS)
    rank.add_argument("--explain", metavar="ID", help="print the bill and hours of one option, by its id or place")
    rank.add_argument("--json", action="store_true", help="print what the API answers")

    estimate = command("estimate", "Hours on one machine, without a price; needs no database.")
    asked = ("workload", "method", *OWN_MODEL, *PLAN)
    _add(estimate, [*MACHINE, *(parameter for parameter in PARAMETERS if parameter.name in asked)])
    estimate.add_argument("--log", metavar="FILE", help="a training log of yours, carried on to the workload's tokens")
    estimate.add_argument("--request", metavar="FILE", help="a body as /api/v1/estimates takes it; - is standard input")
    estimate.add_argument("--explain", action="store_true", help="show the parts of a step and of the memory")
    estimate.add_argument("--json", action="store_true", help="print what the API answers")

    collect = command("collect", "Collect prices now, from all or some providers.")
    collect.add_argument(
        "names", nargs="*", metavar="NAME", help="slugs, as `rig-or-rent status` shows them; none: all that answer soon"
    )
    collect.add_argument("--payload", metavar="FILE", help="a saved answer instead of the network (one NAME)")
    collect.add_argument("--dry-run", action="store_true", help="store nothing; needs no database")
    collect.add_argument("--json", action="store_true", help="print offers and rejections, or the runs")

    serve = command("serve", "Serve API, pages and schedule.")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    serve.add_argument("--port", type=_port, default=8000, help="port to listen on (default: 8000)")
    serve.add_argument("--workers", type=_workers, default=1, help="processes (default: 1)")

    migrate = command("migrate", "Bring the database to the newest version.")
    migrate.add_argument("--json", action="store_true", help="print the version as JSON")

    history = command("import-history", "Remember prices of the past from a CSV of daily snapshots.")
    history.add_argument("file", metavar="FILE", help="columns as gpurentalprices.com has them; - is standard input")
    history.add_argument("--source-url", metavar="URL", help="where the prices stand (default: gpurentalprices.com)")
    history.add_argument("--attribution", metavar="TEXT", help="whom their licence says to name")
    history.add_argument("--json", action="store_true", help="print what was imported as JSON")

    record = command("record", "Fetch live and write a recording for the tests.")
    record.add_argument("name", metavar="NAME", help="slug of the provider")
    record.add_argument("--into", type=Path, default=Path("tests/payloads"), help="folder (default: tests/payloads)")

    report = command("report", "Make a report now and send it; or show what it would be.")
    report.add_argument("subscription", nargs="?", metavar="SUBSCRIPTION", help="name or id (default: the only one)")
    report.add_argument("--preview", action="store_true", help="print it; keep and send nothing")
    report.add_argument("--format", choices=REPORT_FORMATS, help="of the preview (default: text)")
    report.add_argument("--output", metavar="FILE", type=Path, help="write the preview to this file")
    report.add_argument("--as-of", metavar="DATE", help="preview as it would have been then, since a week before")
    report.add_argument("--language", choices=("en", "es"), help="of a preview without a subscription (default: en)")
    report.add_argument("--json", action="store_true", help="print what the API answers")

    status = command("status", "Database, providers, the age of prices and what was set aside.")
    status.add_argument("names", nargs="*", metavar="NAME", help="only these sources, with each offer set aside")
    status.add_argument("--rejections", action="store_true", help="only the offers that the newest runs set aside")
    status.add_argument("--json", action="store_true", help="print what /api/v1/providers answers")

    fit = command("fit", "Fit the efficiencies to the published runs and print the residuals.")
    fit.add_argument("--json", action="store_true", help="print the figures as JSON")
    fit.add_argument("--write", metavar="FILE", type=Path, help="write the constants to this file")
    fit.add_argument("--plot", metavar="FILE", type=Path, help="draw predicted against measured to this SVG")
    return parser


def _add(parser: argparse.ArgumentParser, parameters: Sequence[Parameter]) -> None:
    """Parameters of the API as options; their values are checked where the API's are."""
    model = parser.add_argument_group("a model of your own, which is --workload own")
    plan = parser.add_argument_group("the plan: what is not pinned is searched")
    for parameter in parameters:
        if parameter.name != "explain":  # here it names one option
            name = parameter.name
            _add_one(model if name in OWN_MODEL else plan if name in PLAN else parser, parameter)


def _add_one(options: argparse._ActionsContainer, parameter: Parameter) -> None:
    said = f" (default: {parameter.default})" if parameter.default else ""
    choices = f"; one of {', '.join(parameter.choices)}" if parameter.choices else ""
    options.add_argument(
        flag(parameter.name),
        dest=parameter.name,
        action="append",
        metavar={"number": "NUMBER", "whole": "COUNT", "flag": "true|false"}.get(parameter.type, "TEXT"),
        help=f"{parameter.meaning}{choices}{'; repeats' if parameter.repeats else ''}{said}".replace("%", "%%"),
    )


def _port(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"must be a whole number from 1 to 65535, not {text!r}")


def _workers(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= 64:
        return int(text)
    raise argparse.ArgumentTypeError(f"must be a whole number from 1 to 64, not {text!r}")


if __name__ == "__main__":
    sys.exit(main())
