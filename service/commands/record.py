"""The command `record`: a recording of a source, for the tests."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from providers import recording
from providers.base import CredentialsRefused, PayloadChanged, ProviderUnavailable
from service.collect import make_client
from service.commands.answering import BadInput, Failed
from service.commands.naming import provider_named
from service.presentation import terminal
from service.settings import Settings


async def run(options: argparse.Namespace) -> None:
    """Live answers, cut down and without secrets, and what they parse to; side by side for review."""
    settings, now = Settings.from_environment(), datetime.now(UTC)
    provider_class = provider_named(options.name)
    if variable := provider_class.missing(settings.secrets):
        raise Failed(f"{options.name} needs {variable}")
    if not options.into.is_dir():
        raise BadInput(f"--into {options.into} is no folder")
    provider = provider_class(settings.secrets)
    async with make_client(settings) as client:
        try:
            made = await recording.record(provider, client, now)
            offers = list(provider.parse([each.answer for each in made.answers]))
        except (ProviderUnavailable, CredentialsRefused, PayloadChanged) as error:
            raise Failed(f"{options.name}: {error}") from error
    for name, content in (
        (f"{options.name}.json", recording.to_text(made)),
        (f"{options.name}.offers.json", recording.offers_to_text(offers)),
    ):
        (options.into / name).write_text(content, encoding="utf-8")
        terminal.print_line(f"{options.into / name}")
    terminal.print_line(f"{len(offers)} offers; read them, then run the tests.")
