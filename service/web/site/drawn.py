"""Charts of pages and what they show, made once for each market, question and language; and the charts' script."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Hashable
from functools import cache
from hashlib import blake2b
from typing import Final, TypeVar

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from service.presentation.charts import drawing
from service.web.services import Services

T = TypeVar("T")

_made: list[bytes] = []  # the script, once it was asked for

REMEMBERED: Final = 256  # sets of charts, some 30 KB each, and what they show


async def drawn(services: Services, key: Hashable, draw: Callable[[], T]) -> T:
    """What `draw` gives, from memory if this was drawn before; else beside the event loop."""
    return await remembered(services, key, lambda: asyncio.to_thread(draw))


async def remembered(services: Services, key: Hashable, look_up: Callable[[], Awaitable[T]]) -> T:
    """What `look_up` gives, or gave before for the same key: it names all that the answer depends on."""
    memory = services.remembered
    if key not in memory:
        memory[key] = await look_up()
    memory.move_to_end(key)
    while len(memory) > REMEMBERED:
        memory.popitem(last=False)
    found: T = memory[key]  # type: ignore[assignment]
    return found


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
    return Response(await _script(), media_type="text/javascript", headers=headers)


async def _script() -> bytes:
    """Made once, beside this process: the engine lets nobody else run meanwhile."""
    if not _made:
        command = (sys.executable, "-m", drawing.__name__)
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        made, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"{drawing.__name__} ended with {process.returncode}")
        _made.append(made)
    return _made[0]
