"""The fit: which efficiencies make the roofline agree best with published runs, and how well it does then."""

from __future__ import annotations

from dataclasses import fields

from service.estimation.efficiencies import Efficiencies


def as_toml(known: Efficiencies) -> str:
    """The catalogue's file of constants, each with its unit, plausible range and meaning."""
    lines = [
        "# Written by `rig-or-rent fit`; every constant is fitted to catalogue/runs.csv within its plausible range.\n"
    ]
    for item in fields(known):
        about = item.metadata
        lines += [
            f"[constants.{item.name}]",
            f"value = {getattr(known, item.name):.4g}",
            f'unit = "{about["unit"]}"',
            f"range = [{about['low']}, {about['high']}]",
            f'by = "{about["by"]}"',
            f'meaning = "{about["meaning"]}"\n',
        ]
    return "\n".join(lines)
