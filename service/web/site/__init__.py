"""The pages beside the ranking: one option, break-even, prices, sources, data sheets, reports.

Reading order: visit (what each is given), option, break_even, prices, sources, sheets, reports; drawn (their charts).
"""

from __future__ import annotations

from service.web.site import break_even, drawn, option, prices, reports, sheets, sources

HANDLERS = [
    *option.HANDLERS,
    *break_even.HANDLERS,
    *prices.HANDLERS,
    *sources.HANDLERS,
    *sheets.HANDLERS,
    *reports.HANDLERS,
    drawn.chart_script,
]
