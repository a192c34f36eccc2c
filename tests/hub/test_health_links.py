"""SMART Health Links at the hub: who makes them, who opens them, how they end, and what the log says of it."""

import json

import pytest
from joserfc import jwe
from joserfc.jwk import OctKey

from consent import messages
from consent.keys import SigningKey
from consent.primitives import b64, random_bytes, unb64
from hub import health_links
from hub.health_link_doors import FILE_SECONDS
from hub.health_links import MAX_FILE, MAX_LINKS, MAX_SECONDS, TRIES
from hub.reconcile import reconcile
from hub.store.hashing import digest
from hub.store.objects import PART_BYTES
from tests.hub.test_log_chain import read, sweep

DAY = 24 * 3600
PASSCODE = "482913"
OTHER = "https://viewer.example.org"


class Link:
    """A link as its maker's client makes it: a secret, a key, a sealed file."""

    def __init__(self, town, who, content=b'{"resourceType":"Bundle"}', until=0):
        self.town, self.who = town, who
        self.secret, self.key = b64(random_bytes(32)), random_bytes(32)
        self.name = digest(self.secret)
        header = {"alg": "dir", "enc": "A256GCM", "cty": "application/fhir+json"}
        self.file = jwe.encrypt_compact(header, content, OctKey.import_key(self.key))
        self.until = until or town.now + 7 * DAY

    def put(self, **more):
        body = {"passcode": PASSCODE, "until": self.until, "sealed": b64(b"for herself"), "file": self.file} | more
        return self.town.call("PUT", f"/v1/health-links/{self.name}", self.who, json=body)

    def manifest(self, passcode=PASSCODE, recipient="Praxis Dr. Müller", **more):
        body = {"recipient": recipient, "passcode": passcode} | more
        return self.town.post(f"/shl/{self.secret}", {k: v for k, v in body.items() if v is not None})

    def fetch(self, manifest):
        return self.town.get(manifest.json["files"][0]["location"].removeprefix(self.town.hub.config.base_url))

    def change(self, method, **body):
        return self.town.call(method, f"/v1/health-links/{self.name}", self.who, **({"json": body} if body else {}))


@pytest.fixture
def link(towns):
    made = Link(towns, towns.patient().me)
    assert made.put().status_code == 201
    return made


def told(town, who):
    """What her log says of links: what, and by whose word."""
    entries, _ = read(town, who)
    found = [entry for entry in entries if entry.action == "health-link"]
    return [(one.detail["what"], unb64(one.detail.get("recipient", "")).decode()) for one in found]


def nothing(town):
    """What is answered about a link that never was."""
    return town.post(f"/shl/{b64(random_bytes(32))}", {"recipient": "x", "passcode": PASSCODE})


def same(answer, other):
    return (answer.status_code, answer.data, dict(answer.headers)) == (404, other.data, dict(other.headers))


def rows(town, who):
    tables = [name for name in town.dump() if name.startswith("health_link")]
    assert len(tables) == 3
    return [row for name in tables for row in town.dump()[name] if row[0] == who.account]


# --- opening ------------------------------------------------------------------------------------------------------


def test_whoever_has_link_and_passcode_gets_the_sealed_file(towns, link):
    """Byte for byte, as the standard says it; the maker's list and log tell that it was opened, and by whose word."""
    manifest = link.manifest()
    assert manifest.content_type == "application/json"
    (entry,) = manifest.json["files"]
    assert (entry["contentType"], entry["fhirVersion"], "embedded" in entry) == (
        "application/fhir+json",
        "4.0.1",
        False,
    )
    answer = link.fetch(manifest)
    assert (answer.status_code, answer.content_type) == (200, "application/jose")
    assert answer.data.decode() == link.file
    assert jwe.decrypt_compact(answer.data, OctKey.import_key(link.key)).plaintext == b'{"resourceType":"Bundle"}'
    (listed,) = towns.get("/v1/health-links", link.who).json["links"]
    assert (listed["opened"], listed["opened_at"], listed["left"]) == (1, towns.now, TRIES)
    assert unb64(listed["sealed"]) == b"for herself"
    assert told(towns, link.who) == [("made", ""), ("opened", "Praxis Dr. Müller")]
    assert list(reconcile(towns.hub.db)) == []


def test_a_link_of_which_the_log_says_nothing_is_noticed(towns, link, monkeypatch):
    """The hub's own check names it."""
    other = Link(towns, link.who)
    monkeypatch.setattr(health_links, "note", lambda *_, **__: None)
    other.put()
    assert [gap.what for gap in reconcile(towns.hub.db)] == [f"nothing is said of the health link {other.name[:22]}"]


def test_a_file_of_many_parts_comes_whole(town):
    """The parts in their order, and as long as was said."""
    link = Link(town, town.patient().me, random_bytes(20 * PART_BYTES))
    assert link.put().status_code == 201
    answer = link.fetch(link.manifest())
    assert int(answer.headers["Content-Length"]) == len(link.file)
    assert answer.data.decode() == link.file


def test_a_file_that_is_short_enough_may_stand_in_the_manifest(town):
    """Only where the other side says how long it may be."""
    link = Link(town, town.patient().me)
    link.put()
    (short,) = link.manifest(embeddedLengthMax=len(link.file)).json["files"]
    assert (short["embedded"], "location" in short) == (link.file, False)
    assert "location" in link.manifest(embeddedLengthMax=len(link.file) - 1).json["files"][0]


def test_the_address_of_a_file_is_short_lived_and_of_its_link_only(town):
    """After five minutes it is nothing; under another link's secret too."""
    one, other = (Link(town, town.patient().me) for _ in range(2))
    assert {one.put().status_code, other.put().status_code} == {201}
    manifest = one.manifest()
    ticket = manifest.json["files"][0]["location"].rpartition("/")[2]
    assert town.get(f"/shl/{other.secret}/{ticket}").status_code == 404
    town.clock.advance(FILE_SECONDS)
    assert one.fetch(manifest).status_code == 404
    assert one.fetch(one.manifest()).status_code == 200


def test_pages_of_other_places_may_ask_at_these_two_doors_only(town):
    """Also where the answer is no; nothing else of the hub answers another origin."""
    link = Link(town, town.patient().me)
    link.put()
    asked = town.call("OPTIONS", f"/shl/{link.secret}", headers={"Origin": OTHER})
    assert asked.headers["Access-Control-Allow-Headers"] == "Content-Type"
    manifest = link.manifest()
    for answer in (asked, manifest, link.manifest("wrong1"), link.fetch(manifest), nothing(town)):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    for path in ("/v1/health-links", "/v1/hub", "/portal/", "/link"):
        assert "Access-Control-Allow-Origin" not in town.get(path).headers


def test_what_somebody_says_to_be_is_one_line_in_the_log(town):
    """Whatever is sent: no line is broken, nothing endless is kept; and no one opens without saying anything."""
    link = Link(town, town.patient().me)
    link.put()
    assert link.manifest(recipient='Dr.\n\u202eAda "x" ' + "y" * 500).status_code == 200
    (_, name) = told(town, link.who)[-1]
    assert (name[:12], len(name)) == ('Dr. Ada "x" ', 100)
    for recipient in (None, "", " \n", 7):
        assert link.manifest(recipient=recipient).status_code == 400


# --- the passcode -------------------------------------------------------------------------------------------------


def test_so_many_wrong_passcodes_close_a_link_for_good(towns, link):
    """Each is counted, told and noted; then it is gone also for the right one, and its file from the tables."""
    for left in range(TRIES - 1, -1, -1):
        answer = link.manifest("wrong-one")
        assert (answer.status_code, answer.json["remainingAttempts"]) == (401, left)
    assert same(link.manifest(), nothing(towns))
    assert len(rows(towns, link.who)) == 1
    (listed,) = towns.get("/v1/health-links", link.who).json["links"]
    assert listed["left"] == 0
    assert told(towns, link.who) == [("made", ""), *[("wrong", "Praxis Dr. Müller")] * TRIES]
    assert link.change("PATCH", until=towns.now + DAY).status_code == 409
    assert link.change("DELETE").status_code == 204


def test_a_right_passcode_gives_no_tries_back(town):
    """The count is of the link's whole life."""
    link = Link(town, town.patient().me)
    link.put()
    link.manifest("wrong-one")
    assert link.manifest().status_code == 200
    assert link.manifest("wrong-one").json["remainingAttempts"] == TRIES - 2


def test_who_did_not_know_of_a_passcode_may_ask_again(town):
    """A request without one is refused and not counted."""
    link = Link(town, town.patient().me)
    link.put()
    assert link.manifest(None).json["remainingAttempts"] == TRIES
    assert told(town, link.who) == [("made", "")]


def test_the_hub_keeps_no_passcode_and_no_secret(towns, link):
    """Neither stands in a row, nor does what opens the file."""
    link.manifest("wrong-one")
    manifest = link.manifest()
    kept = repr(towns.dump())
    ticket = manifest.json["files"][0]["location"].rpartition("/")[2]
    for secret in (PASSCODE, "wrong-one", link.secret, b64(link.key), ticket):
        assert secret not in kept


@pytest.mark.parametrize("state", ["unknown", "expired", "revoked", "closed", "of a closed account"])
def test_what_is_no_more_is_the_same_as_what_never_was(town, state, monkeypatch):
    """One answer, byte for byte, and the passcode is stretched each time."""
    patient = town.patient()
    link = Link(town, patient.me)
    if state != "unknown":
        link.put()
    if state == "expired":
        town.clock.advance(7 * DAY)
    elif state == "revoked":
        link.change("DELETE")
    elif state == "closed":
        for _ in range(TRIES):
            link.manifest("wrong-one")
    elif state == "of a closed account":
        patient.post(patient.account("close", {}))
        assert rows(town, patient.me) == []
        assert link.put().status_code == 409
    stretched, stretch = [], health_links.stretch
    monkeypatch.setattr(health_links, "stretch", lambda *given: stretched.append(given) or stretch(*given))
    assert same(link.manifest(), nothing(town))
    assert len(stretched) == 2


# --- making and ending --------------------------------------------------------------------------------------------


def test_only_a_persons_own_client_makes_links(town):
    """Not an organisation, nor a device that may only write, nor anybody without a token."""
    patient = town.patient()
    writer = patient.me.other_device()
    patient.post(patient.account("device", writer.device_body("writer")))
    key = town.keys.setdefault(writer.device, SigningKey.generate())
    frame = messages.register(writer.sign, acc=writer.account, dev=writer.device, token_key=key.public, at=town.now)
    town.post("/v1/clients", {"frame": b64(frame)})
    for who in (town.organisation("praxis"), writer, None):
        assert Link(town, who).put().status_code == (401 if who is None else 403)


def test_the_same_again_is_answered_as_the_first_time(town):
    """After a lost answer; nothing changes, and nobody else gets the name."""
    link = Link(town, town.patient().me)
    link.put()
    before = town.dump()
    assert link.put().status_code == 200
    assert town.dump() == before
    link.who = town.patient().me
    assert link.put().status_code == 409


@pytest.mark.parametrize(
    "wrong",
    [
        {"passcode": "12345"}, {"passcode": "x" * 65}, {"until": 5}, {"until": 2**40}, {"file": "plain text"},
        {"file": b64(b'{"alg":"none"}') + ".." + "x" * 16 + "." + "x" * 9 + "." + "x" * 22}, {"file": 7},
        {"sealed": ""}, {"file": ""},
    ],
    ids=lambda wrong: next(iter(wrong)),
)  # fmt: skip
def test_what_is_no_link_is_refused(town, wrong):
    """Too short a passcode, an end that is past or too far, a file that is not sealed."""
    link = Link(town, town.patient().me)
    assert link.put(**wrong).status_code == 400
    assert rows(town, link.who) == []


def test_there_is_an_end_to_how_much_is_kept(town, monkeypatch):
    """A file is so large at most, and an account has so many links."""
    link = Link(town, town.patient().me)
    assert link.put(file=link.file + "A" * MAX_FILE).status_code == 413
    monkeypatch.setattr(health_links, "MAX_LINKS", 2)
    assert [Link(town, link.who).put().status_code for _ in range(3)] == [201, 201, 422]
    town.clock.advance(7 * DAY)
    assert Link(town, link.who).put().status_code == 201
    assert MAX_LINKS == 20


def test_a_link_that_is_extended_holds_longer(towns, link):
    """Up to so many days ahead; the log says until when."""
    until = towns.now + MAX_SECONDS
    assert link.change("PATCH", until=until + 1).status_code == 400
    assert link.change("PATCH", until=until).status_code == 204
    towns.clock.advance(8 * DAY)
    assert link.manifest().status_code == 200
    assert [what for what, _ in told(towns, link.who)] == ["made", "extended", "opened"]


def test_a_link_that_is_revoked_or_over_leaves_nothing(towns, link):
    """Its rows go: at once, or with the hub's next look for what has expired."""
    second = Link(towns, link.who)
    second.put()
    manifest = link.manifest()
    assert link.change("DELETE").status_code == 204
    assert link.fetch(manifest).status_code == 404
    assert link.change("DELETE").status_code == 404
    towns.clock.advance(7 * DAY)
    assert towns.get("/v1/health-links", link.who).json == {"links": []}
    sweep(towns)
    assert rows(towns, link.who) == []
    assert [what for what, _ in told(towns, link.who)] == ["made", "made", "opened", "revoked"]


def test_nobody_elses_links_can_be_seen_or_changed(town):
    """Another patient's name for it is nothing."""
    link = Link(town, town.patient().me)
    link.put()
    link.who = town.patient().me
    assert town.get("/v1/health-links", link.who).json == {"links": []}
    assert link.change("PATCH", until=town.now + DAY).status_code == link.change("DELETE").status_code == 404
    assert link.manifest().status_code == 200


def test_the_log_of_the_hub_says_nothing_of_it(town, caplog):
    """Neither secret, passcode nor name of whoever opened stand in a line."""
    caplog.set_level("INFO")
    link = Link(town, town.patient().me)
    link.put()
    link.fetch(link.manifest())
    lines = json.dumps([record.__dict__ for record in caplog.records], default=repr)
    assert "/shl/<secret>" in lines
    for secret in (link.secret, link.name, PASSCODE, "Müller"):
        assert secret not in lines
