"""Reading: all of her own record, whoever wrote it, and what other patients granted her; kept and searched here.

The same inbox, store and search as a practice's gateway; they are loaded when somebody reads, as most commands do
without. Seeds of her own streams come from the vault, those of others from the bundles that they sealed to her.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from connectors.gateway.keystore import SCHEMA, Keystore
from connectors.local_database import open_database
from connectors.patient.client import Client
from consent.fhir_consent import agreement
from consent.purposes import purposes_above
from consent.relations import Grant
from fhir_profiles import resources, search
from fhir_profiles.problems import Problem

if TYPE_CHECKING:
    from connectors.gateway.records import Stored
    from connectors.gateway.visibility import Scope

SEEDS = "reading.db"
RECORD = "record.db"


class PersonalKeystore(Keystore):
    """A person's keystore: for her own record the vault is asked."""

    def __init__(self, client: Client, path: Path) -> None:
        super().__init__(client.keyring, open_database(path, SCHEMA), {})
        self._client = client

    def seed(self, patient: str, set_id: str, epoch: int, index: int) -> bytes | None:
        """A seed of her own from the vault, of others as it was handed out."""
        if patient != self.keyring.account:
            return super().seed(patient, set_id, epoch, index)
        digest = self._client.record.sets[set_id].epoch(epoch).digest
        master = self._client.vault.masters.get((set_id, epoch, digest))
        return None if master is None else master.seed(index)

    def category(self, patient: str, set_id: str, index: int) -> int | None:
        """Which category a stream carries, stand-ins too: what somebody wrote there shows."""
        if patient != self.keyring.account:
            return super().category(patient, set_id, index)
        set_key = self._client.vault.sets.get(set_id)
        return None if set_key is None else set_key.order[index][0]


class Reading:
    """A person's reading, in the directory of her account."""

    def __init__(self, directory: Path, client: Client) -> None:
        from connectors.gateway import schema  # noqa: PLC0415 - see above
        from connectors.gateway.database import Database  # noqa: PLC0415
        from connectors.gateway.inbox import Inbox  # noqa: PLC0415
        from connectors.gateway.store import Store  # noqa: PLC0415

        self.client = client
        database = Database(f"sqlite:///{directory / RECORD}", 2)
        schema.make(database)
        self.store = Store(database)
        self.keystore = PersonalKeystore(client, directory / SEEDS)
        self.inbox = Inbox(
            self.keystore, self.store, clock=client.clock, hub=client.hub, chains=client.chains,
            only="statement,envelope",
        )  # fmt: skip

    def close(self) -> None:
        """Let go of the databases."""
        self.store.database.close()
        self.keystore.db.close()

    def refresh(self) -> None:
        """Take in everything new. Raises `Problem(busy)` without the hub: what is here already can still be read."""
        self.client.sync()
        self.keystore.reading_keys = self.client.vault.reading_keys  # another device may have added one
        self.inbox.catch_up()
        self.inbox.report_reads()

    def agreed(self, patient: str, grant: Grant) -> frozenset[int]:
        """The categories that a patient's grant gives this reader; none where it is one of stand-ins."""
        consent = self.inbox.consents.text(patient, grant)
        return agreement(resources.parse(consent)).categories if consent else frozenset()

    def read(self, what: str, of: str = "", purpose: str = "TREAT") -> "list[Stored]":
        """Resources of her own, or `of` another patient, for a purpose. Raises `Problem`.

        `what`: nothing for all, `Type`, `Type?search` or `Type/id`. What is read of another patient is told to her.
        """
        owner = of or self.client.account
        scope = self._scope(owner, purpose)
        found = list(self._find(what, owner, scope))
        if owner != self.client.account:
            self._report(owner, purpose, found)
        return found

    def everything(self) -> "Iterator[Stored]":
        """All of her own record, in the order in which it came."""
        return self.store.owned(self.client.account, self._scope(self.client.account, ""))

    def category_of(self, one: "Stored") -> int:
        """The category of a resource of her own record, told by its stream."""
        for set_id, state in self.client.record.sets.items():
            if one.stream in state.ids:
                category = self.keystore.category(one.owner, set_id, state.ids[one.stream])
                if category is not None:
                    return category
        raise Problem("not-found", "its stream is not one of this record")

    def _scope(self, owner: str, purpose: str) -> "Scope":
        from connectors.gateway.granted import OWN_PURPOSE  # noqa: PLC0415
        from connectors.gateway.visibility import Scope  # noqa: PLC0415

        if owner == self.client.account:
            return Scope((OWN_PURPOSE,), int(self.client.clock()), own=owner)
        if owner not in self.inbox.patients:
            raise Problem("not-found", f"{owner} has granted you nothing: ask with your card")
        return Scope(tuple(sorted(purposes_above(purpose))), int(self.client.clock()))

    def _find(self, what: str, owner: str, scope: "Scope") -> "Iterator[Stored]":
        name, _, query = what.partition("?")
        type_, _, id_ = name.partition("/")
        if not what:
            yield from self.store.owned(owner, scope)
        elif id_:
            # Two patients may use one id: it is looked for among the resources of this one.
            found = self._matches(type_, [("_id", id_)], owner, scope)
            if (one := next(found, None)) is None:
                raise Problem("not-found", f"there is no {name} here")
            yield one
        else:
            yield from self._matches(type_, parse_qsl(query, keep_blank_values=True), owner, scope)

    def _matches(self, type_: str, args: Sequence[tuple[str, str]], owner: str, scope: "Scope") -> "Iterator[Stored]":
        query = search.parse(type_, args)
        left, after = query.count, None
        while left is None or left > 0:
            page = self.store.search(replace(query, count=search.MAX_COUNT), scope, after)
            for one in page.matches:
                if one.owner == owner:
                    yield one
                    if left is not None and (left := left - 1) == 0:
                        return
            if (after := page.after) is None:
                return

    def _report(self, owner: str, purpose: str, found: "Sequence[Stored]") -> None:
        from connectors.gateway import access  # noqa: PLC0415

        reader = access.Reader("", "", purpose)
        for type_ in sorted({one.type for one in found}):
            number = sum(one.type == type_ for one in found)
            access.report(self.store.database, reader, type_, {owner: number}, now=self.client.clock())
