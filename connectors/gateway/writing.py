"""The writes of one transaction: where each belongs, who may change what, and what has to leave the house for it.

A resource is written where the patient it is about has her record. About an Obhut patient whose permit lives it goes
into the house's stream of its category: the row in `outgoing` is in the same transaction, so that what was acknowledged
goes out. About anybody else, or nobody, it is house-local. What another author wrote is never changed.
"""

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select

from connectors.gateway import audit, linking, proposals
from connectors.gateway.access import Reader
from connectors.gateway.change import Change
from connectors.gateway.models import destinations, outgoing
from connectors.gateway.negotiation import versions
from connectors.gateway.records import HOUSE, Source, Stored, instant, microseconds
from connectors.gateway.store import Store
from connectors.gateway.visibility import Scope
from consent.categories import NAMES, category
from consent.identifiers import new_id
from consent.opening import subject
from fhir_profiles import paths, resources, search
from fhir_profiles.problems import Problem

WAITING, QUEUED, REFUSED = "waiting", "queued", "refused"
"""States of a row of `outgoing`: not yet in the outbox, in it, never to go out."""


@dataclass(frozen=True, slots=True)
class Outlet:
    """Where something about an Obhut patient goes: the category, and the source that its resource has from then on."""

    category: int
    source: Source


@dataclass(frozen=True, slots=True)
class Writing:
    """What a person writes within one transaction; `reader` is None standalone, where all is house-local."""

    store: Store
    change: Change
    base_url: str
    reader: Reader | None
    scope: Scope | None

    def add(self, resource: dict[str, Any], id_: str) -> Stored:
        """Put a new resource under a new id."""
        return self._write(resource | {"id": id_}, None)

    def put(
        self, resource: dict[str, Any], if_match: str | None, if_none_match: str | None = None
    ) -> tuple[Stored, bool]:
        """Put a resource under its own id; the second value says whether it was created.

        Raises `Problem`: `precondition`, or `forbidden` for what another author wrote.
        """
        before = self._before(resource["resourceType"], resource["id"])
        _match(before, if_match)
        if if_none_match is not None and _is_at(before, if_none_match):
            raise Problem("precondition", "The resource is there, at a version that If-None-Match names.")
        return self._write(resource, before), before is None or before.deleted

    def bury(self, type_: str, id_: str, if_match: str | None) -> None:
        """Delete what is there. Raises `Problem` as `put`."""
        audit.check_writer(self.reader, type_)
        before = self._before(type_, id_)
        _match(before, if_match)
        if before is not None and not before.deleted:
            if before.owner:
                self._check_law(category(resources.parse(before.body)), "delete")
                if not self._take_back(before):
                    raise self._not_permitted()
            self.change.bury(before, microseconds(), before.version + 1)

    def matched(self, condition: search.Query) -> Stored | None:
        """The one resource that meets a condition, of those that may be seen. Raises `Problem(multiple-matches)`."""
        found = self.store.find(self.change, condition, self.scope)
        if len(found) > 1:
            raise Problem("multiple-matches", "The condition is met by more than one resource.")
        return found[0] if found else None

    # What is there

    def _before(self, type_: str, id_: str) -> Stored | None:
        """What the house has under an id, one deleted too. Raises `Problem(forbidden)` where another's is seen."""
        if self.scope is not None:
            shown = self.store.read(type_, id_, self.scope, self.change)
            if shown is not None and shown.author not in ("", self.scope.house):
                raise Problem("forbidden", "Another author wrote this: only that author changes or deletes it.")
        return self.change.find_own(type_, id_, self.scope.house if self.scope is not None else "")

    # What becomes of it

    def _write(self, resource: dict[str, Any], before: Stored | None) -> Stored:
        outlet = None
        audit.check_writer(self.reader, resource["resourceType"])
        if resource["resourceType"] != "Bundle":  # within one a reference leads to its entries first, by their address
            resource = _relative(resource, f"{self.base_url}/")
        if self.reader is not None:
            resource = linking.renamed(self.change.connection, resource, self.base_url)
            if proposals.is_proposal(resource):
                proposals.read(resource, self.scope.house if self.scope is not None else "")
            outlet = self._outlet(resource, "create" if before is None or before.deleted else "update")
        source = outlet.source if outlet is not None else HOUSE
        version, updated = (before.version + 1 if before is not None else 1), microseconds()
        meta = resource.get("meta", {}) | {"versionId": str(version), "lastUpdated": instant(updated)}
        resource = {"resourceType": resource["resourceType"], "id": resource["id"], "meta": meta} | {
            name: value for name, value in resource.items() if name not in {"resourceType", "id", "meta"}
        }
        body = resources.dump(resource)
        if before is None:
            self.change.add(resource, body, version, updated, source)
        else:
            self._leave(before, source)
            self.change.replace(before, resource, body, version, updated, source)
        written = Stored(
            0, resource["resourceType"], resource["id"], version, updated, False, source.owner, body, source.stream,
            source.author,
        )  # fmt: skip
        if outlet is not None:
            self._send(written, outlet.category)
        return written

    def _outlet(self, resource: dict[str, Any], action: str) -> Outlet | None:
        """Where a resource goes; None where it stays in the house.

        Raises `Problem(forbidden)` for an Obhut patient without a live permit, known here or not.
        """
        name = (subject(resource) or "").removeprefix("Patient/")
        if not linking.is_obhut(name):
            return None
        self._check_law(category(resource), action)
        found = self._destination(name, category(resource))
        if found is None:
            raise self._not_permitted()
        return found

    def _destination(self, name: str, category_: int) -> Outlet | None:
        place = destinations.c
        query = select(place.patient, place.set, place.stream, place.index, place.epoch).where(
            place.name == name, place.category == category_
        )
        row = self.change.connection.execute(query).one_or_none()
        if row is None or self.scope is None:
            return None
        return Outlet(category_, Source(*row, author=self.scope.house, own=True))

    def _leave(self, before: Stored, source: Source) -> None:
        """Take a resource back from where it was, if it moves: to another category or patient, or into the house."""
        if before.owner and not before.deleted and before.stream != source.stream:
            taken_back = self._take_back(before)
            if not taken_back and source.owner != before.owner:
                raise self._not_permitted()

    def _take_back(self, before: Stored) -> bool:
        """Send a deletion; False where the house may not write into that stream any more."""
        category_ = category(resources.parse(before.body))
        outlet = self._destination(before.owner.partition("@")[0], category_)
        if outlet is None or outlet.source.stream != before.stream:
            return False
        self._send(before, category_, deletes=True)
        return True

    def _send(self, written: Stored, category_: int, deletes: bool = False) -> None:
        row = {
            "mark": new_id(),
            "patient": written.owner,
            "category": category_,
            "type": written.type,
            "resource": written.id,
            "version": written.version,
            "deletes": deletes,
            "body": b"" if deletes else written.body,
            "state": WAITING,
            "reason": "",
            "person": self.reader.person if self.reader is not None else "",
            "at": int(time.time()),
        }
        self.change.connection.execute(insert(outgoing), row)
        if self.reader is not None and self.scope is not None:
            action = "delete" if deletes else "create" if written.version == 1 else "update"
            house, address = self.scope.house, f"{written.type}/{written.id}"
            audit.written(self.change, self.reader, house, written.owner, action, address, self.scope.now)

    def _check_law(self, category_: int, action: str) -> None:
        """Raises `Problem(forbidden)` for what the law closes to this person, whoever the patient is."""
        if self.reader is not None and category_ in self.reader.closed(action):
            detail = f"By law nobody in this role may {action} what is of the category {NAMES[category_]}."
            raise Problem("forbidden", detail)

    def _not_permitted(self) -> Problem:
        house = self.scope.house if self.scope is not None else ""
        detail = (
            "This house may not write about this patient. She permits it with her client:"
            f" obhut patient permit --to {house or 'the account of this house'}"
        )
        return Problem("forbidden", detail)


def _relative(value: Any, base: str) -> Any:
    """A copy in which references by this server's own address are relative: as such they are found, here and elsewhere.

    https://hl7.org/fhir/R4/references.html#literal
    """
    if isinstance(value, list):
        return [_relative(each, base) for each in value]
    if not isinstance(value, dict):
        return value
    found = {name: _relative(each, base) for name, each in value.items()}
    text = found.get("reference")
    if isinstance(text, str) and text.startswith(base):
        local = text.removeprefix(base)
        if local.startswith(f"{paths.target(local)[0]}/"):
            found["reference"] = local
    return found


def _match(before: Stored | None, if_match: str | None) -> None:
    if if_match is not None and not _is_at(before, if_match):
        raise Problem("precondition", "The resource is not at the version that If-Match names.")


def _is_at(before: Stored | None, tags: str) -> bool:
    return before is not None and not before.deleted and bool({"*", str(before.version)} & set(versions(tags)))
