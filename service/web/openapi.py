"""The API's own description: every parameter, body, answer and error of every call, as OpenAPI 3.1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import (
    Components,
    Contact,
    Example,
    License,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Parameter,
    RequestBody,
    Schema,
    SecurityScheme,
    Tag,
)

from service import parameters as words
from service.parameters.machines import MOST_GPUS
from service.web.caching import SOFTWARE
from service.web.problems import MEDIA_TYPE, Problem

KEY: Final = "key"
NEEDS_KEY: Final[list[dict[str, list[str]]]] = [{KEY: []}]

RANKING: Final = tuple(parameter.name for parameter in words.PARAMETERS)
PAGING: Final = ("limit", "cursor")
OFFER_FILTERS: Final = (
    *("gpu", "provider", "region", "cloud_country", "pricing"),
    *("min_gpus", "max_gpus", "as_of", "max_age_hours"),
    *PAGING,
)

EXAMPLES: Final[Mapping[str, Any]] = {
    "workload": "nanochat-d32",
    "rig": ["2x RTX 4090"],
    "country": "ES",
    "electricity_usd_per_kwh": 0.17,
    "gpu": ["H100 SXM"],
    "as_of": "2026-11-24",
    "cloud_country": ["US"],
    "deadline_days": 7,
    "budget_usd": 500,
    "usd_per_day": 20,
    "max_age_hours": 48,
    "micro_batch": 4,
    "offload": ["optimizer"],
}

RANKING_BODY: Final = {
    "workload": {
        "name": "my-7b",
        "tokens": 2e10,
        "tokens_per_step": 524288,
        "precision": "bf16",
        "optimizer": "adamw",
        "model": {
            "parameters": 6.7e9,
            "layers": 32,
            "width": 4096,
            "heads": 32,
            "vocabulary": 32000,
            "seq_len": 2048,
        },
        "reference": {"gpu": "H100 SXM", "gpu_count": 8, "hours": 33},
    },
    "rigs": [
        {
            "name": "under the desk",
            "gpu": "RTX 4070",
            "gpu_count": 1,
            "host_memory_gb": 64,
            "host_watts": 80,
            "gpu_watts": 200,
            "electricity_usd_per_kwh": 0.17,
        }
    ],
    "sort": "days",
}

ESTIMATES_BODY: Final = {
    "workload": "nanochat-d32",
    "machines": [
        {"gpu": "A100 SXM 80GB", "gpu_count": 8},
        {"gpu": "RTX 4070", "plan": {"micro_batch": 1}},
        {"gpu": "H100 SXM", "gpu_count": 64, "plan": {"tensor_parallel": 8, "pipeline_parallel": 2}},
    ],
    "method": "model",
    "explain": False,
}

WORKLOAD_BODY: Final = {"slug": "my-7b", **RANKING_BODY["workload"]}  # type: ignore[dict-item]

PROBLEMS: Final = {
    400: "A value is missing, unknown or impossible: `errors` names every field at fault",
    401: "The key is missing or wrong",
    404: "There is no such thing",
    406: "No form of the answer that is accepted can be given",
    409: "It is there already, or being done just now",
    503: "The database does not answer",
}


def config() -> OpenAPIConfig:
    """Where the description stands and what it says of the whole. No ready-made pages: they load foreign scripts."""
    scheme = SecurityScheme(type="http", scheme="bearer", description="The installation's key, for calls that write")
    return OpenAPIConfig(
        title="Rig or Rent",
        version=SOFTWARE,
        summary="Train it on your own card or on a rented one? Cost and days of every option, from dated prices.",
        description="Money is US dollars as JSON numbers; times are RFC 3339 in UTC; memory is in binary gigabytes."
        " Errors are `application/problem+json` (RFC 9457). Answers that depend on prices carry an `ETag`.",
        license=License(name="MIT", identifier="MIT"),
        contact=Contact(name="Rig or Rent"),
        components=Components(security_schemes={KEY: scheme}),
        tags=[
            Tag(name="ranking", description="Every way to run a workload, with its days and dollars"),
            Tag(name="catalogue", description="What is known: accelerators, workloads, electricity"),
            Tag(name="prices", description="What is offered now, where it was read, and what was set aside"),
            Tag(name="reports", description="What changed, sent on schedule, and what was sent"),
            Tag(name="service", description="Whether the service is well"),
        ],
        path="/schema",
        render_plugins=[JsonRenderPlugin()],
    )


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """The errors that a call may answer with."""
    return {
        status: ResponseSpec(
            data_container=Problem, description=PROBLEMS[status], media_type=MEDIA_TYPE, generate_examples=False
        )
        for status in statuses
    }


def operation(
    *,
    query: Sequence[str] = (),
    extra: Sequence[Parameter] = (),
    body: Mapping[str, Any] | None = None,
    changed: Mapping[str, Mapping[str, Any]] | None = None,
) -> type[Operation]:
    """A call that reads these parameters of `service.parameters`, or a JSON body of which an example is given."""
    described = [*(_parameter(name, (changed or {}).get(name, {})) for name in query), *extra]

    @dataclass
    class Described(Operation):
        def __post_init__(self) -> None:
            self.parameters = [*(self.parameters or []), *described] or None
            if body is not None:
                self.request_body = _body(body)
            if FORMAT in extra:
                self._describe_files()

        def _describe_files(self) -> None:
            """The same list as a file: text, or bytes."""
            answer = (self.responses or {}).get("200")
            if isinstance(answer, OpenAPIResponse) and answer.content is not None:
                answer.content[CSV] = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))
                answer.content[PARQUET] = OpenAPIMediaType(
                    schema=Schema(type=OpenAPIType.STRING, content_media_type=PARQUET)
                )

    return Described


def query(name: str, description: str, kind: OpenAPIType = OpenAPIType.STRING, **schema: Any) -> Parameter:
    """A parameter that only one list has."""
    return Parameter(
        name=name, param_in="query", description=description, required=False, schema=Schema(type=kind, **schema)
    )


CSV: Final = "text/csv"
PARQUET: Final = "application/vnd.apache.parquet"
FORMAT: Final = query(
    "format", "csv or parquet: the list as a file, whatever Accept says", enum=["json", "csv", "parquet"]
)


# Parts ---------------------------------------------------------------------------------------------------------------

TYPES: Final = {
    "text": OpenAPIType.STRING,
    "number": OpenAPIType.NUMBER,
    "whole": OpenAPIType.INTEGER,
    "flag": OpenAPIType.BOOLEAN,
}


def _parameter(name: str, changed: Mapping[str, Any]) -> Parameter:
    known = next(parameter for parameter in words.PARAMETERS if parameter.name == name)
    default = changed.get("default", _default(known))
    return Parameter(
        name=name,
        param_in="query",
        description=changed.get("meaning", known.meaning),
        required=False,
        schema=_schema(known, default),
        examples={"one": Example(value=EXAMPLES[name])} if name in EXAMPLES else None,
    )


def _default(known: words.Parameter) -> Any:
    if not known.default or known.default == "now":
        return None
    if known.type in ("number", "whole"):
        return float(known.default) if known.type == "number" else int(known.default)
    if known.type == "flag":
        return known.default == "true"
    return known.default.split(", ") if known.repeats else known.default


def _schema(known: words.Parameter, default: Any) -> Schema:
    one = Schema(type=TYPES[known.type], enum=list(known.choices) or None, **_bounds(known.name))
    if known.repeats:
        return Schema(type=OpenAPIType.ARRAY, items=one, default=default)
    one.default = default
    return one


def _bounds(name: str) -> dict[str, Any]:
    bounds: dict[str, dict[str, Any]] = {
        "limit": {"minimum": 1, "maximum": 1000},
        "min_gpus": {"minimum": 1, "maximum": MOST_GPUS},
        "max_gpus": {"minimum": 1, "maximum": MOST_GPUS},
        "electricity_usd_per_kwh": {"minimum": 0, "maximum": 10},
        "usd_per_day": {"minimum": 0},
        **{name: {"minimum": 0, "maximum": 1e9} for name in ("storage_gb", "egress_gb", "ingress_gb")},
        "deadline_days": {"exclusive_minimum": 0},
        "budget_usd": {"exclusive_minimum": 0},
        "max_age_hours": {"exclusive_minimum": 0},
        "host_watts": {"minimum": 0, "maximum": 20_000},
        "gpu_watts": {"exclusive_minimum": 0, "maximum": 5000},
        "host_memory_gb": {"minimum": 0.1},
        "measured_tokens_per_s": {"minimum": 0.01},
        "purchase_usd": {"minimum": 0},
        "resale_usd": {"minimum": 0},
        "lifetime_months": {"minimum": 0.1, "maximum": 600},
        "reference_hours": {"minimum": 0.001},
        **{name: {"minimum": 1} for name in ("layers", "width", "heads", "vocabulary", "seq_len", "reference_gpus")},
        **{name: {"minimum": 1} for name in ("parameters", "active_parameters", "tokens", "tokens_per_step")},
        **{name: {"minimum": 1} for name in ("kv_heads", "head_width", "ffn_width", "attention_window")},
        **{name: {"minimum": 1} for name in ("micro_batch", "tensor_parallel", "pipeline_parallel")},
        **{name: {"minimum": 1} for name in ("context_parallel", "virtual_stages")},
    }
    return bounds.get(name, {})


def _body(example: Mapping[str, Any]) -> RequestBody:
    content = OpenAPIMediaType(
        schema=Schema(type=OpenAPIType.OBJECT, additional_properties=True, examples=[dict(example)]),
        examples={"one": Example(value=dict(example))},
    )
    return RequestBody(content={"application/json": content}, required=True)
