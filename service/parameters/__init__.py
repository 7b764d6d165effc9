"""What users write, in a query, a body or a command, becomes a request; or an error for every field at fault.

Reading order: vocabulary (what may be said), questions (whole requests), workloads, machines, reader (one field).
"""

from service.parameters.questions import (
    EstimatesRequest,
    estimate_request,
    estimates_request,
    ranking_request,
    ranking_request_from_body,
    saved_workload,
    workload_from_body,
    workload_in,
)
from service.parameters.reader import FieldError, InvalidParameters
from service.parameters.vocabulary import (
    DEFAULT_COUNTRY,
    DEFAULT_RIG,
    MACHINE,
    OWN_WORKLOAD,
    PARAMETERS,
    Parameter,
    Vocabulary,
)
from service.parameters.workloads import OWN_MODEL, PLAN

__all__ = [
    "DEFAULT_COUNTRY",
    "DEFAULT_RIG",
    "MACHINE",
    "OWN_MODEL",
    "OWN_WORKLOAD",
    "PARAMETERS",
    "PLAN",
    "EstimatesRequest",
    "FieldError",
    "InvalidParameters",
    "Parameter",
    "Vocabulary",
    "estimate_request",
    "estimates_request",
    "ranking_request",
    "ranking_request_from_body",
    "saved_workload",
    "workload_from_body",
    "workload_in",
]
