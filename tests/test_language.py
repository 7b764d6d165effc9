"""Every text in both languages, and numbers, money and times as their readers write them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path

import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po
from builders import NOON

from service.estimation.answer import Interval
from service.presentation.language import ENGLISH, Language, language, negotiated
from service.presentation.numbers import time_scale

KEYWORDS = {
    **dict.fromkeys(("_", "gettext", "marked", "say", "text", "write")),
    **dict.fromkeys(("ngettext", "count"), (1, 2)),
}
WEB, WORDS = Path(str(files("service.web"))), Path(str(files("service.presentation")))
OWN_LANGUAGE = (
    "pause.html",
    "unsubscribe.html",
)  # say everything in both, since whoever comes there said nothing of theirs

ES = language("es")
MEXICO = language("es-MX")


def texts() -> Iterator[tuple[str, str]]:
    """Every text that is said in the reader's language, with where it stands."""
    for path in sorted([*WEB.rglob("*.html"), *WEB.rglob("*.py"), *WORDS.rglob("*.py")]):
        if path.name in OWN_LANGUAGE or path.parent.name == "api":  # which speaks English to programs
            continue
        method = "python" if path.suffix == ".py" else "jinja2.ext:babel_extract"
        with path.open("rb") as file:
            for line, message, _, _ in extract(method, file, keywords=KEYWORDS, options={"silent": "false"}):
                yield (message if isinstance(message, str) else message[0]), f"{path.name}:{line}"


def slots(written: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", written))


def translations() -> Iterator[tuple[str, str]]:
    for path in sorted((WORDS / "locale" / "es").glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale="es"):
                if message.id:
                    ids = [message.id] if isinstance(message.id, str) else list(message.id)
                    strings = [message.string] if isinstance(message.string, str) else list(message.string or ())
                    yield from zip(map(str, ids), strings, strict=True)


def test_every_text_has_its_spanish() -> None:
    known = {english for english, spanish in translations() if spanish}

    assert [f"{text} ({place})" for text, place in texts() if text and text not in known] == []


def test_a_translation_fills_the_slots_of_its_text_and_no_others() -> None:
    differing = [english for english, spanish in translations() if not slots(spanish) ^ slots(english) <= {"n"}]

    assert differing == []  # a singular may say its one in a word


@pytest.mark.parametrize(
    ("spoken", "written"),
    [
        (ENGLISH, ["$389", "$1,285", "$7.40", "$3.44", "$0.054", "$350–452", "72%", "−12%", "+3.4%"]),
        (ES, ["389 US$", "1.285 US$", "7,40 US$", "3,44 US$", "0,054 US$", "350–452 US$", "72 %", "−12 %", "+3,4 %"]),
        (MEXICO, ["US$389", "US$1,285", "US$7.40", "US$3.44", "US$0.054", "US$350–452", "72%", "−12%", "+3.4%"]),
    ],
)
def test_numbers_are_written_as_their_readers_write_them(spoken: Language, written: list[str]) -> None:
    amounts = [spoken.usd(389), spoken.usd(1285), spoken.usd(7.4), spoken.usd_rate(3.44), spoken.usd_rate(0.0542)]
    shares = [spoken.share(0.72), spoken.change(-0.12), spoken.change(0.034)]

    said = [*amounts, spoken.usd_interval(Interval(350, 389, 452)), *shares]

    assert [each.replace("\u00a0", " ") for each in said] == written


@pytest.mark.parametrize(
    ("tag", "currency", "written"),
    [
        ("en", "EUR", "€355"),
        ("es", "EUR", "355 €"),
        ("en", "MXN", "MX$355"),
        ("es-MX", "MXN", "$355"),
        ("en", "CHF", "CHF 355"),
    ],
)
def test_amounts_are_shown_in_the_readers_currency(tag: str, currency: str, written: str) -> None:
    shown = language(tag, currency, 0.5, date(2026, 11, 23))

    assert shown.usd(710).replace("\u00a0", " ") == written
    assert shown.in_dollars.usd(710) == language(tag).usd(710)


def test_the_rate_is_said_once_for_a_page() -> None:
    shown = language("es", "EUR", 0.92, date(2026, 11, 23))

    assert shown.rate_words() == "Importes al cambio de 1 USD = 0,9200 EUR, 23 nov 2026."
    assert ES.rate_words() == ""


def test_times_and_ages_are_said_in_the_readers_language() -> None:
    assert ES.age(NOON - timedelta(minutes=23), NOON) == "hace 23 min"
    assert ES.moment(NOON - timedelta(hours=4)) == "24 nov 2026, 8:00 UTC"
    assert ENGLISH.moment(NOON - timedelta(hours=4)) == "24 Nov 2026, 08:00 UTC"
    assert [ES.lasting(timedelta(hours=h)) for h in (30, 72)] == ["30 h", "3 días"]
    assert time_scale([1.4, 33, 88], ES).words(1.4) == "1,4 días"
    assert time_scale([1.0, 33, 88], ES).words(119) == "119 días"


@pytest.mark.parametrize(
    ("wanted", "accepted", "tag"),
    [
        (None, "", "en"),
        (None, "fr-FR,fr;q=0.9", "en"),
        (None, "es-MX,es;q=0.9,en;q=0.5", "es-MX"),
        (None, "en-GB,en;q=0.9,es;q=0.8", "en"),
        (None, "en;q=0.3,es;q=0.8", "es"),
        (None, "es;q=0, en", "en"),
        ("es", "en-GB,es-AR;q=0.5", "es-AR"),  # whose numbers, the browser says
        ("es", "en-US", "es"),
        ("en", "es-ES", "en"),
        (None, ",;q=;;es" * 1000, "en"),
        (None, "es-ZZ", "es"),
    ],
)
def test_the_language_is_the_one_asked_for_or_the_browsers_first_that_we_speak(
    wanted: str | None, accepted: str, tag: str
) -> None:
    assert negotiated(wanted, accepted) == tag


def test_what_fills_a_sentence_is_escaped_and_the_sentence_itself_is_not() -> None:
    said = ENGLISH.say("<strong>{name}</strong>", name="<script>")

    assert said == "<strong>&lt;script&gt;</strong>"


@pytest.mark.parametrize(
    ("english", "spanish"),
    [
        ("lacks 3.1 GB", "faltan 3,1 GB"),
        ("costs $1,234.50, $12.00 more than the budget", "cuesta 1.234,50 US$, 12,00 US$ más que el presupuesto"),
        ("must be a number above 0, up to 36500, not 'abc'", "debe ser un número mayor que 0, hasta 36500, no 'abc'"),
        ("a sentence that nobody foresaw", "a sentence that nobody foresaw"),
        (
            "lacks 0.8 GB of GPU memory (14.0 GB needed, P100 PCIe 16GB offers 13.1 GB) under the most frugal plan;"
            " so near the limit only a trial can tell",
            "faltan 0,8 GB de memoria de GPU (hacen falta 14,0 GB, P100 PCIe 16GB ofrece 13,1 GB) con el plan más"
            " austero; tan cerca del límite solo una prueba puede decirlo",
        ),
        (
            "lacks 0.8 GB of GPU memory (14.0 GB needed, P100 PCIe 16GB offers 13.1 GB) under the most frugal plan with"
            " these settings",
            "faltan 0,8 GB de memoria de GPU (hacen falta 14,0 GB, P100 PCIe 16GB ofrece 13,1 GB) con el plan más"
            " austero con estos ajustes",
        ),
        (
            "a published run with these settings ran out of memory: raschka-006, https://example.org/a",
            "un entrenamiento publicado con estos ajustes se quedó sin memoria: raschka-006, https://example.org/a",
        ),
    ],
)
def test_sentences_of_the_core_are_told_again_in_spanish(english: str, spanish: str) -> None:
    assert ES.retell(english).replace("\u00a0", " ") == spanish
    assert ENGLISH.retell(english) == english
