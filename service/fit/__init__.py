"""The constants of the estimates and how far off they are, over published runs. Needs SciPy.

Reading order: fitting (constants and errors of time), memory (published peaks), plot (predicted against measured).
"""

from service.fit.fitting import Point, Report, Table, as_text, as_toml, fit, report
from service.fit.memory import MemoryReport, memory_report
from service.fit.plot import scatter

__all__ = [
    "MemoryReport",
    "Point",
    "Report",
    "Table",
    "as_text",
    "as_toml",
    "fit",
    "memory_report",
    "report",
    "scatter",
]
