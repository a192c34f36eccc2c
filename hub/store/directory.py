"""Accounts, organisations, clients, and what keeps guessing slow."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert_postgresql
from sqlalchemy.dialects.sqlite import insert as upsert_sqlite

from hub.models import accounts, assertions, attempts, clients, organisations
from hub.store.database import Database, Tx


@dataclass(frozen=True, slots=True)
class Organisation:
    """An organisation or service of the directory. `part_of`: the account of what it is a part of, or empty."""

    acc: str
    title: str
    type: str
    part_of: str = ""


def create_account(tx: Tx, cls: str) -> None:
    """Make the row of the account that `tx` holds, where it is not known yet."""
    values = {"cls": cls, "log_seq": 0, "verifier": "", "fetch": "", "fetch_before": "", "fetch_changed": 0}
    tx.conn.execute(insert(accounts).values(acc=tx.acc, **values))
    tx.known = True


# --- organisations ------------------------------------------------------------------------------------------------


def admit(tx: Tx, acc: str, title: str, type_: str, code: str, part_of: str = "") -> bool:
    """Let an organisation in; `code` is the hash of its admission code. A new code replaces an unused one.

    False where it has joined: then the code counts for nothing.
    """
    row = tx.conn.execute(select(organisations.c.joined).where(organisations.c.acc == acc)).one_or_none()
    values = {"title": title, "type": type_, "part_of": part_of}
    if row is None:
        tx.conn.execute(insert(organisations).values(acc=acc, code=code, joined=None, **values))
    else:
        values |= {"code": code} if row[0] is None else {}
        tx.conn.execute(update(organisations).where(organisations.c.acc == acc).values(**values))
    return row is None or row[0] is None


def put_organisation(tx: Tx, said: Organisation, now: int) -> None:
    """Note what another hub's directory says of an organisation that is at home there."""
    values = {"title": said.title, "type": said.type, "part_of": said.part_of}
    if tx.conn.execute(update(organisations).where(organisations.c.acc == said.acc).values(**values)).rowcount == 0:
        tx.conn.execute(insert(organisations).values(acc=said.acc, code="", joined=now, **values))


def organisations_at(conn: Connection, domain: str) -> list[str]:
    """The organisations and services that have joined and are at home at a hub."""
    here = organisations.c.acc.endswith(f"@{domain}", autoescape=True)
    query = select(organisations.c.acc).where(here, organisations.c.joined.is_not(None))
    return list(conn.execute(query.order_by(organisations.c.acc)).scalars())


def use_admission(tx: Tx, acc: str, code: str, now: int) -> bool:
    """Take an admission code. False where it is not this account's, or was used."""
    used = (
        update(organisations)
        .where(organisations.c.acc == acc, organisations.c.code == code, organisations.c.joined.is_(None))
        .values(code="", joined=now)
    )
    return tx.conn.execute(used).rowcount == 1


@dataclass(frozen=True, slots=True)
class Search:
    """Which organisations are looked for: by account, by words anywhere."""

    acc: str = ""
    words: str = ""


def organisations_found(
    conn: Connection, search: Search, after: str, limit: int | None
) -> tuple[list[Organisation], int]:
    """Organisations that have joined, by account, behind one of them; and how many there are in all."""
    conditions: list[ColumnElement[bool]] = [organisations.c.joined.is_not(None)]
    if search.acc:
        conditions.append(organisations.c.acc == search.acc)
    for word in search.words.split():
        title = organisations.c.title.icontains(word, autoescape=True)
        conditions.append(title | organisations.c.acc.icontains(word, autoescape=True))
    total = conn.execute(select(func.count()).select_from(organisations).where(*conditions)).scalar_one()
    row = organisations.c
    query = select(row.acc, row.title, row.type, row.part_of).where(*conditions)
    query = query.where(organisations.c.acc > after).order_by(organisations.c.acc).limit(limit)
    return [Organisation(*row) for row in conn.execute(query)], total


def organisation(conn: Connection, acc: str) -> Organisation | None:
    """An organisation that has joined."""
    found, _ = organisations_found(conn, Search(acc=acc), "", 1)
    return found[0] if found else None


def long_names(conn: Connection, length: int) -> list[str]:
    """The accounts of organisations that are longer than so many letters."""
    return list(conn.execute(select(organisations.c.acc).where(func.length(organisations.c.acc) > length)).scalars())


# --- what opens an account ----------------------------------------------------------------------------------------


def put_client(tx: Tx, dev: str, key: bytes, at: int) -> bool:
    """Register the key by which a device asks for tokens. False where a newer one, or another of that time, is held."""
    here = (clients.c.acc == tx.acc) & (clients.c.dev == dev)
    row = tx.conn.execute(select(clients.c.key, clients.c.at).where(here)).one_or_none()
    if row is None:
        tx.conn.execute(insert(clients).values(acc=tx.acc, dev=dev, key=key, at=at))
        return True
    if row[0] == key:
        return True
    if row[1] >= at:
        return False
    tx.conn.execute(update(clients).where(here).values(key=key, at=at))
    return True


def client_key(conn: Connection, acc: str, dev: str) -> bytes | None:
    """The key by which a device asks for tokens."""
    query = select(clients.c.key).where(clients.c.acc == acc, clients.c.dev == dev)
    return conn.execute(query).scalar_one_or_none()


def put_verifier(tx: Tx, verifier: str) -> None:
    """Set what a sign-in key is checked against."""
    tx.conn.execute(update(accounts).where(accounts.c.acc == tx.acc).values(verifier=verifier))


def verifier(conn: Connection, acc: str) -> str:
    """What a sign-in key is checked against; empty where there is nothing."""
    return conn.execute(select(accounts.c.verifier).where(accounts.c.acc == acc)).scalar_one_or_none() or ""


def fetch_hashes(conn: Connection, acc: str, since: int) -> list[str]:
    """Hashes of the fetch tokens that count: the present one, and the one before if it was replaced after `since`."""
    query = select(accounts.c.fetch, accounts.c.fetch_before, accounts.c.fetch_changed).where(accounts.c.acc == acc)
    row = conn.execute(query).one_or_none()
    if row is None:
        return []
    return [digest for digest in (row[0], row[1] if row[2] > since else "") if digest]


def use_assertion(db: Database, tx: Tx, client: str, jti: str, exp: int) -> bool:
    """Note that a client's assertion was used, until it ends. False if it was before."""
    make = upsert_postgresql if db.postgresql else upsert_sqlite
    used = make(assertions).values(client=client, jti=jti, exp=exp).on_conflict_do_nothing()
    return tx.conn.execute(used.returning(assertions.c.jti)).first() is not None


def count_attempt(db: Database, tx: Tx, subject: str, now: int, span: int) -> int:
    """Count a try of this subject; how many there were within `span` seconds, this one included."""
    tx.conn.execute(delete(attempts).where(attempts.c.subject == subject, attempts.c.since <= now - span))
    make = upsert_postgresql if db.postgresql else upsert_sqlite
    first = make(attempts).values(subject=subject, since=now, count=1)
    again = first.on_conflict_do_update(index_elements=["subject"], set_={"count": attempts.c.count + 1})
    return tx.conn.execute(again.returning(attempts.c.count)).scalar_one()


def sweep(tx: Tx, now: int, span: int) -> None:
    """Forget what has expired."""
    tx.conn.execute(delete(assertions).where(assertions.c.exp < now))
    tx.conn.execute(delete(attempts).where(attempts.c.since <= now - span))


def forget_attempts(tx: Tx, subject: str) -> None:
    """A right try ends the count."""
    tx.conn.execute(delete(attempts).where(attempts.c.subject == subject))
