"""Unknown and forbidden are the same 404, byte for byte; who may see, sees."""

import pytest

from consent.identifiers import new_id, new_person
from tests.consent.world import DOMAIN
from tests.hub.people import VITALS
from tests.hub.test_console import opened

DOORS = (
    "/v1/chains/acct/{acc}",
    "/v1/chains/set/{acc}/{set}",
    "/v1/chains/rel/{acc}/{oth}",
    "/v1/sets/{acc}",
    "/v1/relations/{acc}",
    "/v1/permits/{acc}/{set}",
    "/v1/bundles/{acc}/{lst}",
    "/v1/vault/{acc}",
    "/v1/streams/{acc}/{stream}",
    "/v1/log/{acc}",
)


@pytest.fixture
def street(town):
    return people_of(town)


def people_of(town):
    """A patient whom one practice may read and another house has never met."""
    patient, practice, stranger = town.patient(), town.organisation("praxis"), town.organisation("klinik")
    mine = patient.permit(patient.me)
    patient.write(patient.me, mine)
    gid = patient.grant(practice, {VITALS})
    grant = patient.hub.record.relations[practice.account].grants[gid]
    names = {
        "acc": patient.me.account,
        "set": mine,
        "oth": practice.account,
        "lst": grant.bundles[0].hash,
        "stream": patient.stream(mine),
    }
    return patient, practice, stranger, names


def answer_bytes(answer):
    return answer.status_code, answer.data, sorted(answer.headers.items())


def test_a_house_never_granted_gets_the_same_bytes_as_for_nobody(towns):
    """The answers for a patient who exists and for one who does not differ in nothing, at every door."""
    _, _, stranger, names = people_of(towns)
    nobody = names | {"acc": str(new_person(DOMAIN))}
    unknown = names | {"set": new_id(), "lst": "A" * 43, "stream": new_id(), "oth": f"niemand@{DOMAIN}"}
    for door in DOORS:
        answers = [answer_bytes(towns.get(door.format(**place), stranger)) for place in (names, nobody, unknown)]
        assert answers[0] == answers[1] == answers[2], door
        assert answers[0][0] == 404, door


def test_what_is_no_account_does_not_exist(town):
    """A name that cannot be is answered as one that is not."""
    person = town.person()
    for name in ("", "x", "a@b", "P-AAA@x.y", "../x@y.z", "p-aaaa@hub.localhost", "ä@hub.localhost"):
        assert town.get(f"/v1/chains/acct/{name}", person).status_code == 404


def test_a_counterpart_sees_its_own_chains_and_no_others(town, street):
    """Account, relation, covered sets and their permits; not the log, not the vault, not another's relation."""
    patient, practice, stranger, names = street
    seen = {door: town.get(door.format(**names), practice).status_code for door in DOORS}
    assert [door for door, status in seen.items() if status == 404] == [DOORS[3], DOORS[7], DOORS[9]]
    listed = town.get(f"/v1/relations/{patient.me.account}", practice).json["relations"]
    assert listed == [[patient.me.account, practice.account]]
    assert town.get(f"/v1/chains/rel/{patient.me.account}/{stranger.account}", practice).status_code == 404


def test_a_withdrawn_grant_closes_its_sets(town, street):
    """After `end` the set chains and streams are gone for the counterpart, the relation stays."""
    patient, practice, _, names = street
    (gid,) = patient.hub.record.relations[practice.account].grants
    patient.withdraw(practice, gid)
    for door in ("/v1/chains/set/{acc}/{set}", "/v1/permits/{acc}/{set}", "/v1/streams/{acc}/{stream}"):
        assert town.get(door.format(**names), practice).status_code == 404
    assert town.get("/v1/chains/rel/{acc}/{oth}".format(**names), practice).status_code == 200


def test_a_card_opens_the_account_chain_and_nothing_else(town, street):
    """First contact: the right fingerprint shows the chain, a wrong one nothing."""
    patient, _, stranger, names = street
    door = "/v1/chains/acct/{acc}".format(**names)
    right = patient.hub.record.account.fingerprint
    assert town.get(door, stranger, fp=right).status_code == 200
    wrong = town.get(door, stranger, fp="a" * 32)
    assert answer_bytes(wrong) == answer_bytes(town.get(door, stranger))
    assert town.get("/v1/sets/{acc}".format(**names), stranger, fp=right).status_code == 404


def test_readers_see_the_account_of_who_wrote_what_they_read(town, street):
    """A relative who writes is visible to a practice that reads her set, not the other way round."""
    patient, practice, stranger, _ = street
    relative = town.person()
    patient.permit(relative)
    patient.settle()
    assert town.get(f"/v1/chains/acct/{relative.account}", practice).status_code == 200
    assert town.get(f"/v1/chains/acct/{relative.account}", stranger).status_code == 404
    assert town.get(f"/v1/chains/acct/{patient.me.account}", relative).status_code == 200


def test_everybody_signed_in_sees_organisations(town, street):
    """Organisations are public on purpose, to those who signed in."""
    _, practice, stranger, _ = street
    assert town.get(f"/v1/chains/acct/{practice.account}", stranger).status_code == 200
    assert town.get(f"/v1/chains/acct/{practice.account}").status_code == 401


def test_what_is_no_name_does_not_exist(towns):
    """A NUL or another sign that no name has gives the answer for nothing, on both databases."""
    patient = towns.patient()
    acc = patient.me.account
    nothing = towns.get(f"/v1/sets/{acc}", towns.organisation("praxis")).data
    for path in (
        f"/v1/bundles/{acc}/%00",
        f"/v1/chains/set/{acc}/a%00",
        f"/v1/permits/{acc}/%00",
        f"/v1/streams/{acc}/%00",
    ):
        answer = towns.get(path, patient.me)
        assert (answer.status_code, answer.data) == (404, nothing), path
    answer = towns.call("PUT", f"/v1/objects/%00/{'A' * 22}", patient.me, data=b"x")
    assert (answer.status_code, answer.data) == (404, nothing)
    assert towns.get("/fhir/Organization/%00", patient.me).status_code == 404
    body = {"account": "p-\0", "key": "A" * 43}
    assert towns.post("/v1/sign-in", body).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "/v1/directory?q=", "/v1/directory?after=", "/fhir/Organization?page=", "/fhir/Organization?_id=",
        "/fhir/Organization?name=", "/fhir/Organization?identifier=", "/fhir/Endpoint?organization=",
    ],
)  # fmt: skip
def test_an_argument_with_a_sign_that_no_text_has_is_refused(towns, path):
    """Said, and no fault: on both databases."""
    assert towns.get(f"{path}a%00", towns.organisation("praxis")).status_code == 400


def test_the_operators_page_goes_on_behind_no_such_sign(towns):
    """As everywhere else."""
    http, _ = opened(towns)
    assert http.get("/console?after=%00").status_code == 400
