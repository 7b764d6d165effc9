"""The prices of now, or of any day, as an immutable columnar value; and the only way to a ranking.

Reading order: pricing (what is stored becomes a market), following (a market as prices change), asking (a question).
"""

from service.market.asking import Estimator, RememberingEstimator, current_ranking, find_option, sketched_ranking
from service.market.following import Markets
from service.market.pricing import Market, ProviderFacts, load_market, market_of, provider_name

__all__ = [
    "Estimator",
    "Market",
    "Markets",
    "ProviderFacts",
    "RememberingEstimator",
    "current_ranking",
    "find_option",
    "load_market",
    "market_of",
    "provider_name",
    "sketched_ranking",
]
