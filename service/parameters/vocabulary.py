"""What a request may say: the parameters of a ranking, and the values that are known."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from service.catalogue import Catalogue
from service.estimation.answer import Method
from service.estimation.hardware import Interconnect
from service.estimation.workload import Checkpointing, Offload, Optimizer, Precision, Sharding, Workload
from service.ranking.offers import Offers
from service.ranking.request import Per, Pricing, Sort

DEFAULT_WORKLOAD = "nanochat-d32"
DEFAULT_RIG = "RTX 4070"
DEFAULT_COUNTRY = "US"
OWN_WORKLOAD = "own"  # in a query: the workload is described by the parameters below, in none of the catalogues


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The values that a request may name."""

    catalogue: Catalogue
    saved_workloads: Mapping[str, Workload] = field(default_factory=dict)
    providers: Collection[str] = ()  # slugs that are known or sell something now
    regions: Collection[str] = ()  # regions in which something is sold now
    cloud_countries: Collection[str] = ()

    @classmethod
    def of(
        cls,
        catalogue: Catalogue,
        offers: Offers,
        collectors: Collection[str],
        saved_workloads: Mapping[str, Workload] | None = None,
    ) -> Vocabulary:
        """What can be asked of a market: all that is known, and all that is sold in it."""
        return cls(
            catalogue=catalogue,
            saved_workloads=saved_workloads or {},
            providers={*collectors, *offers.provider.values},
            regions={region for region in offers.region.values if region},
            cloud_countries={country for country in offers.country.values if country},
        )

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
    Parameter("workload", "what to train: a slug of /api/v1/workloads; own: described by layers, …", DEFAULT_WORKLOAD),
    Parameter("method", "physics model, or the published ratio of one measured run", "model", get_args(Method)),
    Parameter("rig", "a machine you own: RTX 4070, 2x RTX 4090; none for no machine", DEFAULT_RIG, repeats=True),
    Parameter("country", "two letters; sets electricity price and carbon of the rig", DEFAULT_COUNTRY),
    Parameter("electricity_usd_per_kwh", "your electricity price, instead of the country's", type="number"),
    Parameter("host_watts", "what the computer of each rig draws beside its cards", "90", type="number"),
    Parameter("gpu_watts", "what each of your cards draws while training, instead of its data sheet's", type="number"),
    Parameter("host_memory_gb", "RAM of the computer of each rig, for what is offloaded", type="number"),
    Parameter("measured_tokens_per_s", "what your first rig was measured to train, all its cards", type="number"),
    Parameter("purchase_usd", "what each rig would cost, if it must be bought first", "0", type="number"),
    Parameter("resale_usd", "what it is worth at the end of its life", "0", type="number"),
    Parameter("lifetime_months", "how long it is used", "36", type="number"),
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
    Parameter("storage_gb", "GB on the disk of a rented machine, instead of tokens and two checkpoints", type="number"),
    Parameter("egress_gb", "GB that leave a rented machine, instead of the weights", type="number"),
    Parameter("ingress_gb", "GB that a rented machine downloads, instead of the tokens", type="number"),
    Parameter("sort", "order by", "cost", get_args(Sort)),
    Parameter("per", "one row per offer, machine (provider, GPU, count) or GPU and count", "machine", get_args(Per)),
    Parameter("as_of", "prices as they were then: a date (its last second, UTC) or an RFC 3339 time", "now"),
    Parameter("max_age_hours", "leave out prices seen longer ago", type="number"),
    Parameter("layers", "of your own model (workload=own)", type="whole"),
    Parameter("width", "of its residual stream", type="whole"),
    Parameter("heads", "of its attention", type="whole"),
    Parameter("vocabulary", "tokens that it knows", type="whole"),
    Parameter("seq_len", "tokens of one sequence", type="whole"),
    Parameter(
        "parameters", "of your own model, where it has another number than follows from its shapes", type="number"
    ),
    Parameter("kv_heads", "of its keys and values, where they are fewer than heads", type="whole"),
    Parameter("head_width", "of each head, where it is not width / heads", type="whole"),
    Parameter("ffn_width", "of its feed-forward blocks", type="whole"),
    Parameter("ffn_gated", "whether these are gated, as SwiGLU is", type="flag"),
    Parameter("tied_embeddings", "whether the output head is the embedding", type="flag"),
    Parameter("attention_window", "tokens that a token sees, where not all before it", type="whole"),
    Parameter("active_parameters", "that a token passes through, of a mixture of experts", type="number"),
    Parameter("tokens", "that it is trained on, such as 2e10", type="number"),
    Parameter("tokens_per_step", "of one optimizer step, where it is not as usual for the size", type="whole"),
    Parameter("precision", "of its matrices", "bf16", get_args(Precision)),
    Parameter("reference_gpu", "GPU of a run of it that was measured, such as H100 SXM"),
    Parameter("reference_gpus", "how many of them that run took", "1", type="whole"),
    Parameter("reference_hours", "hours of wall time that run took", type="number"),
    Parameter("micro_batch", "sequences at once on a GPU; pins the plan, of which the rest is searched", type="whole"),
    Parameter("activation_checkpointing", "of the plan", choices=get_args(Checkpointing)),
    Parameter("optimizer", "of the plan; without it your own model has adamw", choices=get_args(Optimizer)),
    Parameter("offload", "what the plan holds in host RAM", choices=(*get_args(Offload), "none"), repeats=True),
    Parameter("sharding", "what of the model the plan shares out to several GPUs", choices=get_args(Sharding)),
    Parameter("compiled", "whether the software is compiled, as torch.compile does", type="flag"),
    Parameter("flash_attention", "whether attention is fused", type="flag"),
    Parameter("tensor_parallel", "GPUs that cut each matrix between them", type="whole"),
    Parameter("pipeline_parallel", "groups of GPUs that hold some of the layers each", type="whole"),
    Parameter("virtual_stages", "parts of the model that each of these groups has, turn by turn", type="whole"),
    Parameter("context_parallel", "GPUs that cut each sequence between them", type="whole"),
    Parameter("explain", "add the parts of a step, of the memory and of the bill", "false", type="flag"),
    Parameter("limit", "options on a page, 1 to 1000", "50", type="whole"),
    Parameter("cursor", "next_cursor of the page before"),
)

MACHINE: tuple[Parameter, ...] = (  # of an estimate without prices
    Parameter("gpu", "for example: A100 SXM 80GB; auto: the cards of this machine"),
    Parameter("gpu_count", "how many of them train together", "1", type="whole"),
    Parameter("gpus_per_node", "how many of them stand in one node", "8, or all where they are fewer", type="whole"),
    Parameter("interconnect", "of the GPUs in a node, instead of the card's own", choices=get_args(Interconnect)),
    Parameter("network_gbit_s", "of each GPU between nodes", "400", type="number"),
    Parameter("host_memory_gb", "RAM of the machine, for what is offloaded", type="number"),
    Parameter("measured_tokens_per_s", "what the machine was measured to train, instead of the model's", type="number"),
)
