"""The patient's side: who has the keys of her vault and signs for her, and the one way in which anything is written.

That is her own client, or the client of a delegate of scope `full`. What is to be sent is kept first; sending the same
bytes again is harmless; what is still to be done is computed by `owed` from the chains and the vault. So whatever a
crash leaves half done, the next start finishes.
"""

import json
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from connectors.chain_store import ChainStore
from connectors.hub_client import HubClient
from connectors.keyring import Keyring
from connectors.local_database import get_state, set_state
from consent import declarations, guardians, hidden, steps
from consent import vault as vaults
from consent.accounts import AccountState
from consent.declarations import Declaration
from consent.grants import Record
from consent.messages import Message, unseal
from consent.owed import owed, owed_after
from consent.primitives import Rejected, b64, unb64
from consent.rules import blob_hash, compartments
from consent.statements import Statement, parse, sign
from consent.steps import Written
from consent.streams import position
from consent.vault import Terms, Vault, Word
from fhir_profiles.problems import UNDECIDED, Problem

MAX_STEPS = 10_000
MAX_RACES = 20

RACES = ("head", "seq", "prev", "owed-keys", "tainted", "stale-key", "stale", "set-taken")
"""Reasons after which the chains are read again and the next step is computed anew."""

ROLLBACK = "rollback"
"""The hub's chain is shorter than what it acknowledged: nothing is written beside it."""

WISHES = ("grant", "end", "permit", "unpermit")

T = TypeVar("T")


@dataclass(frozen=True)
class Declared:
    """An emergency of the patient `acc`, open from `at` until `until` by her hub; `verdict`: what she said of it."""

    acc: str
    declaration: Declaration = field(repr=False)
    at: int
    until: int
    verdict: str


@dataclass(frozen=True)
class Received:
    """A message that somebody sent to the patient, opened and its signature checked."""

    id: str
    message: Message = field(repr=False)
    sender: AccountState = field(repr=False)


class Side(ABC):
    """Who acts for the patient `account` with one device, `keyring`. Every method that talks raises `Problem`."""

    def __init__(
        self, account: str, keyring: Keyring, db: sqlite3.Connection, hub: HubClient, chains: ChainStore,
        clock: Callable[[], float],
    ) -> None:  # fmt: skip
        self.account = account
        self.keyring = keyring
        self.db = db
        self.hub = hub
        self.chains = chains
        self.clock = clock
        self._opened: tuple[str, Vault] | None = None

    @abstractmethod
    def sync(self) -> None:
        """Send what was left unsent, and take in everything new of the patient's chains."""

    @abstractmethod
    def _key(self, sealed: bytes) -> bytes:
        """The key of the vault's key compartment."""

    @property
    def now(self) -> int:
        """Unix second, by the hub's clock once it was heard: a wrong clock here must not keep the patient out."""
        return int(self.hub.time)

    @property
    def record(self) -> Record:
        """All of the patient's chains."""
        return self.chains.record(self.account)

    # --- the vault --------------------------------------------------------------------------------------------

    @property
    def vault(self) -> Vault:
        """The vault's content, at the version that the account chain names."""
        version, hash_ = self.record.account.vault
        if self._opened is None or self._opened[0] != hash_:
            sealed = self.sealed_vault()
            self._opened = hash_, vaults.unseal(sealed, self.account, version, self._key(sealed))
        return self._opened[1]

    def sealed_vault(self) -> bytes:
        """The sealed vault that the account chain names. Raises `Problem(stale)` where the hub has another."""
        version, hash_ = self.record.account.vault
        sealed = get_state(self.db, self._vault_state)
        if sealed is None or blob_hash(sealed) != hash_:
            fetched, sealed, _ = self.hub.vault(self.account)
            if fetched != version or blob_hash(sealed) != hash_:
                detail = "the hub's vault is not the one that the account chain names"
                raise Problem("stale", detail, reason="stale")
            set_state(self.db, self._vault_state, sealed)
        return sealed

    @property
    def _vault_state(self) -> str:
        return _vault_state(self.account)

    def save_vault(self, vault: Vault) -> None:
        """Write the next version of the vault's key compartment; lost races surface as `Problem(refused)`."""
        sealed = self.sealed_vault()
        self.post([self.vault_written(compartments(sealed)[0], vault, self._key(sealed))])

    def vault_written(self, sealed_root: bytes, vault: Vault, key: bytes) -> Written:
        """The vault's next version, and the statement that names it."""
        version = self.record.account.vault[0] + 1
        sealed = vaults.seal(sealed_root, vault, self.account, version, key)
        return Written(self.sign_account("vault", {"ver": version, "hash": blob_hash(sealed)}), sealed)

    def sign_account(self, typ: str, body: Mapping[str, object]) -> bytes:
        """The next statement of her account chain, by this device."""
        state, signer = self.chains.accounts[self.account], self.chains.accounts[self.keyring.account]
        return sign(
            self.keyring.sign, kind="acct", acc=self.account, head=state.head, typ=typ, by=self.keyring.signer.by,
            iat=max(self.now, state.links[-1].iat), body=body,
            cite={} if signer.acc == self.account else {signer.acc: position(signer)},
        )  # fmt: skip

    # --- writing ----------------------------------------------------------------------------------------------

    def post(self, written: Sequence[Written], wraps: Mapping[str, bytes] | None = None, fetch: bytes = b"") -> None:
        """Keep what is to be sent, send it, and take it into the own chains once the hub has it.

        What waits goes first: nothing takes its place.
        """
        self.resume()
        pending = {
            "statements": [[b64(w.frame), "" if w.blob is None else b64(w.blob)] for w in written],
            "wraps": {name: b64(wrap) for name, wrap in (wraps or {}).items()},
            "fetch": b64(fetch),
        }
        kept = json.dumps(pending).encode()
        set_state(self.db, "pending", kept)
        self._send(kept)

    def save_word(self, oth: str, terms: Terms | None) -> bool:
        """Keep what a guardian who acts here decides for a counterpart: terms, or a refusal. False for anybody else."""
        if not self.is_guardian:
            return False
        said = {**self.vault.words.get(oth, {}), self.keyring.account: Word(self.now, terms)}
        self.save_vault(self.vault.with_words(oth, said))
        return True

    @property
    def is_guardian(self) -> bool:
        """Whether a guardian of the patient acts here: what she decides holds as far as other guardians agree."""
        return self.keyring.account in guardians.guardians(self.record, self.vault, self.now)

    def resume(self) -> None:
        """Send what a crash, or a hub that did not answer, left unsent.

        What lost a race meanwhile is dropped: what is owed is computed anew; what the patient herself wanted (a grant,
        its end, a permit) nobody can, so she is told by `Problem(conflict)`.
        """
        kept = get_state(self.db, "pending")
        if kept is None:
            return
        try:
            self._send(kept)
        except Problem as problem:
            if problem.code in UNDECIDED or problem.extra.get("reason") == ROLLBACK:
                raise
            if any(self._is_wish(parse(unb64(frame))) for frame, _ in json.loads(kept)["statements"]):
                detail = "what was not sent before cannot be sent any more: look what is granted now, and say it again"
                raise Problem("conflict", detail) from None

    def _is_wish(self, st: Statement) -> bool:
        """Whether she herself wanted it, and it does not follow from what is there."""
        known = self.chains.relations.get((st.acc, st.oth))
        amends = st.typ == "grant" and known is not None and st.body["gid"] in known.grants
        return st.typ in WISHES and not amends

    def _send(self, kept: bytes) -> None:
        pending = json.loads(kept)
        written = [Written(unb64(frame), unb64(blob) if blob else None) for frame, blob in pending["statements"]]
        wraps = {name: unb64(wrap) for name, wrap in pending["wraps"].items()}
        try:
            self.hub.post(written, wraps, unb64(pending["fetch"]))
        except Problem as problem:
            if problem.code not in UNDECIDED:
                self._sent(kept)
            if _went_back(problem, written):
                detail = "the hub has lost statements that it acknowledged: ask its operator which backup was restored"
                raise Problem("refused", detail, reason=ROLLBACK) from None
            raise
        self._take(written)
        self._sent(kept)

    def _sent(self, kept: bytes) -> None:
        """Forget what was to be sent; another process may have put something else there."""
        self.db.execute("DELETE FROM state WHERE key = 'pending' AND value = ?", (kept,))

    def _take(self, written: Sequence[Written]) -> None:
        for w in written:
            st = parse(w.frame)
            self.chains.take(st.kind, st.acc, st.oth, [w.frame])
            if st.typ == "vault" and w.blob is not None:
                set_state(self.db, _vault_state(st.acc), w.blob)

    def settle(self) -> int:
        """Do all that is owed; returns the number of steps. Rotations, extensions and starts of epochs happen here.

        After an emergency too; and grants are signed again so that they hide what is hidden. Nothing is owed of an
        account that is closed.
        """
        if self.record.account.closed:
            return 0
        for count in range(MAX_STEPS):
            if not self.anew(self._do_next):
                return count
        raise Problem("conflict", "other devices of this account keep changing it; try again")

    def anew(self, step: Callable[[], T]) -> T:
        """Do a step, and do it anew after each race that it lost, from what the other one wrote."""
        for _ in range(MAX_RACES):
            try:
                return step()
            except Problem as problem:
                if problem.extra.get("reason") not in RACES:
                    raise
                self.sync()
                self.refresh_accounts()
        return step()

    def _do_next(self) -> bool:
        """Do the next step that is owed, or hide from a reader what is hidden; False where nothing is left to do."""
        vault, record, signer = self.vault, self.record, self.keyring.signer
        over = [one for one in self.declared() if one.acc == self.account and one.until <= self.now]
        ended = [(one.declaration.sender, one.declaration.gid, one.until) for one in over]
        step = owed_after(record, vault, ended) or owed(record, vault, self.now)
        if step is None:
            result = hidden.amend(record, vault, signer, self.now) or guardians.amend(record, vault, signer, self.now)
        else:
            result = steps.perform(record, vault, step, signer, self.now)
        if result is None:
            return False
        if isinstance(result, Vault):
            self.save_vault(result)
        else:
            self.post([result])
        return True

    def refresh_accounts(self) -> None:
        """Fetch what is new in the account chains of all counterparts: nobody announces a new reading key to her."""
        for name in {self.account, *self.record.relations}:
            self.chains.refresh("acct", name)

    def declared(self) -> list[Declared]:
        """Emergencies of her own and of those for whom she acts, as far as `sync` has brought them, oldest first."""
        query = "SELECT acc, frame, at, until, verdict FROM declared ORDER BY at, rnd"
        rows = self.db.execute(query).fetchall()
        return [Declared(acc, declarations.read(bytes(raw)), *rest) for acc, raw, *rest in rows]

    def received(self, typ: str) -> list[Received]:
        """Messages of a type that were not answered yet; what does not open or verify is passed over.

        So is what comes from somebody whose account the hub does not show her.
        """
        keys = self.vault.reading_keys
        found = []
        query = "SELECT id, sender, sealed FROM messages WHERE acc = ? AND answered = 0"
        for id_, sender, sealed in self.db.execute(query, (self.account,)).fetchall():
            try:
                message = unseal(bytes(sealed), keys)
                if message.typ == typ:
                    account = self.chains.account_with(sender, message.dev)
                    message.verify(account, self.account, self.now)
                    found.append(Received(id_, message, account))
            except (Problem, Rejected) as failed:
                if isinstance(failed, Problem) and failed.code != "not-found":
                    raise
        return found

    def answered(self, id_: str) -> None:
        """Remember that a message needs nothing more."""
        self.db.execute("UPDATE messages SET answered = 1 WHERE acc = ? AND id = ?", (self.account, id_))


def _vault_state(account: str) -> str:
    return f"vault {account}"


def _went_back(problem: Problem, written: Sequence[Written]) -> bool:
    """Whether the hub's chain ends before the link that the first of these statements, all of one chain, follows."""
    read = [parse(w.frame) for w in written]
    if "head" not in problem.extra or len({(st.kind, st.acc, st.oth) for st in read}) != 1:
        return False
    head = problem.extra["head"]
    return (head[0] if head else -1) < read[0].seq - 1
