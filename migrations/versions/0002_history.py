"""What an offer includes, whose word it is, exchange rates by day, and when a source may be asked again.

Only adds: the software of the version before goes on reading. Taking it back forgets what only this version knows:
exchange rates, and prices and runs from a file of the past.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | Sequence[str] | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

OFFER_ID = (
    "left(md5(collector || chr(31) || provider || chr(31) || coalesce(seller, '') || chr(31) || instance_type"
    " || chr(31) || gpu || chr(31) || gpu_count::text || chr(31) || coalesce(region, '') || chr(31)"
    " || coalesce(tier, '') || chr(31) || pricing || chr(31) || coalesce(term_months::text, '')), 12)"
)
NEVER_OVERWRITTEN = """
CREATE OR REPLACE TRIGGER never_overwritten BEFORE UPDATE OF {columns} ON price
FOR EACH ROW WHEN (({old}) IS DISTINCT FROM ({new})) EXECUTE FUNCTION refuse_overwriting_a_price();
"""


def upgrade() -> None:
    for column in ("vcpus", "host_memory_gb", "disk_gb", "network_gbit_s"):
        op.add_column("sku", sa.Column(column, sa.Float(), nullable=True))
    op.add_column("sku", sa.Column("interconnect", sa.Text(), nullable=True))
    op.add_column("sku", sa.Column("attribution", sa.Text(), nullable=True))
    op.add_column("sku", sa.Column("offer_id", sa.Text(), sa.Computed(OFFER_ID, persisted=True), nullable=False))
    op.create_check_constraint(op.f("ck_sku_interconnect"), "sku", "interconnect IN ('nvlink', 'pcie')")
    op.create_check_constraint(
        op.f("ck_sku_included"), "sku", "least(vcpus, host_memory_gb, disk_gb, network_gbit_s) >= 0"
    )
    op.create_index(op.f("ix_sku_gpu"), "sku", ["gpu"], unique=False)
    op.create_index(op.f("ix_sku_offer_id"), "sku", ["offer_id"], unique=False)
    op.add_column("price", sa.Column("upfront", sa.Numeric(), nullable=True))
    op.create_check_constraint(op.f("ck_price_upfront"), "price", "upfront >= 0 AND upfront < 'Infinity'")
    _refuse_overwriting("sku_id", "price_per_hour", "currency", "first_seen", "upfront")
    op.add_column("run", sa.Column("retry_at", sa.TIMESTAMP(timezone=True), nullable=True))
    _allow_sources("sku", "live", "catalogue", "bundled", "history")
    _allow_sources("run", "live", "catalogue", "bundled", "history", "rates")
    op.create_table(
        "exchange_rate",
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("units_per_eur", sa.Numeric(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_exchange_rate_currency")),
        sa.CheckConstraint("units_per_eur > 0 AND units_per_eur < 'Infinity'", name=op.f("ck_exchange_rate_rate")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_exchange_rate_run")),
        sa.PrimaryKeyConstraint("currency", "day", name=op.f("pk_exchange_rate")),
    )


def downgrade() -> None:
    op.drop_table("exchange_rate")
    op.execute("DELETE FROM price USING sku WHERE sku.id = price.sku_id AND sku.source = 'history'")
    op.execute("DELETE FROM sku WHERE source = 'history'")
    op.execute("DELETE FROM run WHERE source IN ('history', 'rates')")
    _allow_sources("run", "live", "catalogue", "bundled")
    _allow_sources("sku", "live", "catalogue", "bundled")
    op.drop_column("run", "retry_at")
    _refuse_overwriting("sku_id", "price_per_hour", "currency", "first_seen")
    op.drop_column("price", "upfront")
    for column in (
        *("offer_id", "attribution", "interconnect"),
        *("network_gbit_s", "disk_gb", "host_memory_gb", "vcpus"),
    ):
        op.drop_column("sku", column)
    op.drop_index(op.f("ix_sku_gpu"), table_name="sku")


def _refuse_overwriting(*columns: str) -> None:
    old, new = (", ".join(f"{row}.{column}" for column in columns) for row in ("OLD", "NEW"))
    op.execute(NEVER_OVERWRITTEN.format(columns=", ".join(columns), old=old, new=new))


def _allow_sources(table: str, *sources: str) -> None:
    allowed = ", ".join(f"'{source}'" for source in sources)
    op.drop_constraint(op.f(f"ck_{table}_source"), table, type_="check")
    op.create_check_constraint(op.f(f"ck_{table}_source"), table, f"source IN ({allowed})")
