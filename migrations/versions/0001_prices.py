"""Runs, what is sold, its prices and the quarantine; workloads that users add."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

REFUSE_OVERWRITING = """
CREATE FUNCTION refuse_overwriting_a_price() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'price % is history: open a new one instead of overwriting it', OLD.id
    USING ERRCODE = 'restrict_violation';
END $$;
"""
NEVER_OVERWRITTEN = """
CREATE TRIGGER never_overwritten BEFORE UPDATE OF sku_id, price_per_hour, currency, first_seen ON price
FOR EACH ROW WHEN (
  (OLD.sku_id, OLD.price_per_hour, OLD.currency, OLD.first_seen)
  IS DISTINCT FROM (NEW.sku_id, NEW.price_per_hour, NEW.currency, NEW.first_seen)
) EXECUTE FUNCTION refuse_overwriting_a_price();
"""


def upgrade() -> None:
    op.create_table(
        "run",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("collector", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("started_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("finished_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("error_kind", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=True),
        sa.Column("bytes_fetched", sa.BigInteger(), nullable=False),
        sa.Column("offers", sa.Integer(), nullable=False),
        sa.Column("observations", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("repeated", sa.Integer(), nullable=False),
        sa.Column("opened", sa.Integer(), server_default="0", nullable=False),
        sa.Column("closed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("extended", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("(outcome = 'failed') = (error_kind IS NOT NULL)", name=op.f("ck_run_error")),
        sa.CheckConstraint("outcome <> 'set_aside' OR error IS NOT NULL", name=op.f("ck_run_reason")),
        sa.CheckConstraint("outcome IN ('ok', 'set_aside', 'failed')", name=op.f("ck_run_outcome")),
        sa.CheckConstraint("source IN ('live', 'catalogue', 'bundled')", name=op.f("ck_run_source")),
        sa.CheckConstraint("started_at <= finished_at", name=op.f("ck_run_times")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
    )
    op.create_index(op.f("ix_run_collector_id"), "run", ["collector", "id"], unique=False)
    op.create_table(
        "sku",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("collector", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("seller", sa.Text(), nullable=True),
        sa.Column("instance_type", sa.Text(), nullable=False),
        sa.Column("gpu", sa.Text(), nullable=False),
        sa.Column("gpu_count", sa.Integer(), nullable=False),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("tier", sa.Text(), nullable=True),
        sa.Column("pricing", sa.Text(), nullable=False),
        sa.Column("term_months", sa.Integer(), nullable=True),
        sa.Column("gpu_memory_gb", sa.Float(), nullable=False),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_url", sa.Text(), nullable=False),
        sa.Column("count_is_derived", sa.Boolean(), nullable=False),
        sa.Column("missed_runs", sa.SmallInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "'' NOT IN (coalesce(seller, '-'), coalesce(region, '-'), coalesce(tier, '-'))",
            name=op.f("ck_sku_optional_texts"),
        ),
        sa.CheckConstraint("'' NOT IN (provider, instance_type, gpu)", name=op.f("ck_sku_texts")),
        sa.CheckConstraint(
            "(pricing = 'reserved') = (term_months IS NOT NULL) AND coalesce(term_months, 1) > 0",
            name=op.f("ck_sku_term"),
        ),
        sa.CheckConstraint("country ~ '^[A-Z]{2}$'", name=op.f("ck_sku_country")),
        sa.CheckConstraint("pricing IN ('on_demand', 'spot', 'reserved')", name=op.f("ck_sku_pricing")),
        sa.CheckConstraint("source IN ('live', 'catalogue', 'bundled')", name=op.f("ck_sku_source")),
        sa.CheckConstraint("gpu_count > 0 AND gpu_memory_gb > 0", name=op.f("ck_sku_gpus")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sku")),
        sa.UniqueConstraint(
            "collector",
            "provider",
            "seller",
            "instance_type",
            "gpu",
            "gpu_count",
            "region",
            "tier",
            "pricing",
            "term_months",
            name=op.f("uq_sku_key"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_table(
        "workload",
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("slug ~ '^[a-z0-9][a-z0-9.-]*$'", name=op.f("ck_workload_slug")),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_workload")),
    )
    op.create_table(
        "price",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("sku_id", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("price_per_hour", sa.Numeric(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("first_seen", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("last_seen", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("closed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("available", sa.Boolean(), nullable=True),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_price_currency")),
        sa.CheckConstraint("price_per_hour > 0 AND price_per_hour < 'Infinity'", name=op.f("ck_price_amount")),
        sa.CheckConstraint(
            "first_seen <= last_seen AND last_seen <= coalesce(closed_at, last_seen)", name=op.f("ck_price_times")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_price_run")),
        sa.ForeignKeyConstraint(["sku_id"], ["sku.id"], name=op.f("fk_price_sku")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price")),
        postgresql_with={"fillfactor": "60"},
    )
    op.create_index(op.f("ix_price_closed_at"), "price", ["closed_at"], unique=False)
    op.create_index(op.f("ix_price_sku_id_first_seen"), "price", ["sku_id", "first_seen"], unique=False)
    op.create_index("uq_price_open", "price", ["sku_id"], unique=True, postgresql_where=sa.text("closed_at IS NULL"))
    op.create_table(
        "rejection",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("offer", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_rejection_run"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rejection")),
    )
    op.create_index(op.f("ix_rejection_reason_id"), "rejection", ["reason", "id"], unique=False)
    op.create_index(op.f("ix_rejection_run_id"), "rejection", ["run_id"], unique=False)
    op.execute(REFUSE_OVERWRITING)
    op.execute(NEVER_OVERWRITTEN)


def downgrade() -> None:
    op.drop_table("rejection")
    op.drop_table("price")
    op.drop_table("workload")
    op.drop_table("sku")
    op.drop_table("run")
    op.execute("DROP FUNCTION refuse_overwriting_a_price")
