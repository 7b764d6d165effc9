"""Where prices come from. Read `base` for the contract, then any module; this folder is the registry."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from providers.base import Provider


@cache
def discover() -> dict[str, type[Provider]]:
    """Every provider of this folder by slug, in alphabetical order. A module joins by standing here."""
    found: dict[str, type[Provider]] = {}
    for module_info in pkgutil.iter_modules(__path__):
        if module_info.name == "base":
            continue
        module = importlib.import_module(f"{__name__}.{module_info.name}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Provider) and value.__module__ == module.__name__:
                value.slug = module_info.name.rstrip("_")
                found[value.slug] = value
    return found
