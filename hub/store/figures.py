"""What a hub may tell everybody: counts, never who."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from hub.models import organisations, streams, vaults


@dataclass(frozen=True, slots=True)
class Figures:
    """People with an account at home here, envelopes kept for them, and the directory's organisations by type."""

    persons: int
    envelopes: int
    organisations: Mapping[str, int]


def figures(conn: Connection, domain: str) -> Figures:
    """Count. It reads all vaults' names and all streams: whoever asks often keeps the answer."""
    here = vaults.c.acc.endswith(f"@{domain}", autoescape=True)  # an account that was closed has no vault any more
    persons = conn.execute(select(func.count()).select_from(vaults).where(here))
    at_home = streams.c.acc.endswith(f"@{domain}", autoescape=True)
    envelopes = conn.execute(select(func.coalesce(func.sum(streams.c.pos), 0)).where(at_home))
    joined = organisations.c.joined.is_not(None)
    by_type = select(organisations.c.type, func.count().label("number")).where(joined).group_by(organisations.c.type)
    kinds = {row.type: row.number for row in conn.execute(by_type)}
    return Figures(persons.scalar_one(), int(envelopes.scalar_one()), kinds)
