"""What a currency was worth in US dollars on a day.

Reading order: known (rates by day, and what a price is worth by them), feed (where they are read every day).
"""

from service.rates.feed import EuropeanCentralBank, PublishedRate, believable
from service.rates.known import Rates, UnknownCurrency, shipped_rates, usd_per_unit

__all__ = [
    "EuropeanCentralBank",
    "PublishedRate",
    "Rates",
    "UnknownCurrency",
    "believable",
    "shipped_rates",
    "usd_per_unit",
]
