"""One run: fetch, parse, check, store. A job's edge: it commits here, and failures become recorded runs here.

Reading order: run (one provider), claim (one run at a time), first (an empty store), saved (a payload without network
or store), rates, client.
"""

from service.collect.claim import AlreadyCollecting, Sessions
from service.collect.client import make_client
from service.collect.first import (
    FirstCollection,
    collect_bundled_if_needed,
    collect_first,
    quick_sources,
    sources_to_try,
)
from service.collect.history import Imported, NoHistory, import_history
from service.collect.rates import all_sources, collect_rates, rates_at
from service.collect.run import collect
from service.collect.saved import as_json, body_of, check_payload

__all__ = [
    "AlreadyCollecting",
    "FirstCollection",
    "Imported",
    "NoHistory",
    "Sessions",
    "all_sources",
    "as_json",
    "body_of",
    "check_payload",
    "collect",
    "collect_bundled_if_needed",
    "collect_first",
    "collect_rates",
    "import_history",
    "make_client",
    "quick_sources",
    "rates_at",
    "sources_to_try",
]
