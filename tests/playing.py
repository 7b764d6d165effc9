"""All price sources at once: every recording played on loopback, each origin by a server of its own."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from test_providers import RECORDED, Handler, PriceServer, recording_of, secrets_of

from service.rates import EuropeanCentralBank

FEED = Path(__file__).parent / "feeds" / "eurofxref-daily.xml"
SLUGS = (*RECORDED, EuropeanCentralBank.slug)


@contextmanager
def every_source() -> Iterator[dict[str, str]]:
    """The origin of each source, and where it is played."""
    played: defaultdict[str, PriceServer] = defaultdict(lambda: PriceServer(""))
    for slug in RECORDED:
        recording = recording_of(slug)
        for place in {origin(each.url) for each in recording.answers if each.url}:
            played[place].play(recording)
    with ExitStack() as servers:
        yield {place: servers.enter_context(serving(told)) for place, told in with_feed(played).items()}


def with_feed(played: dict[str, PriceServer]) -> dict[str, PriceServer]:
    told = PriceServer("")
    told.answers[f"{urlsplit(EuropeanCentralBank.url).path}?[]"].append(FEED.read_bytes())
    return {**played, origin(EuropeanCentralBank.url): told}


@contextmanager
def serving(told: PriceServer) -> Iterator[str]:
    class Playing(Handler):
        playing = told

    with ThreadingHTTPServer(("127.0.0.1", 0), Playing) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def origin(url: str | None) -> str:
    parts = urlsplit(url or "")
    return f"{parts.scheme}://{parts.netloc}"


def every_secret() -> dict[str, str]:
    """What the sources are asked with that have a key, or may have one."""
    return {name: secret for source in RECORDED.values() for name, secret in secrets_of(source).items()}
