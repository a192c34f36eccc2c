"""Routes: making an account, registering a device's token key, signing in, recovering."""

import secrets
from collections.abc import Sequence
from functools import cache

from flask import Blueprint, Response
from werkzeug.security import check_password_hash, generate_password_hash

from consent import identifiers, messages
from consent.accounts import RECOVERY_SECONDS, AccountState
from consent.grants import Record
from consent.messages import ClientRegistration
from consent.primitives import Rejected, b64
from fhir_profiles.access_tokens import unauthenticated
from fhir_profiles.problems import Problem
from hub import auth, wire
from hub.context import Hub, hub
from hub.limits import count_try, forget_tries, slow_down
from hub.refusals import refusal
from hub.statements import Offer, read, take
from hub.store import audit
from hub.store import chains as chain_store
from hub.store import directory as store
from hub.store.database import Tx
from hub.store.hashing import digest

MAX_FRAMES = 64
BODY_BYTES = 1024 * 1024
SCRYPT = "scrypt:4096:8:1"
"""Cheap: what is hashed was stretched before, on the device, by Argon2id."""

pages = Blueprint("enrolment", __name__)


@pages.post("/v1/accounts")
def create_account() -> Response:
    """Make an account: its first statements, its first device's token key, an organisation's admission code."""
    slow_down()
    body = wire.json_body("frames", "client", optional=["admission"], limit=BODY_BYTES)
    offers = [read(frame) for frame in wire.array(body["frames"], "frames", wire.binary, MAX_FRAMES)]
    registration = _registration(wire.binary(body["client"], "client"))
    made = enrol(hub(), offers, registration, wire.text(body.get("admission", ""), "admission"))
    return wire.answer({"account": registration.acc, "client_id": f"{registration.acc}/{registration.dev}"}, made)


def enrol(home: Hub, offers: Sequence[Offer], registration: ClientRegistration, admission: str) -> int:
    """Make an account, all or nothing. Returns 201, or 200 if it was made so before. Raises `Problem`."""
    acc = registration.acc
    if not offers or {(o.statement.kind, o.statement.acc) for o in offers} != {("acct", acc)}:
        raise Problem("invalid", "An account begins with statements of its own chain.")
    if identifiers.account(acc).domain != home.config.domain:
        raise Problem("unprocessable", "The account's domain is not this hub's.")
    now = home.now()
    with home.db.write(acc) as tx:
        if tx.known:
            _same_again(tx, acc, offers)
            _register(tx, home.chains(tx.conn).account(acc), registration, now)
            return 200
        store.create_account(tx, str(offers[0].statement.body.get("class", "")))
        if not identifiers.account(acc).is_person and not store.use_admission(tx, acc, digest(admission), now):
            raise Problem("forbidden", "The hub's operator has not admitted an account of this name by this code.")
        record = Record(AccountState(acc))
        for offer in offers:
            record = take(home, tx, record, offer, now, registration.dev)
        _register(tx, record.account, registration, now)
        tx.then.append(lambda: home.cache.put(record.account))
    return 201


def _same_again(tx: Tx, acc: str, offers: Sequence[Offer]) -> None:
    held = chain_store.chain_links(tx.conn, acc, "acct", "")
    if held[: len(offers)] != [offer.statement.raw for offer in offers]:
        raise Problem("conflict", "There is another account of this name.")


@pages.post("/v1/clients")
def register_client() -> Response:
    """Register the key by which a further device asks for tokens. Who signs wrongly learns nothing."""
    slow_down()
    registration = _registration(wire.binary(wire.json_body("frame")["frame"], "frame"))
    home = hub()
    if identifiers.account(registration.acc).domain != home.config.domain:  # its chain may be held here all the same
        raise unauthenticated("The registration is not signed by a device of the account.")
    with home.db.write(registration.acc) as tx:
        _register(tx, home.chains(tx.conn).account(registration.acc), registration, home.now())
    return wire.answer({"client_id": f"{registration.acc}/{registration.dev}"}, 201)


def _registration(frame: bytes) -> ClientRegistration:
    try:
        return messages.read_registration(frame)
    except Rejected as rejected:
        raise refusal(rejected) from None


def _register(tx: Tx, account: AccountState, registration: ClientRegistration, now: int) -> None:
    """Keep a registration. One that is held already needs not be fresh. Raises `Problem`."""
    if store.client_key(tx.conn, registration.acc, registration.dev) == registration.key:
        return
    try:
        registration.verify(account, now)
    except Rejected as rejected:
        if rejected.reason == "clock":
            raise refusal(rejected, now=now) from None
        raise unauthenticated("The registration is not signed by a device of the account.") from None
    if not store.put_client(tx, registration.dev, registration.key, registration.at):
        raise Problem("conflict", "The device has registered another key since.")
    audit.write(tx, at=now, actor=account.acc, device=registration.dev, action="client", detail={})


# --- passphrase and recovery sheet --------------------------------------------------------------------------------


@pages.put("/v1/sign-in")
def set_sign_in() -> Response:
    """Set the sign-in key, which the passphrase yields. It opens the sealed vault and nothing else."""
    caller = auth.caller()
    if caller.role != "client":
        raise Problem("forbidden", "Only a client of the account sets its sign-in key.")
    key = wire.binary(wire.json_body("key")["key"], "key", 32)
    verifier = generate_password_hash(b64(key), method=SCRYPT)
    with hub().db.write(caller.acc) as tx:
        store.put_verifier(tx, verifier)
        audit.write(tx, at=hub().now(), actor=caller.acc, device=caller.dev, action="passphrase", detail={})
    return Response(status=204)


@pages.post("/v1/sign-in")
def sign_in() -> Response:
    """A short token for the sealed vault, by the sign-in key."""
    slow_down()
    body = wire.json_body("account", "key")
    account, key = wire.text(body["account"], "account"), wire.binary(body["key"], "key", 32)
    home = hub()
    tries = count_try(home, "sign-in", account)
    with home.db.read() as conn:
        verifier = store.verifier(conn, account)
    good = check_password_hash(verifier or _no_verifier(), b64(key))
    if not (verifier and good):
        raise unauthenticated("Account and key do not fit.")
    forget_tries(tries)
    return _vault_token(home, account, "sign-in")


@pages.post("/v1/recover")
def recover() -> Response:
    """A short token for the sealed vault, by the recovery sheet's fetch token.

    Nobody can guess that: wrong ones are counted, and the right one is never kept out by them.
    """
    slow_down()
    body = wire.json_body("account", "token")
    account, token = wire.text(body["account"], "account"), wire.binary(body["token"], "token", 32)
    home = hub()
    with home.db.read() as conn:
        hashes = store.fetch_hashes(conn, account, home.now() - RECOVERY_SECONDS)
    if not sum(secrets.compare_digest(digest(token), known) for known in hashes):
        count_try(home, "recover", account)
        raise unauthenticated("Account and token do not fit.")
    return _vault_token(home, account, "recover")


@cache
def _no_verifier() -> str:
    """What a key is checked against where there is no account, so that it takes as long."""
    return generate_password_hash(secrets.token_hex(32), method=SCRYPT)


def _vault_token(home: Hub, account: str, action: str) -> Response:
    with home.db.write(account) as tx:
        audit.write(tx, at=home.now(), actor=account, action=action, detail={})
    return wire.answer(auth.issue(home, account, auth.VAULT))
