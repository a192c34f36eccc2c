"""Letting an organisation in: the operator's decision, on the command line or on the operator's page."""

import secrets

from consent import identifiers
from consent.primitives import Rejected, b32
from fhir_profiles.problems import Problem
from hub.context import Hub
from hub.organisations import MAX_TITLE, TYPES, read_title, read_whole
from hub.store import directory as store
from hub.store.hashing import digest

CODE_BYTES = 20


def admit(home: Hub, name: str, type_: str, title: str, part_of: str = "") -> str:
    """Let an organisation make the account `name` here; returns its admission code, good once.

    An unused code is replaced. Of an organisation that has joined only title, type and what it is a part of change;
    then the code opens nothing, and is empty. Raises `Problem(value)` with the `field` `name`, `type`, `title` or
    `part-of`.
    """
    if not read_title(title):
        raise Problem("value", f"An organisation needs a title, of {MAX_TITLE} letters at most.", field="title")
    if type_ not in TYPES:
        raise Problem("value", f"Only organisations are admitted: {', '.join(TYPES)}.", field="type")
    account = _account(name, home.config.domain)
    whole = read_whole(part_of)
    if part_of and not whole:
        detail = "What it is a part of is named by an organisation's account, name@hub."
        raise Problem("value", detail, field="part-of")
    code = b32(secrets.token_bytes(CODE_BYTES))
    with home.db.write() as tx:
        waits = store.admit(tx, account, read_title(title), type_, digest(code), whole)
    return code if waits else ""


def _account(name: str, domain: str) -> str:
    try:
        account = identifiers.account(f"{name.partition('@')[0]}@{domain}")
    except Rejected:
        raise Problem("value", "The name must be 2 to 63 of a-z, 0-9 and dashes.", field="name") from None
    if account.is_person:
        raise Problem(
            "value", "A name that begins with p- is a person's: only organisations are admitted.", field="name"
        )
    return str(account)
