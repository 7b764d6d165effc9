"""What the tests of reports share: a desk with a clock in hand, a receiver of webhooks, a mail server with TLS."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP as MAIL_POLICY
from pathlib import Path
from typing import Any, Literal

import boto3
import httpx
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from builders import NOON, collected_run, observation
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from moto.server import ThreadedMotoServer

from providers.base import PurchaseOption
from service import catalogue, store
from service.checks import Observation
from service.database import Database
from service.estimation.estimate import Estimator
from service.market import Markets, RememberingEstimator
from service.presentation.answers import PriceSource
from service.reports import keeping
from service.reports.desk import Desk
from service.reports.opening import open_desk
from service.settings import Settings

PUBLIC = "https://rig.example"
ELSEWHERE = "0.0.0.0"  # the loopback too, but nothing in it says so: as far away as a test can be
ESTIMATOR = RememberingEstimator(Estimator(catalogue.load().efficiencies, catalogue.load().runs))
SOURCES = {
    "cloud": PriceSource(
        slug="cloud",
        name="Cloud One",
        pricing_page="https://cloud.example/pricing",
        kind="live",
        needs=None,
        interval=timedelta(hours=6),
    )
}


@dataclass(slots=True)
class Clock:
    """The time of a test."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, passed: timedelta) -> None:
        self.now += passed


@dataclass(slots=True, kw_only=True)
class World:
    """A desk, its clock and its prices."""

    desk: Desk
    database: Database
    markets: Markets
    clock: Clock

    async def see(self, *observations: Observation) -> None:
        """A believed run of the one source, now."""
        seen = [replace(each, observed_at=self.clock.now) for each in observations]
        async with self.database.sessions.begin() as session:
            await store.save_run(session, collected_run(seen, at=self.clock.now))
        await self.markets.refresh()

    async def subscribe(self, **fields: Any) -> keeping.SubscriptionAnswer:
        body = {"name": "d32", "ranking": {"workload": "nanochat-d32"}, "schedule": {"every": "daily"}} | fields
        async with self.database.sessions.begin() as session:
            return await keeping.create(session, self.desk, body)

    async def deliveries(self) -> list[store.StoredDelivery]:
        """The outbox by the name of the subscription."""
        async with self.database.sessions() as session:
            page = await store.reports(session, limit=1000)
        named = sorted(page.items, key=lambda report: (report.subscription, report.made_at))
        return [each for report in named for each in report.deliveries]


@asynccontextmanager
async def world(
    database: Database,
    data_dir: Path,
    clock: Clock,
    *,
    trusted: ssl.SSLContext | None = None,
    **settings: Any,
) -> AsyncIterator[World]:
    known = catalogue.load()
    chosen = Settings(data_dir=data_dir, api_key="the key", public_url=PUBLIC, private_destinations=True)
    markets = Markets(database, known, SOURCES, clock)
    await markets.refresh()
    async with open_desk(
        replace(chosen, **settings),
        database=database,
        catalogue=known,
        markets=markets,
        estimator=ESTIMATOR,
        sources=SOURCES,
        clock=clock,
        trusted=trusted,
    ) as desk:
        yield World(desk=desk, database=database, markets=markets, clock=clock)


def h100s(usd: float | str = "19.92", **others: Any) -> Observation:
    """Eight H100 on demand."""
    return observation("h100.8x", usd, gpu_count=8, **others)


def spot_h100s(usd: float | str = "9.10", **others: Any) -> Observation:
    return observation("h100.8x", usd, gpu_count=8, pricing=PurchaseOption.SPOT, **others)


# A receiver of webhooks ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Posted:
    path: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes


Answering = Callable[[Posted], "Awaitable[tuple[int, Mapping[str, str]]]"]


@dataclass(slots=True)
class Receiver:
    """Remembers what was posted, and answers as it is told."""

    address: str = ""
    posted: list[Posted] = field(default_factory=list)
    answer: Answering | None = None

    def by_key(self) -> dict[str, Posted]:
        """What was posted, each message once: as a consumer does that keeps to the keys."""
        return {each.headers["idempotency-key"]: each for each in self.posted}


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """On the loopback, over real HTTP."""
    received = Receiver()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (posted := await _request(reader)) is not None:
                received.posted.append(posted)
                status, headers = await received.answer(posted) if received.answer else (204, {})
                lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n{lines}\r\n".encode())
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # whoever posted has gone, perhaps killed
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    received.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield received
    finally:
        server.close()


async def _request(reader: asyncio.StreamReader) -> Posted | None:
    first = await reader.readline()
    if not first:
        return None
    headers = {}
    while line := (await reader.readline()).decode().strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Posted(first.decode().split()[1], headers, body)


def answers(*statuses: int, then: int = 204, headers: Mapping[str, str] | None = None) -> Answering:
    """These statuses one after the other, then always the same."""
    left = list(statuses)

    async def answer(posted: Posted) -> tuple[int, Mapping[str, str]]:
        return (left.pop(0) if left else then), headers or {}

    return answer


# A mail server -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class MailServer:
    """Takes mail, and refuses as it is told."""

    port: int = 0
    scheme: str = "smtps"
    trusted: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    mail: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    refusals: dict[str, list[str]] = field(default_factory=dict)  # what each recipient is told, one after the other
    passwords: list[tuple[str, str]] = field(default_factory=list)  # users and passwords that it was told
    were_encrypted: list[bool] = field(default_factory=list)  # the connections by which mail came
    silent_s: float = 0.0

    @property
    def address(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: LoginPassword
    ) -> AuthResult:
        self.passwords.append((given.login.decode(), given.password.decode()))
        return AuthResult(success=True)

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        await asyncio.sleep(self.silent_s)
        if self.refusals.get(address):
            return self.refusals[address].pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.recipients += envelope.rcpt_tos
        self.were_encrypted.append(server.transport.get_extra_info("sslcontext") is not None)
        assert isinstance(envelope.content, bytes)
        message = BytesParser(policy=MAIL_POLICY).parsebytes(envelope.content)
        assert isinstance(message, EmailMessage)
        self.mail.append(message)
        return "250 Taken"


@asynccontextmanager
async def mail_server(
    folder: Path, encrypted: Literal["from the start", "by STARTTLS", "never"] = "from the start"
) -> AsyncIterator[MailServer]:
    """With a certificate that only its `trusted` knows; where there is STARTTLS, nothing is taken without it."""
    certificate = folder / "mail.pem"
    certificate.write_bytes(_self_signed())
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    served = MailServer(trusted=ssl.create_default_context(cafile=str(certificate)))
    loop = asyncio.get_running_loop()

    def smtp() -> SMTP:
        return SMTP(
            served,
            hostname="mail.example",
            enable_SMTPUTF8=True,
            loop=loop,
            tls_context=tls if encrypted == "by STARTTLS" else None,
            require_starttls=encrypted == "by STARTTLS",
            authenticator=served.authenticate,
            auth_require_tls=False,
        )

    server = await loop.create_server(smtp, "127.0.0.1", 0, ssl=tls if encrypted == "from the start" else None)
    served.port = server.sockets[0].getsockname()[1]
    served.scheme = "smtps" if encrypted == "from the start" else "smtp"
    try:
        yield served
    finally:
        server.close()


def _self_signed() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    addresses = [x509.IPAddress(ipaddress.ip_address(each)) for each in ("127.0.0.1", ELSEWHERE)]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


# Object storage ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A bucket, and a key that may do nothing but write there."""

    endpoint: str
    name: str
    access_key_id: str
    secret_access_key: str
    client: Any = field(repr=False)  # of its owner

    def destination(self, path: str, **others: str) -> dict[str, str]:
        keys = {"access_key_id": self.access_key_id, "secret_access_key": self.secret_access_key}
        return {"kind": "s3", "endpoint": self.endpoint, "bucket": self.name, "path": path} | keys | others

    def objects(self) -> dict[str, str]:
        """Each with its media type."""
        listed = self.client.list_objects_v2(Bucket=self.name).get("Contents", [])
        heads = {each["Key"]: self.client.head_object(Bucket=self.name, Key=each["Key"]) for each in listed}
        return {key: head["ContentType"] for key, head in heads.items()}

    def read(self, key: str) -> str:
        text: str = self.client.get_object(Bucket=self.name, Key=key)["Body"].read().decode()
        return text


@contextmanager
def object_storage() -> Iterator[Bucket]:
    """A store on the loopback that checks signatures and rights as AWS does."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"

    def connect(service: str, access_key_id: str = "root", secret_access_key: str = "root") -> Any:
        keys = {"aws_access_key_id": access_key_id, "aws_secret_access_key": secret_access_key}
        return boto3.client(service, region_name="us-east-1", endpoint_url=endpoint, **keys)

    try:
        owner, writer = _users(connect("iam"), owner="*", writer="s3:PutObject")
        client = connect("s3", **owner)
        client.create_bucket(Bucket="reports")
        httpx.post(f"{endpoint}/moto-api/reset-auth", content=b"0").raise_for_status()  # from now on, keys count
        yield Bucket(endpoint=endpoint, name="reports", client=client, **writer)
    finally:
        httpx.post(f"{endpoint}/moto-api/reset-auth", content=b"inf").raise_for_status()
        httpx.post(f"{endpoint}/moto-api/reset").raise_for_status()  # it remembers for the whole process
        server.stop()


def _users(iam: Any, **rights: str) -> Iterator[dict[str, str]]:
    """The keys of users who may do one thing."""
    for name, action in rights.items():
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        yield {"access_key_id": key["AccessKeyId"], "secret_access_key": key["SecretAccessKey"]}


@contextmanager
def patience(client: httpx.AsyncClient, seconds: float) -> Iterator[None]:
    """Less of it than in earnest: a test need not wait as long as a mail server deserves."""
    earnest = client.timeout
    client.timeout = httpx.Timeout(seconds)
    try:
        yield
    finally:
        client.timeout = earnest
