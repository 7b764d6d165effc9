"""Subscriptions, the reports made for them, and the outbox: what is to be delivered, and how that went."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSON, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.store.tables import ID, Table


def _check(name: str, rule: str) -> CheckConstraint:
    return CheckConstraint(rule, name=name)


def is_id(text: str) -> bool:
    """Whether it may be the id of a subscription or a report: of nothing else the database is asked."""
    return text.isascii() and text.isalnum() and len(text) <= 32


class StoredSubscription(Table):
    """What a reader asked for, and when the next report is due."""

    __tablename__ = "subscription"
    __table_args__ = (
        _check("language", "language IN ('en', 'es')"),
        _check("name", "name <> ''"),
        _check("due", "next_at IS NULL OR cron IS NOT NULL"),
        Index("ix_subscription_due", "next_at", postgresql_where=text("NOT paused")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    ranking: Mapped[dict[str, Any]]  # as the API takes it
    cron: Mapped[str | None]  # None: alerts only
    time_zone: Mapped[str]
    alerts: Mapped[list[Any]] = mapped_column(JSONB)
    language: Mapped[str]
    threshold_percent: Mapped[float]
    only_changes: Mapped[bool]
    paused: Mapped[bool]
    created_at: Mapped[datetime]
    next_at: Mapped[datetime | None]  # of the schedule
    last_sent_at: Mapped[datetime | None]  # when a destination first took a report
    last_report_id: Mapped[str | None]  # what the next report is compared with
    alert_states: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    alerts_checked_at: Mapped[datetime | None]
    alerts_checked_market: Mapped[str | None]  # its version
    problem: Mapped[str | None]  # why the last report could not be made

    destinations: Mapped[list[StoredDestination]] = relationship(
        back_populates="subscription",
        lazy="raise",
        cascade="all, delete-orphan",
        passive_deletes=True,
        order_by="StoredDestination.id",
    )


class StoredDestination(Table):
    """One way out of a subscription; its secrets sealed."""

    __tablename__ = "destination"
    __table_args__ = (Index(None, "subscription_id"),)

    id: Mapped[int] = mapped_column(BigInteger, ID, primary_key=True)
    subscription_id: Mapped[str] = mapped_column(ForeignKey("subscription.id", ondelete="CASCADE"))
    kind: Mapped[str]
    lane: Mapped[str]  # what it may hold up
    shown: Mapped[dict[str, Any]]
    sealed: Mapped[bytes]
    unsubscribed_at: Mapped[datetime | None]

    subscription: Mapped[StoredSubscription] = relationship(back_populates="destinations", lazy="raise")


class StoredReport(Table):
    """A report exactly as it was sent, with the ranking that it showed. It outlives its subscription."""

    __tablename__ = "report"
    __table_args__ = (
        UniqueConstraint("subscription_id", "slot", name="slot"),
        _check("reason", "reason IN ('schedule', 'alert', 'asked')"),
        Index(None, "made_at", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    subscription_id: Mapped[str]
    subscription: Mapped[str]  # its name then
    slot: Mapped[str]  # what it was made for; nothing is reported twice
    reason: Mapped[str]
    made_at: Mapped[datetime]
    language: Mapped[str]
    subject: Mapped[str]
    value: Mapped[dict[str, Any]] = mapped_column(JSON)  # every number and sentence of it, in the order of its fields
    ranking: Mapped[dict[str, Any]] = mapped_column(JSON)
    html: Mapped[str]
    text: Mapped[str]
    markdown: Mapped[str]
    chart: Mapped[bytes | None]  # PNG

    deliveries: Mapped[list[StoredDelivery]] = relationship(
        back_populates="report", lazy="raise", passive_deletes=True, order_by="StoredDelivery.id"
    )


class StoredDelivery(Table):
    """The outbox: one report to one destination, until it is taken or given up."""

    __tablename__ = "delivery"
    __table_args__ = (
        UniqueConstraint("idempotency_key", name="key"),
        _check("state", "state IN ('waiting', 'sent', 'failed', 'cancelled')"),
        _check("sent", "(state = 'sent') = (sent_at IS NOT NULL)"),
        _check("attempts", "attempts >= 0"),
        Index("ix_delivery_due", "next_attempt_at", postgresql_where=text("state = 'waiting'")),
        Index(None, "report_id"),
        Index(None, "destination_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, ID, primary_key=True)
    report_id: Mapped[str] = mapped_column(ForeignKey("report.id", ondelete="CASCADE"))
    destination_id: Mapped[int | None] = mapped_column(ForeignKey("destination.id", ondelete="SET NULL"))
    kind: Mapped[str]
    lane: Mapped[str]
    idempotency_key: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="waiting")  # waiting, sent, failed, cancelled
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    first_attempt_at: Mapped[datetime | None]
    next_attempt_at: Mapped[datetime]
    claimed_until: Mapped[datetime | None]  # somebody is sending it; past: they died of it
    sent_at: Mapped[datetime | None]
    error: Mapped[str | None]  # of the last attempt

    report: Mapped[StoredReport] = relationship(back_populates="deliveries", lazy="raise")
