"""A reader's language, and how numbers, money and times are written in it. Babel is only read where English ends.

Texts are written in English where they are said; `locale/es/*.po` hold them in Spanish, one file per part of the
dashboard, and are read as they are: nothing has to be compiled.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from io import BytesIO
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from service.estimation.answer import Interval

if TYPE_CHECKING:
    from babel import Locale

NBSP: Final = "\u00a0"
MINUS: Final = "\u2212"
CODES: Final = ("en", "es")  # what the pages are written in
NAMES: Final = {"en": "English", "es": "Español"}  # each in its own language
DEFAULT_CURRENCY: Final = "USD"


@dataclass(frozen=True, slots=True)
class Money:
    """How amounts are shown: they come in US dollars."""

    currency: str = DEFAULT_CURRENCY
    per_usd: float = 1.0
    symbol: str = "$"
    before: bool = True  # the symbol stands before the amount
    gap: str = ""  # between the two
    day: date | None = None  # of the exchange rate; None: the dollar needs none


@dataclass(frozen=True, slots=True)
class Language:
    """One language as one reader writes it. Amounts are given in dollars and written in the reader's currency."""

    code: str = "en"
    tag: str = "en"  # with the region that its numbers follow: es-MX
    decimal: str = "."
    group: str = ","
    percent_gap: str = ""
    money: Money = field(default_factory=Money)

    # Words -----------------------------------------------------------------------------------------------------------

    def say(self, text: str, /, **slots: object) -> Markup:
        """A text in this language with its slots filled. The text may hold markup; what fills its slots is escaped."""
        found = _messages(self.code).get(text, text)
        return _filled(found if isinstance(found, str) else found[0], slots)

    def text(self, text: str, /, **slots: object) -> str:
        """The same without markup: for what a template escapes, and for terminals."""
        found = _messages(self.code).get(text, text)
        written = found if isinstance(found, str) else found[0]
        return written.format(**slots) if slots else written

    def count(self, one: str, many: str, n: float, /, **slots: object) -> str:
        """A text with its plural: `{n}` is the count, written as this reader writes it."""
        found = _messages(self.code).get(one)
        forms, form = (found, _plural(self.code)(_whole(n))) if isinstance(found, tuple) else ((one, many), n != 1)
        return forms[form].format(**{"n": self.number(n), **slots})

    def retell(self, sentence: str) -> str:
        """A sentence that was written in English where it arose, in this language: by a text whose slots it fills."""
        return sentence if self.code == "en" else _retold(self, sentence)

    def listed(self, items: list[str]) -> str:
        """`a, b and c`."""
        if len(items) < 2:
            return "".join(items)
        return self.text("{items} and {last}", items=", ".join(items[:-1]), last=items[-1])

    # Numbers ---------------------------------------------------------------------------------------------------------

    def number(self, amount: float, decimals: int = 0) -> str:
        text = f"{amount:,.{decimals}f}".replace("-", MINUS)
        return text if self.decimal == "." else text.translate({ord(","): self.group, ord("."): self.decimal})

    def share(self, probability: float | None) -> str:
        """A probability in whole percent; the ends say that they are not certain."""
        if probability is None:
            return "–"
        if probability < 0.01:
            return f"<1{self.percent_gap}%"
        return f">99{self.percent_gap}%" if probability > 0.99 else self.percent(probability)

    def percent(self, part: float, decimals: int = 0) -> str:
        return f"{self.number(part * 100, decimals)}{self.percent_gap}%"

    def change(self, part: float) -> str:
        """With its sign, and one decimal under ten percent: `−12%`, `+3.4%`."""
        return f"{'+' if part > 0 else ''}{self.percent(part, 0 if abs(part) >= 0.0995 else 1)}"

    def gigabytes(self, amount: float) -> str:
        return self.number(amount, 1 if amount < 100 else 0)

    def whole_gigabytes(self, amount: float) -> str:
        """The memory of a card as its maker writes it: 12, not 12.0."""
        return self.number(amount, 0 if amount == int(amount) else 1)

    def compact(self, count: float) -> str:
        """`37.6 B`, `124 M`: counts of tokens and parameters. A Spanish billion is another number: `37.600 M`."""
        sizes = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
        for size, suffix in sizes[2:] if self.code == "es" else sizes:
            if count >= size:
                scaled = count / size
                written = self.number(scaled, 0 if scaled >= 100 else 1 if scaled >= 10 else 2)
                return f"{written.removesuffix(f'{self.decimal}0')} {suffix}"
        return self.number(count)

    # Money -----------------------------------------------------------------------------------------------------------

    def usd(self, amount: float, like: float | None = None) -> str:
        """A total: cents below 20, whole units above. `like` is the amount whose decimals are shared."""
        sign = MINUS if amount < 0 else ""
        return sign + self.with_symbol(self.usd_number(abs(amount), amount if like is None else like))

    def usd_number(self, amount: float, like: float | None = None) -> str:
        """A total without its unit, for columns whose header has it."""
        shown = (amount if like is None else like) * self.money.per_usd
        return self.number(amount * self.money.per_usd, 2 if abs(shown) < 20 else 0)

    def usd_interval(self, amount: Interval, unit: bool = True) -> str:
        """`$350–452`, or nothing where rounding leaves no range."""
        span = spanned(self.usd_number(amount.p10, amount.p50), self.usd_number(amount.p90, amount.p50))
        return self.with_symbol(span) if span and unit else span

    def usd_rate(self, amount: float) -> str:
        """A price per hour or per kWh: two decimals, three below ten cents."""
        return self.with_symbol(self.usd_rate_number(amount))

    def usd_rate_number(self, amount: float) -> str:
        shown = amount * self.money.per_usd
        return self.number(shown, 3 if 0 < shown < 0.10 else 2 if shown < 1000 else 0)

    @property
    def in_dollars(self) -> Language:
        """The same language with amounts in dollars, whatever is shown: fields are typed in them."""
        return self if self.money.currency == DEFAULT_CURRENCY else language(self.tag)

    @property
    def unit(self) -> str:
        """The currency's sign, for headers."""
        return self.money.symbol

    def with_symbol(self, written: str) -> str:
        """An amount that is already written."""
        money = self.money
        return f"{money.symbol}{money.gap}{written}" if money.before else f"{written}{money.gap}{money.symbol}"

    # Times -----------------------------------------------------------------------------------------------------------

    def day_of_year(self, day: date) -> str:
        """A day whose year is plain: `28 Aug`, `28 ago`."""
        return _written_day(self.tag, day, "d MMM")

    def date(self, at: datetime | date) -> str:
        return _written_day(self.tag, at.date() if isinstance(at, datetime) else at)

    def moment(self, at: datetime) -> str:
        clock = f"{at:%H:%M}" if self.code == "en" else f"{at.hour}:{at:%M}"
        return f"{self.date(at)}, {clock} UTC"

    def age(self, at: datetime, now: datetime) -> str:
        """`23 min ago`, `3 h ago`: how old something is, below two days; the date beyond."""
        passed = now - at
        if passed < timedelta(minutes=1):
            return self.text("just now")
        if passed < timedelta(hours=1):
            return self.text("{n} min ago", n=passed // timedelta(minutes=1))
        if passed < timedelta(hours=48):
            return self.text("{n} h ago", n=passed // timedelta(hours=1))
        return self.date(at)

    def lasting(self, passed: timedelta) -> str:
        """`23 min`, `30 h`, `3 days`: how long something has been so."""
        if passed < timedelta(hours=1):
            return self.text("{n} min", n=max(passed // timedelta(minutes=1), 0))
        if passed < timedelta(hours=48):
            return self.text("{n} h", n=passed // timedelta(hours=1))
        return self.count("{n} day", "{n} days", passed // timedelta(days=1))

    # Names -----------------------------------------------------------------------------------------------------------

    def country(self, code: str, name: str | None = None) -> str:
        """A country by its two letters; a state keeps the name it has in the catalogue, its country does not."""
        if self.code == "en":
            return name or code
        country, _, state = code.partition("-")
        known = _territories(self.code).get(country, name or code)
        return f"{(name or code).rpartition(', ')[0] or name or code}, {known}" if state else known

    def rate_words(self) -> str:
        """At which rate the amounts of a page are shown; nothing for dollars."""
        money = self.money
        if money.day is None:
            return ""
        rate = self.number(money.per_usd, 4 if money.per_usd < 10 else 2)
        form = marked("Shown at 1 USD = {rate} {currency}, {day}.")
        return self.text(form, rate=rate, currency=money.currency, day=self.date(money.day))


ENGLISH: Final = Language()


def marked(text: str) -> str:
    """Marks a text for translation where it stands; it is said in a language later. Imported as `_`."""
    return text


def spanned(low: str, high: str) -> str:
    """`350–452`, or nothing where rounding leaves no range."""
    return "" if low == high else f"{low}–{high}"


# Of a reader ---------------------------------------------------------------------------------------------------------


def language(tag: str, currency: str = DEFAULT_CURRENCY, per_usd: float = 1.0, day: date | None = None) -> Language:
    """The language of a tag that `negotiated` gave, with amounts in this currency."""
    if tag == "en" and currency == DEFAULT_CURRENCY:
        return ENGLISH
    return _language(tag, currency, per_usd, day)


@lru_cache(maxsize=256)
def _language(tag: str, currency: str, per_usd: float, day: date | None) -> Language:
    from babel import Locale

    locale = Locale.parse(tag.replace("-", "_"))
    pattern = locale.currency_formats["standard"].pattern.split(";")[0]
    symbol, before = _symbol(locale, currency), pattern.startswith("¤")
    gap = NBSP if not before or NBSP in pattern or symbol.isalpha() else ""
    symbols = locale.number_symbols["latn"]
    return Language(
        code=locale.language,
        tag=tag,
        decimal=symbols["decimal"],
        group=symbols["group"],
        percent_gap=NBSP if NBSP in locale.percent_formats[None].pattern else "",
        money=Money(currency, per_usd, symbol, before, gap, None if currency == DEFAULT_CURRENCY else day),
    )


def _symbol(locale: Locale, currency: str) -> str:
    """The currency's sign where this language is spoken. A bare code says less than US$ does."""
    from babel.numbers import get_currency_symbol

    symbol: str = get_currency_symbol(currency, locale=locale)
    return "US$" if symbol == DEFAULT_CURRENCY else symbol


def negotiated(wanted: str | None, accept_language: str) -> str:
    """The tag to write in: what was asked for, else the first that the browser names and we speak.

    A browser that names a region of the language asked for decides how its numbers are written.
    """
    accepted = [tag for tag in _accepted(accept_language) if tag.split("-")[0] in CODES]
    code = wanted.split("-")[0].lower() if wanted else accepted[0].split("-")[0] if accepted else "en"
    if code == "en":
        return "en"  # one form for all: its regions agree on what is written here
    regional = [tag for tag in ([wanted] if wanted and "-" in wanted else accepted) if tag.split("-")[0] == code]
    return next((tag for tag in map(_known, regional) if tag), code)


def _accepted(header: str) -> list[str]:
    """The tags of an Accept-Language header, the most wanted first."""
    weighed = []
    for item in header[:500].split(","):
        tag, _, parameter = item.partition(";")
        quality = re.fullmatch(r"\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*", parameter)
        weight = float(quality[1]) if quality else 0.0 if parameter.strip() else 1.0
        if re.fullmatch(r"[A-Za-z]{2}(-[A-Za-z0-9]{2,8})*", tag.strip()) and weight > 0:
            weighed.append((weight, tag.strip().lower()))
    return [tag for _, tag in sorted(weighed, key=lambda item: -item[0])]


@lru_cache(maxsize=256)
def _known(tag: str) -> str | None:
    """`es-MX` of es-mx, where Babel knows that region."""
    from babel import localedata

    code, _, region = tag.partition("-")
    name = f"{code.lower()}_{region.upper()}" if region else code.lower()
    return name.replace("_", "-") if localedata.exists(name) else None


# What is read ---------------------------------------------------------------------------------------------------------


@cache
def _messages(code: str) -> Mapping[str, str | tuple[str, ...]]:
    """Every text that has a translation; those with a plural as all their forms."""
    return {} if code == "en" else _read(code)[0]


@cache
def _plural(code: str) -> Callable[[int], int]:
    return _read(code)[1]


@cache
def _read(code: str) -> tuple[Mapping[str, str | tuple[str, ...]], Callable[[int], int]]:
    from babel.messages.pofile import read_po

    found: dict[str, str | tuple[str, ...]] = {}
    rule = "n != 1"
    for path in sorted((files(__package__) / "locale" / code).iterdir(), key=lambda path: path.name):
        catalogue = read_po(BytesIO(path.read_bytes()), locale=code)
        rule = catalogue.plural_expr
        for message in catalogue:
            one = message.id if isinstance(message.id, str) else str(message.id[0])
            translated = message.string if isinstance(message.string, str) else tuple(message.string or ())
            if one and translated and all(translated):
                found[one] = translated
    return found, gettext.c2py(rule)  # what gettext itself reads it with


def _filled(text: str, slots: Mapping[str, object]) -> Markup:
    return Markup(text).format(**slots) if slots else Markup(text)


def _whole(n: float) -> int:
    """A plural's count; 1.4 days are several."""
    return int(n) if n == int(n) else 2


@cache
def _territories(code: str) -> Mapping[str, str]:
    from babel import Locale

    return dict(Locale.parse(code).territories)


@lru_cache(maxsize=4096)
def _written_day(tag: str, day: date, form: str = "d MMM y") -> str:
    if tag == "en":
        return f"{day.day} {day:%b %Y}" if form.endswith("y") else f"{day.day} {day:%b}"
    from babel.dates import format_date

    return str(format_date(day, form, locale=tag.replace("-", "_")))


@lru_cache(maxsize=4096)
def _retold(language_: Language, sentence: str) -> str:
    for pattern, translated in _patterns(language_.code):
        if match := pattern.fullmatch(sentence):
            slots = {name: _localised(language_, value) for name, value in match.groupdict().items()}
            return translated.format(**slots)
    return sentence


def _localised(language_: Language, value: str) -> str:
    """A number in an English sentence as this language writes it; words and other sentences in it are retold."""
    number = re.fullmatch(r"(\$?)([\d,]+(?:\.\d+)?)(%?)", value)
    words = value.split(" and ")
    if all(word in _messages(language_.code) for word in words):
        return language_.listed([language_.text(word) for word in words])
    if number is None:
        return "; ".join(language_.retell(part) for part in value.split("; "))
    written = number[2].translate({ord(","): language_.group, ord("."): language_.decimal})
    if number[1]:
        return language_.in_dollars.with_symbol(written)
    return f"{written}{language_.percent_gap}%" if number[3] else written


@cache
def _patterns(code: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """The texts of `locale/*/told.po` as patterns: the longest first, since the more is said the surer is the match."""
    from babel.messages.pofile import read_po

    path = files(__package__) / "locale" / code / "told.po"
    messages = [m for m in read_po(BytesIO(path.read_bytes()), locale=code) if m.id and m.string]
    texts = sorted(((str(m.id), str(m.string)) for m in messages), key=lambda pair: -len(pair[0]))
    return tuple((_pattern(text), translated) for text, translated in texts)


def _pattern(text: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", text)
    written = [re.escape(part) if place % 2 == 0 else f"(?P<{part}>.+?)" for place, part in enumerate(parts)]
    return re.compile("".join(written), re.DOTALL)
