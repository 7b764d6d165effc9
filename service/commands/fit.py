"""The command `fit`: the constants again from the published runs, with what is left unexplained."""

from __future__ import annotations

import argparse
import sys

from service import catalogue as known
from service.commands.answering import Failed, print_json, require_folder, write


def run(options: argparse.Namespace) -> None:
    """The fit again, with its residuals; a file only where asked for."""
    try:
        from service import fit as fitting  # needs SciPy, which only this command does
    except ModuleNotFoundError as missing:
        raise Failed("fitting needs SciPy: pip install 'rig-or-rent[fit]'") from missing
    require_folder(options.write)
    require_folder(options.plot)
    report = fitting.report(known.load().runs)
    if options.write:
        write(options.write, fitting.as_toml(report.efficiencies).encode())
    if options.plot:
        write(options.plot, fitting.scatter(report.points).encode())
    if options.json:
        print_json(report)
        return
    sys.stdout.write(fitting.as_text(report) + "\n")
