"""What every template may say: words and numbers in the reader's language, and the addresses of the package's files.

Whatever depends on the reader takes the language from the template's context; a macro that is imported and writes any
of it is imported `with context`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from jinja2 import pass_context
from jinja2.runtime import Context
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.template import TemplateConfig
from markupsafe import Markup, escape

from service.presentation import words
from service.presentation.chart import series
from service.presentation.language import ENGLISH, Language
from service.presentation.language import marked as _
from service.web.frame import Frame, frame_of, reader_of

HERE: Final = Path(str(files("service.web")))


# Files of the package ------------------------------------------------------------------------------------------------

MEDIA_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    content: bytes
    media_type: str

    @property
    def fingerprint(self) -> str:
        return blake2b(self.content, digest_size=6).hexdigest()


ASSETS: Final = {
    path.name: Asset(path.read_bytes(), MEDIA_TYPES[path.suffix])
    for path in sorted((HERE / "static").iterdir())
    if path.suffix in MEDIA_TYPES
}


@lru_cache(maxsize=64)
def asset(name: str) -> str:
    """The address of a file, which holds its fingerprint: what is there never changes."""
    return f"/static/{ASSETS[name].fingerprint}/{name}"


# Templates -----------------------------------------------------------------------------------------------------------


def language_of(context: Context) -> Language:
    """The reader's, as the page put it into its context."""
    for name in ("language", "said"):
        if isinstance(found := context.get(name), Language):
            return found
    request = context.get("request")
    return reader_of(request)[0] if request is not None else ENGLISH


@pass_context
def site(context: Context) -> Frame:
    """The frame of the page that is written."""
    return frame_of(context["request"], context.get("page", ""), context.get("twins", ()))


def _method(name: str) -> Callable[..., Any]:
    """A method of the reader's language as a function of templates."""

    @pass_context
    def call(context: Context, *arguments: Any, **slots: Any) -> Any:
        return getattr(language_of(context), name)(*arguments, **slots)

    return call


def _worded(function: Callable[..., str]) -> Callable[..., Any]:
    """A function of `service.presentation.words` with the reader's language."""

    @pass_context
    def call(context: Context, *arguments: Any) -> str:
        return function(*arguments, language=language_of(context))

    return call


def _source_words(source: str, language: Language) -> str:
    return language.text(SOURCE_WORDS[source]) if source in SOURCE_WORDS else source


def _short_source(source: str, language: Language) -> str:
    return language.text(words.SOURCES[source]) if source in words.SOURCES else source


SOURCE_WORDS: Final[Mapping[str, str]] = {
    "live": _("read from the provider"),
    "catalogue": _("from another project's published list"),
    "history": _("from another project's price history"),
    "bundled": _("came with this software"),
}


def linked(text: str | None) -> Markup:
    """A source in words; the addresses in it are links, without the marks of the sentence around them."""
    if not text:
        return Markup("–")
    parts = re.split(r"https://(\S+?)(?=[),.;]*(?:\s|$))", text)
    return Markup("").join(_link(part) if place % 2 else escape(part) for place, part in enumerate(parts))


def _link(target: str) -> Markup:
    shown = target if len(target) <= 60 else f"{target[:57]}…"
    return Markup('<a href="https://{}" rel="noreferrer">{}</a>').format(target, shown)


@pass_context
def seconds(context: Context, amount: float) -> str:
    language = language_of(context)
    return language.number(amount, 3) if amount >= 0.0005 else f"<{language.number(0.001, 3)}"


GLOBALS: Final = {
    "_": _method("say"),
    "gettext": _method("say"),
    "ngettext": _method("count"),
    **{
        name: _method(name)
        for name in (
            *("age", "change", "compact", "country", "date", "gigabytes", "lasting", "moment", "number"),
            *("percent", "retell", "share", "text"),
            *("usd", "usd_interval", "usd_number", "usd_rate", "usd_rate_number", "with_symbol"),
        )
    },
    "availability": _worded(words.availability),
    "breakdown": _worded(lambda option, language: words.breakdown(option, language=language)),
    "evidence": _worded(words.evidence),
    "part_words": _worded(words.part),
    "unit_words": _worded(words.unit),
    "plan": _worded(words.plan),
    "pricing_words": _worded(words.pricing),
    "reason": _worded(words.reason),
    "short_source": _worded(_short_source),
    "source_words": _worded(_source_words),
    "times": _worded(words.times),
    "title": _worded(words.title),
    "asset": asset,
    "credited": words.credited,
    "site": site,
    "machine": words.machine,
    "seconds": seconds,
    "series": series,
    "linked": linked,
}


def template_config() -> TemplateConfig[JinjaTemplateEngine]:
    """Jinja with autoescape, as Litestar sets it, and the words and numbers of `service.presentation`."""
    config = TemplateConfig(directory=HERE / "templates", engine=JinjaTemplateEngine)
    config.engine_instance.engine.globals.update(GLOBALS)
    config.engine_instance.engine.trim_blocks = True
    config.engine_instance.engine.lstrip_blocks = True
    return config
