"""What users write, in a query, a body or a command, becomes a request; or an error for every field at fault."""

from __future__ import annotations

import base64
import binascii
import difflib
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from typing import Any, Literal, TypeVar, get_args

from service.catalogue import Catalogue, UnknownCountry, UnknownGpu
from service.estimation.estimate import Method
from service.estimation.hardware import Gpu, Interconnect, Machine
from service.estimation.workload import (
    Checkpointing,
    Model,
    Offload,
    Optimizer,
    PinnedPlan,
    Precision,
    Reference,
    Sharding,
    Workload,
    complete_model,
)
from service.ranking.request import Per, Pricing, RankingRequest, Rig, Sort

T = TypeVar("T")

DEFAULT_WORKLOAD = "nanochat-d32"
DEFAULT_RIG = "RTX 4070"
DEFAULT_COUNTRY = "US"
HOST_WATTS = 90.0  # a desktop without its GPU while training draws 80 to 150 W; an estimate, no measurement found
LIFETIME_MONTHS = 36.0
MOST_GPUS = 1024
MOST_MACHINES = 1000  # in one request for estimates


@dataclass(frozen=True, slots=True)
class FieldError:
    field: str  # as the user wrote it, nested ones with dots: workload.model.layers
    message: str  # what would be right


class InvalidParameters(Exception):
    """The request can't be understood; every field at fault is named."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in errors))


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The values that a request may name."""

    catalogue: Catalogue
    saved_workloads: Mapping[str, Workload] = field(default_factory=dict)
    providers: Collection[str] = ()  # slugs that are known or sell something now
    regions: Collection[str] = ()  # regions in which something is sold now
    cloud_countries: Collection[str] = ()

    def workload(self, slug: str) -> Workload | None:
        return self.catalogue.workloads.get(slug) or self.saved_workloads.get(slug)

    def workload_slugs(self) -> list[str]:
        return [*self.catalogue.workloads, *self.saved_workloads]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of the ranking, for documentation, forms and the command line."""

    name: str
    meaning: str
    default: str = ""
    choices: tuple[str, ...] = ()
    repeats: bool = False
    type: Literal["text", "number", "whole", "flag"] = "text"


PARAMETERS: tuple[Parameter, ...] = (
    Parameter("workload", "what to train: a slug of /api/v1/workloads", DEFAULT_WORKLOAD),
    Parameter("method", "physics model, or the published ratio of one measured run", "model", get_args(Method)),
    Parameter("rig", "a machine you own: RTX 4070, 2x RTX 4090; none for no machine", DEFAULT_RIG, repeats=True),
    Parameter("country", "two letters; sets electricity price and carbon of the rig", DEFAULT_COUNTRY),
    Parameter("electricity_usd_per_kwh", "your electricity price, instead of the country's", type="number"),
    Parameter("gpu", "keep only cloud offers with this GPU", repeats=True),
    Parameter("provider", "keep only cloud offers of this provider (slug)", repeats=True),
    Parameter("region", "keep only cloud offers in this region", repeats=True),
    Parameter("cloud_country", "keep only cloud offers in this country (two letters)", repeats=True),
    Parameter("pricing", "purchase options to keep", "on_demand, spot", get_args(Pricing), repeats=True),
    Parameter("min_gpus", "fewest GPUs of a cloud option", "1", type="whole"),
    Parameter("max_gpus", "most GPUs of a cloud option", "64", type="whole"),
    Parameter("deadline_days", "exclude what takes longer than this many days", type="number"),
    Parameter("budget_usd", "exclude what costs more than this", type="number"),
    Parameter("usd_per_day", "what a day of waiting is worth; adds to the score, not to the cost", "0", type="number"),
    Parameter("sort", "order by", "cost", get_args(Sort)),
    Parameter("per", "one row per offer, machine (provider, GPU, count) or GPU and count", "machine", get_args(Per)),
    Parameter("as_of", "prices as they were then: a date (its last second, UTC) or an RFC 3339 time", "now"),
    Parameter("max_age_hours", "leave out prices seen longer ago", type="number"),
    Parameter("explain", "add the parts of a step, of the memory and of the bill", "false", type="flag"),
    Parameter("limit", "options on a page, 1 to 1000", "50", type="whole"),
    Parameter("cursor", "next_cursor of the page before"),
)


# The three ways in ---------------------------------------------------------------------------------------------------


def ranking_request(parameters: Mapping[str, Sequence[str]], vocabulary: Vocabulary, now: datetime) -> RankingRequest:
    """A request from a query string or command line: every value is text, unknown names are ignored.

    Raises InvalidParameters.
    """
    given: dict[str, Any] = {}
    repeating = {parameter.name for parameter in PARAMETERS if parameter.repeats}
    for name, values in parameters.items():
        filled = [value.strip() for value in values if value.strip()]  # an empty parameter counts as absent
        if filled:
            given[name] = filled if name in repeating else filled[-1]
    return _read(given, lambda reader: _ranking_request(reader, vocabulary, now), from_text=True)


def ranking_request_from_body(body: object, vocabulary: Vocabulary, now: datetime) -> RankingRequest:
    """A request from a JSON body, which may also describe workloads and rigs that are in no catalogue.

    Raises InvalidParameters.
    """
    return _read(body, lambda reader: _ranking_request(reader, vocabulary, now))


@dataclass(frozen=True, slots=True)
class EstimatesRequest:
    """Which hours are asked for: one workload (with the plan pinned for it) and one machine each, in order."""

    questions: tuple[tuple[Workload, Machine], ...]
    method: Method


def estimates_request(body: object, vocabulary: Vocabulary) -> EstimatesRequest:
    """The body of `/api/v1/estimates`. Raises InvalidParameters."""
    return _read(body, lambda reader: _estimates_request(reader, vocabulary))


def workload_from_body(body: object, vocabulary: Vocabulary) -> Workload:
    """A workload object of its own, as `POST /api/v1/workloads` takes it. Raises InvalidParameters."""
    return _read(body, lambda reader: _described_workload(reader, vocabulary))


def encode_cursor(offset: int) -> str:
    return base64.urlsafe_b64encode(f"o{offset}".encode()).decode().rstrip("=")


def _read(body: object, build: Callable[[_Reader], T], *, from_text: bool = False) -> T:
    if not isinstance(body, dict):
        raise InvalidParameters([FieldError("body", "must be a JSON object")])
    reader = _Reader(body, from_text=from_text)
    result = build(reader)
    if reader.errors:
        raise InvalidParameters(reader.errors)
    return result


# One field ------------------------------------------------------------------------------------------------------------


class _Reader:
    """Reads the fields of one object, and collects what is wrong instead of stopping at the first."""

    def __init__(
        self,
        given: Mapping[str, Any],
        *,
        path: str = "",
        errors: list[FieldError] | None = None,
        from_text: bool = False,
    ) -> None:
        self.given = given
        self.path = path
        self.errors: list[FieldError] = [] if errors is None else errors
        self.from_text = from_text  # numbers come as text

    def has(self, name: str) -> bool:
        return self.given.get(name) is not None

    def wrong(self, name: str, message: str) -> None:
        self.errors.append(FieldError(f"{self.path}{name}", message))

    def text(self, name: str) -> str | None:
        value = self.given.get(name)
        if value is None or (isinstance(value, str) and value.strip() and len(value) <= 200):
            return value.strip() if isinstance(value, str) else None
        self.wrong(name, "must be a text of 1 to 200 characters")
        return None

    def texts(self, name: str) -> list[str]:
        value = self.given.get(name)
        if value is None:
            return []
        values = [value] if isinstance(value, str) else value
        if isinstance(values, list) and all(isinstance(item, str) and item.strip() for item in values):
            return [item.strip() for item in values]
        self.wrong(name, "must be a text or a list of texts")
        return []

    def number(self, name: str, *, above: float | None = None, least: float = 0.0, most: float) -> float | None:
        """A finite number within its bounds: above `above`, or from `least`; up to `most`."""
        value = self.given.get(name)
        if value is None:
            return None
        parsed = _as_number(value, self.from_text)
        low = least if above is None else above
        if parsed is None or parsed > most or parsed < low or (above is not None and parsed == above):
            bounds = (
                f"a number from {low:g} to {most:g}" if above is None else f"a number above {low:g}, up to {most:g}"
            )
            self.wrong(name, f"must be {bounds}, not {_shown(value)}")
            return None
        return parsed

    def whole(self, name: str, *, least: int = 1, most: int) -> int | None:
        value = self.given.get(name)
        if value is None:
            return None
        parsed = _as_number(value, self.from_text)
        if parsed is None or parsed != int(parsed) or not least <= parsed <= most:
            self.wrong(name, f"must be a whole number from {least} to {most}, not {_shown(value)}")
            return None
        return int(parsed)

    def flag(self, name: str) -> bool | None:
        value = self.given.get(name)
        if value is None or isinstance(value, bool):
            return value
        if self.from_text and str(value).lower() in ("true", "1", "yes", "on", "false", "0", "no", "off"):
            return str(value).lower() in ("true", "1", "yes", "on")
        self.wrong(name, f"must be true or false, not {_shown(value)}")
        return None

    def choice(self, name: str, choices: Sequence[str]) -> Any:
        value = self.given.get(name)
        return None if value is None else self.checked_choice(name, value, choices)

    def checked_choice(self, name: str, value: object, choices: Sequence[str]) -> Any:
        if isinstance(value, str) and value in choices:
            return value
        self.wrong(name, f"must be one of {', '.join(choices)}{_nearest(value, choices)}, not {_shown(value)}")
        return None

    def object(self, name: str) -> _Reader | None:
        value = self.given.get(name)
        if value is None:
            return None
        if isinstance(value, dict):
            return self.nested(name, value)
        self.wrong(name, f"must be an object, not {_shown(value)}")
        return None

    def objects(self, name: str, most: int) -> list[_Reader] | None:
        value = self.given.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value) or len(value) > most:
            self.wrong(name, f"must be a list of at most {most} objects")
            return None
        return [self.nested(f"{name}[{index}]", item) for index, item in enumerate(value)]

    def nested(self, name: str, value: Mapping[str, Any]) -> _Reader:
        return _Reader(value, path=f"{self.path}{name}.", errors=self.errors, from_text=self.from_text)

    def missing(self, name: str, message: str) -> None:
        """The field is needed and not there; said once, and not where it is there but wrong."""
        if not self.has(name):
            self.wrong(name, message)


def _as_number(value: object, from_text: bool) -> float | None:
    if from_text and isinstance(value, str):
        text = value.replace(",", ".") if value.count(",") == 1 and "." not in value else value
        if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", text):
            return None
        value = float(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _nearest(value: object, known: Iterable[str]) -> str:
    """`; nearest: d32, d34`, or nothing."""
    folded = {item.lower(): item for item in known}
    near = difflib.get_close_matches(str(value).lower(), folded, n=3, cutoff=0.5)
    return f"; nearest: {', '.join(folded[item] for item in near)}" if near else ""


# The ranking ----------------------------------------------------------------------------------------------------------


def _ranking_request(reader: _Reader, vocabulary: Vocabulary, now: datetime) -> RankingRequest:
    pricing = [reader.checked_choice("pricing", value, get_args(Pricing)) for value in reader.texts("pricing")]
    min_gpus = reader.whole("min_gpus", most=MOST_GPUS) or 1
    max_gpus = reader.whole("max_gpus", most=MOST_GPUS) or 64
    if min_gpus > max_gpus:
        reader.wrong("min_gpus", f"must not be over max_gpus ({max_gpus})")
    request = RankingRequest(
        workload=_workload(reader, vocabulary),
        method=reader.choice("method", get_args(Method)) or "model",
        rigs=_rigs(reader, vocabulary),
        gpus=frozenset(gpu.name for text in reader.texts("gpu") if (gpu := _gpu(reader, "gpu", text, vocabulary))),
        providers=_known(reader, "provider", vocabulary.providers),
        regions=_known(reader, "region", vocabulary.regions),
        cloud_countries=_known_countries(reader, vocabulary),
        min_gpus=min_gpus,
        max_gpus=max_gpus,
        deadline_days=reader.number("deadline_days", above=0, most=36_500),
        budget_usd=reader.number("budget_usd", above=0, most=1e12),
        usd_per_day=reader.number("usd_per_day", most=1e9) or 0.0,
        sort=reader.choice("sort", get_args(Sort)) or "cost",
        per=reader.choice("per", get_args(Per)) or "machine",
        as_of=_as_of(reader, now),
        max_age_hours=reader.number("max_age_hours", above=0, most=1e6),
        explain=reader.flag("explain") or False,
        limit=reader.whole("limit", most=1000) or 50,
        offset=_offset(reader),
    )
    return replace(request, pricing=frozenset(pricing)) if pricing else request


def _known(reader: _Reader, name: str, known: Collection[str]) -> frozenset[str]:
    for value in reader.texts(name):
        if value not in known:
            reader.wrong(
                name, f"{_shown(value)} is not known{_nearest(value, known) or '; nothing is offered there now'}"
            )
    return frozenset(reader.texts(name))


def _known_countries(reader: _Reader, vocabulary: Vocabulary) -> frozenset[str]:
    codes = [code.upper() for code in reader.texts("cloud_country")]
    known = {*vocabulary.catalogue.electricity, *vocabulary.cloud_countries}
    for code in codes:
        if not re.fullmatch(r"[A-Z]{2}", code) or code not in known:
            reader.wrong("cloud_country", f"must be two letters of a known country, such as ES, not {_shown(code)}")
    return frozenset(codes)


def _as_of(reader: _Reader, now: datetime) -> datetime | None:
    text = reader.text("as_of")
    if text is None or text == "now":
        return None
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            day = date.fromisoformat(text)
            at = now if day == now.date() else datetime.combine(day, time(23, 59, 59), tzinfo=UTC)
        else:
            at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        reader.wrong("as_of", "must be a date (2026-11-24) or an RFC 3339 time with its zone (2026-11-24T08:00:00Z)")
        return None
    if at > now:
        reader.wrong("as_of", f"must not be in the future (now is {now:%Y-%m-%dT%H:%M:%SZ})")
        return None
    return at.astimezone(UTC)


def _offset(reader: _Reader) -> int:
    cursor = reader.text("cursor")
    if cursor is None:
        return 0
    try:
        decoded = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        decoded = ""
    if not re.fullmatch(r"o\d{1,9}", decoded):
        reader.wrong("cursor", "must be the next_cursor of the page before")
        return 0
    return int(decoded[1:])


# Machines -------------------------------------------------------------------------------------------------------------


def _gpu(reader: _Reader, name: str, spelling: str, vocabulary: Vocabulary) -> Gpu | None:
    try:
        return vocabulary.catalogue.gpu(spelling)
    except UnknownGpu as unknown:
        reader.wrong(name, str(unknown))
        return None


def _named_machine(reader: _Reader, text: str, vocabulary: Vocabulary) -> Machine | None:
    """`RTX 4070` or `2x RTX 4090`."""
    counted = re.fullmatch(r"(\d{1,5})\s*[x×*]\s*(.+)", text, flags=re.IGNORECASE)
    count, spelling = (int(counted[1]), counted[2]) if counted else (1, text)
    gpu = _gpu(reader, "rig", spelling, vocabulary)
    if not 1 <= count <= MOST_GPUS:
        reader.wrong("rig", f"must have 1 to {MOST_GPUS} GPUs, not {count}")
        return None
    return gpu and Machine(gpu=gpu, gpu_count=count)


def _described_machine(reader: _Reader, vocabulary: Vocabulary) -> Machine | None:
    reader.missing("gpu", "must name a GPU, such as RTX 4070")
    spelling = reader.text("gpu")
    gpu = _gpu(reader, "gpu", spelling, vocabulary) if spelling else None
    count = reader.whole("gpu_count", most=MOST_GPUS) or 1
    per_node = reader.whole("gpus_per_node", most=MOST_GPUS) or (8 if count > 8 else count)
    interconnect: Interconnect | None = reader.choice("interconnect", get_args(Interconnect))
    network = reader.number("network_gbit_s", above=0, most=1e5)
    host_memory = reader.number("host_memory_gb", above=0, most=1e6)
    measured = reader.number("measured_tokens_per_s", above=0, most=1e12)
    if gpu is None:
        return None
    return Machine(
        gpu=gpu,
        gpu_count=count,
        gpus_per_node=per_node,
        interconnect=interconnect,
        network_gbit_s=network,
        host_memory_gb=host_memory,
        measured_tokens_per_s=measured,
    )


@dataclass(frozen=True, slots=True)
class _Power:
    """What electricity costs and emits where the rig stands."""

    country: str | None
    usd_per_kwh: float
    source: str
    carbon_g_per_kwh: float | None


def _power(reader: _Reader, vocabulary: Vocabulary, default: _Power | None = None) -> _Power:
    price = reader.number("electricity_usd_per_kwh", most=10)
    code = reader.text("country")
    power = default or _country_power(reader, DEFAULT_COUNTRY, vocabulary)
    if code is not None:
        power = _country_power(reader, code, vocabulary)
    assert power is not None or reader.errors
    power = power or _Power(None, 0.0, "unknown", None)
    return power if price is None else replace(power, usd_per_kwh=price, source="your own price")


def _country_power(reader: _Reader, code: str, vocabulary: Vocabulary) -> _Power | None:
    if not re.fullmatch(r"[A-Za-z]{2}(-[A-Za-z]{2})?", code):
        reader.wrong("country", f"must be two letters, such as ES, not {_shown(code)}")
        return None
    try:
        electricity = vocabulary.catalogue.country(code.upper())
    except UnknownCountry as unknown:
        reader.wrong("country", str(unknown))
        return None
    return _Power(
        code.upper(),
        electricity.usd_per_kwh,
        f"{electricity.source}, {electricity.year}",
        electricity.carbon_g_per_kwh,
    )


def _rigs(reader: _Reader, vocabulary: Vocabulary) -> tuple[Rig, ...]:
    power = _power(reader, vocabulary)
    described = reader.objects("rigs", most=20)
    named = reader.texts("rig")
    if described is None and not named:
        named = [DEFAULT_RIG]
    machines = [_named_machine(reader, text, vocabulary) for text in named if text.lower() != "none"]
    rigs = [_default_rig(machine, power) for machine in machines if machine]
    return (*rigs, *(rig for nested in described or [] if (rig := _described_rig(nested, vocabulary, power))))


def _default_rig(machine: Machine, power: _Power) -> Rig:
    return Rig(
        name=None,
        machine=machine,
        country=power.country,
        electricity_usd_per_kwh=power.usd_per_kwh,
        electricity_source=power.source,
        carbon_g_per_kwh=power.carbon_g_per_kwh,
        gpu_watts=machine.gpu.board_power_w,
        host_watts=HOST_WATTS,
    )


def _described_rig(reader: _Reader, vocabulary: Vocabulary, default: _Power) -> Rig | None:
    machine = _described_machine(reader, vocabulary)
    power = _power(reader, vocabulary, default)
    name = reader.text("name")
    gpu_watts = reader.number("gpu_watts", above=0, most=5000)
    host_watts = reader.number("host_watts", most=20_000)
    purchase = reader.number("purchase_usd", most=1e7) or 0.0
    resale = reader.number("resale_usd", most=1e7) or 0.0
    lifetime = reader.number("lifetime_months", above=0, most=600) or LIFETIME_MONTHS
    if resale > purchase:
        reader.wrong("resale_usd", f"must not be over purchase_usd ({purchase:g})")
    if machine is None:
        return None
    return replace(
        _default_rig(machine, power),
        name=name,
        gpu_watts=machine.gpu.board_power_w if gpu_watts is None else gpu_watts,
        host_watts=HOST_WATTS if host_watts is None else host_watts,
        purchase_usd=purchase,
        resale_usd=resale,
        lifetime_months=lifetime,
    )


# The workload ---------------------------------------------------------------------------------------------------------


def _workload(reader: _Reader, vocabulary: Vocabulary) -> Workload:
    given = reader.given.get("workload", DEFAULT_WORKLOAD)
    if isinstance(given, dict):
        return _described_workload(reader.nested("workload", given), vocabulary)
    known = vocabulary.workload(given) if isinstance(given, str) else None
    if known is None:
        nearest = _nearest(given, vocabulary.workload_slugs())
        reader.wrong("workload", f"{_shown(given)} is not known{nearest}; see /api/v1/workloads")
    return known or _nothing("unknown")


def _nothing(name: str) -> Workload:
    """What stands in for a workload at fault until its errors are raised."""
    return Workload(name=name, tokens=None, tokens_per_step=None)


def _described_workload(reader: _Reader, vocabulary: Vocabulary) -> Workload:
    model, assumed = _model(reader.object("model"))
    reference = _reference(reader.object("reference"), vocabulary)
    if not reader.has("model") and not reader.has("reference"):
        reader.wrong("model", "a workload needs a model (its shapes) or a reference (a measured run), or both")
    if reader.has("model"):
        reader.missing("tokens", "must say how many tokens are trained on, such as 2e10")
    tokens = reader.number("tokens", above=0, most=1e18)
    tokens_per_step = reader.whole("tokens_per_step", most=10**9)
    if model is not None and tokens_per_step is None and not reader.has("tokens_per_step"):
        tokens_per_step = 524_288
        assumed = (*assumed, "tokens_per_step 524,288")
    if model is not None and tokens_per_step is not None and tokens_per_step < model.seq_len:
        reader.wrong("tokens_per_step", f"must hold at least one sequence ({model.seq_len} tokens)")
    return Workload(
        name=reader.text("name") or "your workload",
        tokens=tokens,
        tokens_per_step=tokens_per_step,
        precision=reader.choice("precision", get_args(Precision)) or "bf16",
        optimizer=reader.choice("optimizer", get_args(Optimizer)) or "adamw",
        model=model,
        reference=reference,
        plan=_plan(reader.object("plan")),
        assumed=assumed,
    )


def _model(reader: _Reader | None) -> tuple[Model | None, tuple[str, ...]]:
    if reader is None:
        return None, ()
    before = len(reader.errors)
    for name in ("layers", "width", "heads", "vocabulary", "seq_len"):
        reader.missing(name, "must be given; it cannot follow from the rest")
    given = {
        "layers": reader.whole("layers", most=10_000),
        "width": reader.whole("width", most=10**6),
        "heads": reader.whole("heads", most=10_000),
        "vocabulary": reader.whole("vocabulary", most=10**8),
        "seq_len": reader.whole("seq_len", most=10**8),
        "parameters": reader.number("parameters", above=0, most=1e15),
        "kv_heads": reader.whole("kv_heads", most=10_000),
        "ffn_width": reader.whole("ffn_width", most=10**7),
        "ffn_gated": reader.flag("ffn_gated"),
        "tied_embeddings": reader.flag("tied_embeddings"),
        "attention_window": reader.whole("attention_window", most=10**8),
        "active_parameters": reader.number("active_parameters", above=0, most=1e15),
    }
    if len(reader.errors) > before:
        return None, ()
    try:
        return complete_model(**{name: value for name, value in given.items() if value is not None})
    except ValueError as contradiction:
        reader.errors.append(FieldError(reader.path.rstrip("."), str(contradiction)))
        return None, ()


def _reference(reader: _Reader | None, vocabulary: Vocabulary) -> Reference | None:
    if reader is None:
        return None
    reader.missing("gpu", "must name the GPU of the measured run, such as H100 SXM")
    reader.missing("hours", "must say how many hours of wall time the run took")
    spelling = reader.text("gpu")
    gpu = _gpu(reader, "gpu", spelling, vocabulary) if spelling else None
    count = reader.whole("gpu_count", most=10**6) or 1
    hours = reader.number("hours", above=0, most=1e7)
    if gpu is None or hours is None:
        return None
    return Reference(gpu=gpu, gpu_count=count, hours=hours, source="your own run")


def _plan(reader: _Reader | None) -> PinnedPlan:
    if reader is None:
        return PinnedPlan()
    offload = [reader.checked_choice("offload", item, get_args(Offload)) for item in reader.texts("offload")]
    return PinnedPlan(
        micro_batch=reader.whole("micro_batch", most=100_000),
        activation_checkpointing=reader.choice("activation_checkpointing", get_args(Checkpointing)),
        optimizer=reader.choice("optimizer", get_args(Optimizer)),
        offload=tuple(offload) if reader.has("offload") else None,
        sharding=reader.choice("sharding", get_args(Sharding)),
        compiled=reader.flag("compiled"),
        flash_attention=reader.flag("flash_attention"),
    )


# Estimates ------------------------------------------------------------------------------------------------------------


def _estimates_request(reader: _Reader, vocabulary: Vocabulary) -> EstimatesRequest:
    reader.missing("workload", "must be a slug of /api/v1/workloads or an object")
    workload = _workload(reader, vocabulary)
    machines = reader.objects("machines", most=MOST_MACHINES)
    if not machines and not any(error.field == "machines" for error in reader.errors):
        reader.wrong("machines", 'must list at least one machine, such as {"gpu": "RTX 4070", "gpu_count": 1}')
    questions = []
    for nested in machines or []:
        machine = _described_machine(nested, vocabulary)
        plan = _plan(nested.object("plan")) if nested.has("plan") else workload.plan
        if machine is not None:
            questions.append((replace(workload, plan=plan), machine))
    return EstimatesRequest(tuple(questions), reader.choice("method", get_args(Method)) or "model")
