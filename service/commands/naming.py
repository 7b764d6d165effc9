"""Sources by the names that were typed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from providers import discover
from providers.base import Provider
from service.collect import all_sources
from service.commands.answering import BadInput
from service.rates import EuropeanCentralBank

Source = type[Provider] | type[EuropeanCentralBank]


def sources_named(names: Sequence[str]) -> list[Source]:
    """The sources of these names; of none, all."""
    every = all_sources()
    for name in names:
        if name not in every:
            raise BadInput(f"there is no provider {name!r}{nearest(name, every)}")
    return [every[name] for name in names] if names else list(every.values())


def provider_named(name: str) -> type[Provider]:
    """A source of prices; that of exchange rates is none."""
    providers = discover()
    if name not in providers:
        raise BadInput(f"there is no provider {name!r}{nearest(name, providers)}")
    return providers[name]


def nearest(name: str, known_slugs: Iterable[str]) -> str:
    near = get_close_matches(name, list(known_slugs))
    return f"; nearest: {', '.join(near)}" if near else f"; known: {', '.join(known_slugs)}"
