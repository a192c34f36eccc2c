"""A patient who writes, and a practice whose inbox follows: what the tests of intake have in common."""

import json
from dataclasses import replace
from datetime import UTC, datetime

from connectors.gateway.inbox import Inbox
from connectors.gateway.keystore import READING, Keystore
from connectors.gateway.store import Store
from connectors.gateway.visibility import Scope
from connectors.keyring import write_private
from consent import identifiers, steps
from consent.fhir_consent import Agreement, build
from consent.identifiers import new_id
from consent.primitives import b64, random_bytes
from consent.purposes import purposes_above
from consent.vault import Terms
from fhir_profiles import resources
from tests.connectors.wire import Wire, keep_keys
from tests.consent import world

VITALS = 1
HANDLE = b64(bytes(16))


class Crash(Exception):  # noqa: N818 - what happens, not what went wrong
    """The process dies here."""


class Scene:
    """A patient who writes her own vitals, and a practice's gateway that follows a hub."""

    def __init__(self, directory, store: Store):
        self.patient, self.practice = world.client(), world.organisation("praxis-a")
        self.own = self.patient.permit(self.patient.me)
        self.patient.meet(self.practice)
        self.wire = Wire(self.patient, self.practice)
        self.now = self.patient.now
        keep_keys(directory, self.practice, self.patient.hub)
        write_private(directory / READING, json.dumps([b64(bytes(k)) for k in self.practice.reading.values()]).encode())
        self.store, self.directory = store, directory
        self.open()

    def open(self):
        self.keys = Keystore.open(self.directory)
        self.inbox = Inbox(self.keys, self.store, clock=lambda: self.now)
        self.inbox.hub = self.inbox.chains._hub = self.wire

    def terms(self, consent=None, whole=True):
        agreed = Agreement(self.patient.me.account, self.practice.account, frozenset({VITALS}), ("TREAT",))
        text = consent or resources.dump(build(agreed, "c1", datetime.fromtimestamp(self.now, UTC)))
        return Terms(
            self.practice.account, frozenset({VITALS}), whole, True, ("TREAT",), 0, self.now + 90 * world.DAY, text,
            random_bytes(16),
        )  # fmt: skip

    def grant(self, consent=None, gid=None, rules=None):
        gid, terms, patient = gid or new_id(), replace(self.terms(consent), rules=rules), self.patient
        patient.save(patient.vault.with_terms(gid, terms))
        patient.post(steps.grant(patient.hub.record, patient.vault, gid, terms, patient.me.signer, patient.now))
        patient.settle()
        self.wire.publish()
        return gid

    def write(self, *lines, **changes):
        """Seal and deposit as the patient; returns the envelope's id."""
        raw = self.patient.sealed(self.patient.me, self.own, VITALS, list(lines), **changes)
        self.patient.hub.deposit(raw, self.patient.hub.record.account, self.patient.now)
        self.wire.publish()
        return self.patient.hub.order[-1]

    def found(self, at=None, purpose="TREAT", role=""):
        scope = Scope(tuple(purposes_above(purpose)), at or self.now, role=role)
        return {n for n in range(10) if self.store.read("Observation", f"w{n}", scope) is not None}

    def body(self, number):
        return self.store.read("Observation", f"w{number}", Scope(("TREAT",), self.now)).body


def weight(scene, number, kilograms="72.5", **more):
    name = identifiers.account(scene.patient.me.account).local
    system = "http://terminology.hl7.org/CodeSystem/observation-category"
    resource = {
        "resourceType": "Observation", "id": f"w{number}", "status": "final",
        "category": [{"coding": [{"system": system, "code": "vital-signs"}]}], "code": {"text": "weight"},
        "subject": {"reference": f"Patient/{name}"}, "valueQuantity": {"value": float(kilograms), "unit": "kg"},
    } | more  # fmt: skip
    return json.dumps({key: value for key, value in resource.items() if value is not None}).encode()
