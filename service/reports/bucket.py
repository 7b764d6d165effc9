"""Reports as objects of an S3-compatible store: one PUT, signed with AWS Signature Version 4 by AWS's own library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final
from urllib.parse import quote

import httpx

from service.reports.files import content, path_of
from service.reports.outgoing import Outgoing, Refused, TryAgain

NEEDED: Final = "needs the extra rig-or-rent[s3]"
MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".json": "application/json",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """A request that the store takes for ours."""

    url: str
    headers: Mapping[str, str]
    body: bytes


def can_sign() -> bool:
    """Whether the library that signs is installed."""
    return find_spec("botocore") is not None


def signed_put(outgoing: Outgoing) -> Put:
    """The bucket stands in the path, which every store takes, whatever its names. Raises Refused.

    Only the signing is the library's: its client would connect where it likes, and read keys of the environment.
    """
    try:
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials
    except ImportError as error:
        raise Refused(f"object storage {NEEDED}") from error
    shown, path = outgoing.shown, path_of(outgoing)
    url = f"{str(shown['endpoint']).rstrip('/')}/{shown['bucket']}/{quote(str(path), safe='/-_.~')}"
    request = AWSRequest("PUT", url, {"Content-Type": MEDIA_TYPES[path.suffix]}, content(path, outgoing))
    keys = Credentials(shown["access_key_id"], outgoing.secrets["secret_access_key"])
    S3SigV4Auth(keys, "s3", shown["region"]).add_auth(request)
    return Put(url=url, headers=dict(request.headers.items()), body=request.body)


def judge_put(answer: httpx.Response, said: bytes) -> None:
    """Nothing for a success. Raises TryAgain with the store's own word, such as NoSuchBucket."""
    if answer.is_success:
        return
    code = re.search(rb"<Code>(\w{1,60})</Code>", said)
    word = f" {code[1].decode()}" if code else ""
    raise TryAgain(f"{answer.request.url.host} answers {answer.status_code}{word}")
