"""What to believe: an offer becomes an observation or a rejection; a run is believed or set aside. Pure.

Reading order: values (what is exchanged), run (the order of the checks), offer and others (each check).
"""

from service.checks.offer import Reason
from service.checks.run import check, medians, why_set_aside
from service.checks.values import (
    Checked,
    CollectedRun,
    ErrorKind,
    LastPrice,
    Observation,
    Previous,
    Rejection,
    SkuKey,
)

__all__ = [
    "Checked",
    "CollectedRun",
    "ErrorKind",
    "LastPrice",
    "Observation",
    "Previous",
    "Reason",
    "Rejection",
    "SkuKey",
    "check",
    "medians",
    "why_set_aside",
]
