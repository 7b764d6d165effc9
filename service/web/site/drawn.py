"""Charts of pages, drawn once for each market, question and language; and the script that makes them answer."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import cache
from hashlib import blake2b
from typing import Final, TypeVar

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from service.presentation.charts import drawing
from service.presentation.charts.drawing import Drawing

Drawn = TypeVar("Drawn")

REMEMBERED: Final = 256  # sets of charts, some 30 KB each

_memory: OrderedDict[Hashable, object] = OrderedDict()


async def drawn(key: Hashable, draw: Callable[[], Drawn]) -> Drawn:
    """What `draw` gives, from memory if this was drawn before; else beside the event loop."""
    if key in _memory:
        _memory.move_to_end(key)
        found: Drawn = _memory[key]  # type: ignore[assignment]
        return found
    made = await asyncio.to_thread(draw)
    _memory[key] = made
    while len(_memory) > REMEMBERED:
        _memory.popitem(last=False)
    return made


@cache
def script_address() -> str:
    """Its version is the library's: the script itself is only made when somebody asks for it."""
    version = blake2b(f"{drawing.LIBRARY}{drawing.SNIPPET}".encode(), digest_size=6).hexdigest()
    return f"/static/charts/{version}/vega.js"


@get("/static/charts/{version:str}/vega.js", include_in_schema=False)
async def chart_script(version: FromPath[str]) -> Response[bytes]:
    if version not in script_address():
        raise NotFoundException
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(await asyncio.to_thread(drawing.script), media_type="text/javascript", headers=headers)


__all__ = ["Drawing", "chart_script", "drawn", "script_address"]
