"""Heads: what a hub vouches for, to whom, and of whose chains."""

from dataclasses import replace

import pytest

from consent import heads
from consent.identifiers import new_id, new_person
from consent.primitives import unb64
from consent.statements import chain_id
from tests.consent.world import DOMAIN
from tests.hub.people import VITALS, problem


@pytest.fixture
def street(town):
    return people_of(town)


def people_of(town):
    """A patient whom one practice may read and another house has never met; and the names of all her chains."""
    patient, practice, stranger = town.patient(), town.organisation("praxis"), town.organisation("klinik")
    patient.permit(patient.me)
    patient.grant(practice, {VITALS})
    record = patient.hub.record
    chains = [("acct", patient.me.account, "")]
    chains += [("set", patient.me.account, set_id) for set_id in record.sets]
    chains += [("rel", patient.me.account, oth) for oth in record.relations]
    return patient, practice, stranger, chains


def ask(town, who, chains, nonce=None):
    """The one frame that answers, verified."""
    nonce = nonce or new_id()
    answer = town.post("/v1/heads", {"nonce": nonce, "chains": chains}, who)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    (frame,) = answer.json["frames"]
    word = heads.parse(unb64(frame))
    word.verify(town.hub.key.public, hub=DOMAIN, to=who.account, nonce=nonce)
    return word.heads


def read(town, who, kind, acc, oth):
    path = f"/v1/chains/{kind}/{acc}" + (f"/{oth}" if oth else "")
    answer = town.get(path, who)
    return answer.json["frames"] if answer.status_code == 200 else None


def test_heads_are_told_of_exactly_the_chains_that_may_be_read(towns):
    """For patient, counterpart and stranger, of each chain there is and of some there are not."""
    patient, practice, stranger, chains = people_of(towns)
    nobody = str(new_person(DOMAIN))
    chains += [("acct", nobody, ""), ("rel", nobody, practice.account), ("set", patient.me.account, new_id())]
    chains += [("acct", practice.account, ""), ("rel", patient.me.account, stranger.account)]
    for who in (patient.me, practice, stranger):
        told = ask(towns, who, chains)
        read_by = {chain_id(*chain): frames for chain in chains if (frames := read(towns, who, *chain))}
        assert told.keys() == read_by.keys()
        assert {name: seq for name, (seq, _) in told.items()} == {n: len(f) - 1 for n, f in read_by.items()}


def test_the_head_is_that_of_this_moment(town, street):
    """After a statement the next answer has the new head, with its hash."""
    patient, practice, _, _ = street
    chain = ("rel", patient.me.account, practice.account)
    before = ask(town, practice, [chain])[chain_id(*chain)]
    patient.grant(practice, {VITALS})
    after = ask(town, practice, [chain])[chain_id(*chain)]
    assert before[0] < after[0]
    assert after == patient.hub.record.relations[practice.account].head


def test_chains_of_other_hubs_accounts_are_asked_of_those_hubs(town, street):
    """The frame comes through as it is; a hub that does not answer, or none that is known, is left out."""
    patient, practice, _, _ = street
    elsewhere, silent = str(new_person("hub-b.example.org")), str(new_person("hub-c.example.org"))
    chains = [("acct", elsewhere, ""), ("acct", patient.me.account, ""), ("acct", silent, "")]
    question = {"nonce": new_id(), "chains": chains}
    assert len(town.post("/v1/heads", question, practice).json["frames"]) == 1
    asked = []

    def peer_heads(*given):
        asked.append(given)
        return b"frame of b" if given[0] == "hub-b.example.org" else None

    town.app.extensions["obhut"] = replace(town.hub, peer_heads=peer_heads)
    frames = [unb64(frame) for frame in town.post("/v1/heads", question, practice).json["frames"]]
    assert frames[0] == b"frame of b"
    assert len(frames) == 2
    assert asked[0] == ("hub-b.example.org", practice.account, question["nonce"], [("acct", elsewhere, "")])


def test_a_chain_asked_for_twice_is_told_once(town, street):
    """So that the frame is one that can be read."""
    patient, practice, _, _ = street
    chain = ("acct", patient.me.account, "")
    assert list(ask(town, practice, [chain, chain])) == [chain_id(*chain)]


@pytest.mark.parametrize(
    "change",
    [
        {"nonce": "AAAA"},
        {"nonce": 1},
        {"chains": {}},
        {"chains": [["acct", "x"]]},
        {"chains": [["acct", "no account", ""]]},
        {"chains": [["acct", "ä@hub.example.org", ""]]},
        {"chains": [["log", f"praxis@{DOMAIN}", ""]]},
        {"chains": [["acct", f"praxis@{DOMAIN}", 1]]},
        {"chains": [["acct", f"praxis@{DOMAIN}", ""]] * 251},
        {"more": 1},
    ],
    ids=str,
)
def test_a_question_that_cannot_be_read_is_refused(town, change):
    """What is wrong with it is the caller's to mend."""
    question = {"nonce": new_id(), "chains": [["acct", f"praxis@{DOMAIN}", ""]]} | change
    answer = town.post("/v1/heads", question, town.organisation("praxis"))
    assert answer.status_code == 400
    assert problem(answer)["type"].endswith("invalid")


def test_only_devices_ask(town):
    """Without a token nothing is told."""
    assert town.post("/v1/heads", {"nonce": new_id(), "chains": []}).status_code == 401
