"""Chains and what lies beside them: links, heads, ties, permits, bundles, the vault."""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, and_, bindparam, delete, insert, select, update

from consent.statements import Position, Statement
from hub.models import accounts, bundles, heads, links, permits, routes, streams, ties, vaults, wraps
from hub.store.database import Tx

ChainName = tuple[str, str, str]
"""Kind, account, the other."""


# Statements of every request are made once.
_HEADS = select(heads.c.kind, heads.c.oth, heads.c.seq, heads.c.hash).where(heads.c.acc == bindparam("acc"))
_ACCOUNT_HEADS = select(heads.c.acc, heads.c.seq, heads.c.hash).where(
    heads.c.acc.in_(bindparam("accs", expanding=True)), heads.c.kind == "acct", heads.c.oth == ""
)


def chain_heads(conn: Connection, acc: str) -> dict[tuple[str, str], Position]:
    """The heads of all chains of an account: (kind, oth) → position."""
    return {(kind, oth): (seq, hash_) for kind, oth, seq, hash_ in conn.execute(_HEADS, {"acc": acc})}


def account_heads(conn: Connection, names: Iterable[str]) -> dict[str, Position]:
    """The heads of these accounts' own chains, where they exist."""
    return {acc: (seq, hash_) for acc, seq, hash_ in conn.execute(_ACCOUNT_HEADS, {"accs": sorted(names)})}


def chain_head(conn: Connection, acc: str, kind: str, oth: str) -> Position | None:
    """The head of one chain."""
    query = select(heads.c.seq, heads.c.hash).where(heads.c.acc == acc, heads.c.kind == kind, heads.c.oth == oth)
    row = conn.execute(query).one_or_none()
    return (row[0], row[1]) if row else None


def heads_of(conn: Connection, chains: Iterable[ChainName]) -> dict[ChainName, Position]:
    """The heads of these chains, where they exist: one statement for all that differ in the account only."""
    alike: dict[tuple[str, str], list[str]] = {}
    for kind, acc, oth in chains:
        alike.setdefault((kind, oth), []).append(acc)
    found: dict[ChainName, Position] = {}
    for (kind, oth), accs in alike.items():
        here = and_(heads.c.acc.in_(accs), heads.c.kind == kind, heads.c.oth == oth)
        rows = conn.execute(select(heads.c.acc, heads.c.seq, heads.c.hash).where(here))
        found |= {(kind, acc, oth): (seq, hash_) for acc, seq, hash_ in rows}
    return found


def chain_links(conn: Connection, acc: str, kind: str, oth: str, after: int = -1) -> list[bytes]:
    """The frames of a chain behind a position."""
    here = and_(links.c.acc == acc, links.c.kind == kind, links.c.oth == oth, links.c.seq > after)
    return list(conn.execute(select(links.c.frame).where(here).order_by(links.c.seq)).scalars())


def append(tx: Tx, statement: Statement) -> None:
    """Keep a statement that was admitted, as the new head of its chain."""
    place = {"acc": statement.acc, "kind": statement.kind, "oth": statement.oth}
    tx.conn.execute(insert(links).values(seq=statement.seq, frame=statement.raw, **place))
    if statement.seq == 0:
        tx.conn.execute(insert(heads).values(seq=0, hash=statement.hash, **place))
        return
    here = and_(heads.c.acc == statement.acc, heads.c.kind == statement.kind, heads.c.oth == statement.oth)
    tx.conn.execute(update(heads).where(here).values(seq=statement.seq, hash=statement.hash))


def tie(tx: Tx, others: Iterable[str]) -> None:
    """Note who has to do with the account."""
    held = set(tx.conn.execute(select(ties.c.oth).where(ties.c.acc == tx.acc)).scalars())
    rows = [{"acc": tx.acc, "oth": oth} for oth in sorted(set(others) - held)]
    if rows:
        tx.conn.execute(insert(ties), rows)


def ties_of(conn: Connection, acc: str) -> list[str]:
    """Who has to do with the account; hubs that hold its chain among them."""
    return list(conn.execute(select(ties.c.oth).where(ties.c.acc == acc).order_by(ties.c.oth)).scalars())


def hubs_tied(conn: Connection, acc: str) -> set[str]:
    """The hubs that hold the account's chain."""
    return {name for name in ties_of(conn, acc) if "@" not in name}


def patients_of(conn: Connection, name: str) -> list[str]:
    """The patients with whom an account has to do."""
    return list(conn.execute(select(ties.c.acc).where(ties.c.oth == name).order_by(ties.c.acc)).scalars())


def tied(conn: Connection, one: str, other: str) -> list[str]:
    """The patients with whom both have to do."""
    mine, theirs = ties.alias(), ties.alias()
    query = select(mine.c.acc).join(theirs, theirs.c.acc == mine.c.acc).where(mine.c.oth == one, theirs.c.oth == other)
    return list(conn.execute(query.order_by(mine.c.acc)).scalars())


def relations_of(conn: Connection, acc: str) -> list[tuple[str, str]]:
    """The relation chains in which an account is a side: (patient, counterpart)."""
    near = select(ties.c.acc).where(ties.c.oth == acc)
    query = select(heads.c.acc, heads.c.oth).where(
        heads.c.kind == "rel", heads.c.acc.in_(near), (heads.c.acc == acc) | (heads.c.oth == acc)
    )
    return [(a, o) for a, o in conn.execute(query.order_by(heads.c.acc, heads.c.oth))]


# --- streams and permits ------------------------------------------------------------------------------------------


def add_streams(tx: Tx, set_id: str, ids: Mapping[str, int]) -> bool:
    """Make the streams of a new set known. False where an id is another patient's already."""
    taken = select(routes.c.stream).where(routes.c.stream.in_(sorted(ids)))
    if tx.conn.execute(taken.limit(1)).first():
        return False
    tx.conn.execute(insert(routes), [{"stream": stream, "acc": tx.acc} for stream in ids])
    rows = [
        {"acc": tx.acc, "stream": stream, "set_id": set_id, "idx": index, "pos": 0, "size": 0}
        for stream, index in ids.items()
    ]
    tx.conn.execute(insert(streams), rows)
    return True


def add_permit(tx: Tx, set_id: str, aut: str, frame: bytes) -> None:
    """Keep the permit of a set."""
    tx.conn.execute(insert(permits).values(acc=tx.acc, set_id=set_id, aut=aut, frame=frame))


def permits_of(conn: Connection, acc: str, set_ids: Iterable[str]) -> dict[str, bytes]:
    """The permit frames of these sets, where they have one."""
    query = select(permits.c.set_id, permits.c.frame).where(permits.c.acc == acc, permits.c.set_id.in_(sorted(set_ids)))
    return dict(conn.execute(query).all())


# --- bundles and the vault ----------------------------------------------------------------------------------------


def add_bundle(tx: Tx, lst: str, oth: str, blob: bytes) -> None:
    """Keep a bundle."""
    tx.conn.execute(insert(bundles).values(acc=tx.acc, lst=lst, oth=oth, blob=blob))


def drop_bundles(tx: Tx, keep: Iterable[str]) -> None:
    """Delete all bundles of the account but these."""
    tx.conn.execute(delete(bundles).where(bundles.c.acc == tx.acc, bundles.c.lst.not_in(sorted(keep))))


def bundle(conn: Connection, acc: str, lst: str) -> tuple[str, bytes] | None:
    """A bundle and its counterpart."""
    query = select(bundles.c.oth, bundles.c.blob).where(bundles.c.acc == acc, bundles.c.lst == lst)
    row = conn.execute(query).one_or_none()
    return (row[0], row[1]) if row else None


def put_vault(tx: Tx, ver: int, ciphertext: bytes) -> None:
    """Replace the sealed vault."""
    tx.conn.execute(delete(vaults).where(vaults.c.acc == tx.acc))
    tx.conn.execute(insert(vaults).values(acc=tx.acc, ver=ver, ciphertext=ciphertext))


def put_wraps(tx: Tx, given: Mapping[str, bytes]) -> None:
    """Replace all wraps of the vault's key."""
    tx.conn.execute(delete(wraps).where(wraps.c.acc == tx.acc))
    if given:
        tx.conn.execute(insert(wraps), [{"acc": tx.acc, "name": name, "wrap": wrap} for name, wrap in given.items()])


def vault(conn: Connection, acc: str) -> tuple[int, bytes, dict[str, bytes]] | None:
    """Version, ciphertext and wraps of the sealed vault."""
    row = conn.execute(select(vaults.c.ver, vaults.c.ciphertext).where(vaults.c.acc == acc)).one_or_none()
    if row is None:
        return None
    query = select(wraps.c.name, wraps.c.wrap).where(wraps.c.acc == acc).order_by(wraps.c.name)
    return row[0], row[1], dict(conn.execute(query).all())


def put_fetch(tx: Tx, digest: str, now: int, keep: bool) -> None:
    """Set the hash of the recovery sheet's fetch token; `keep` lets the one before work on for its time."""
    row = tx.conn.execute(select(accounts.c.fetch).where(accounts.c.acc == tx.acc)).one()
    if row[0] == digest:
        return
    values = {"fetch": digest, "fetch_before": row[0] if keep else "", "fetch_changed": now}
    tx.conn.execute(update(accounts).where(accounts.c.acc == tx.acc).values(**values))
