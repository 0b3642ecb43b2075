"""What every table is built from."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

#: the tables of the controller; identity and image have databases of their own
CONTROLLER = sa.MetaData(naming_convention=CONVENTION)
IDENTITY = sa.MetaData(naming_convention=CONVENTION)
IMAGE = sa.MetaData(naming_convention=CONVENTION)

#: MariaDB would compare without case and cut at 191 characters otherwise
MYSQL: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
MARIADB: dict[str, Any] = {"mariadb_engine": "InnoDB", "mariadb_charset": "utf8mb4", "mariadb_collate": "utf8mb4_bin"}


def table(metadata: sa.MetaData, name: str, *columns: Any) -> sa.Table:
    """A table with this product's settings for each database."""
    return sa.Table(name, metadata, *columns, **MYSQL, **MARIADB)


def uuid(name: str = "id", *args: Any, **kwargs: Any) -> sa.Column[str]:
    """A UUID as text; the column named ``id`` is the primary key."""
    if name == "id":
        kwargs.setdefault("primary_key", True)
    return sa.Column(name, sa.String(36), *args, **kwargs)


def ident(name: str, *args: Any, **kwargs: Any) -> sa.Column[str]:
    """A foreign or external id or a short name, at most 64 characters."""
    return sa.Column(name, sa.String(64), *args, **kwargs)


def text(name: str, length: int = 255, **kwargs: Any) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), **kwargs)


def json(name: str, **kwargs: Any) -> sa.Column[str]:
    """JSON as text, written and read by ``iaas.db.codec``: at most 64 KiB."""
    return sa.Column(name, sa.Text(), **kwargs)


def time(name: str, **kwargs: Any) -> sa.Column[float]:
    """Seconds since the epoch."""
    return sa.Column(name, sa.Double(), **kwargs)


def count(name: str, default: int = 0, **kwargs: Any) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False, default=default, server_default=str(default), **kwargs)


def flag(name: str, default: bool = False) -> sa.Column[bool]:
    return sa.Column(
        name,
        sa.Boolean(),
        nullable=False,
        default=default,
        server_default=sa.true() if default else sa.false(),
    )
