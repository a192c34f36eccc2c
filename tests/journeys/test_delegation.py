"""A relative who acts for a patient over a real hub: what he sees, ends and hands on, and what he is refused."""

import json

import pytest

from connectors.patient import appointing, renewal, sharing
from connectors.patient.delegation import Deputy
from connectors.patient.insight import asked
from connectors.patient.overview import for_another, overview
from connectors.patient.receipt import receipt
from connectors.patient.representative import resign
from consent.categories import INDEX
from consent.owed import owed
from fhir_profiles.problems import Problem
from tests.journeys.conftest import give, name_delegate, obhut
from tests.journeys.sharing import VITALS, found, write, years_ahead

LAB = INDEX["lab"]
END = years_ahead(3)


@pytest.fixture
def database_url(tmp_path):
    """One database is enough here: what is tested lies at the relative's."""
    return f"sqlite:///{tmp_path / 'hub.sqlite'}"


@pytest.fixture
def deputy(ada, ben):
    """Ben, who manages for Ada, and may read her vitals and lab."""
    give(ada, ben, VITALS, LAB, end=years_ahead(2))
    name_delegate(ada.client, ben.card, END)
    made = Deputy(ben.reading, ada.account)
    made.sync()
    return made


def refused(code, call, *args, **more):
    with pytest.raises(Problem) as caught:
        call(*args, **more)
    assert caught.value.code == code, caught.value.detail
    return caught.value.detail


def test_no_more_delegates_are_named_than_the_rule_allows(ada, ben, deputy, people, monkeypatch):
    """One more is refused in a sentence until another is dismissed; naming the same again is no more."""
    monkeypatch.setattr(appointing, "MOST_CHOSEN", 1)
    cem = people("cem")
    assert "1 delegates" in refused("conflict", name_delegate, ada.client, cem.card, END)
    name_delegate(ada.client, ben.card, END)
    appointing.dismiss(ada.client, deputy.client.account)
    name_delegate(ada.client, cem.card, END)
    assert [one.to for one in appointing.delegates(ada.client.record)] == [cem.account]


def test_a_delegate_sees_who_was_granted_what(ada, ben, deputy, practice):
    """Grants with their categories, told by the stand-ins that he holds; nothing of it needs her vault."""
    sharing.grant(ada.client, practice.account, {VITALS, INDEX["genetic"]})
    deputy.sync()
    told = {one["to"]: one["categories"] for one in for_another(deputy)["grants"]}
    assert told == {ben.account: ["vitals", "lab"], practice.account: ["vitals", "genetic"]}
    assert [one["to"] for one in overview(ada.client)["delegates"]] == [ben.account]


def test_a_delegate_hands_on_fewer_categories_than_it_holds(ada, deputy, practice):
    """The practice reads vitals, by keys and by Consent, and holds a stand-in for lab; it reads on after a rotation."""
    write(ada.client, 1)
    sharing.withdraw(ada.client, practice.account, sharing.grant(ada.client, practice.account, {LAB}))
    assert found(practice, ada.client) == set()
    deputy.grant(practice.account, {VITALS})
    assert found(practice, ada.client) == {"w1"}
    own = next(s for s in ada.client.record.sets if ada.client.record.author(s) == ada.account)
    set_key = ada.client.vault.sets[own]
    held = {index for set_id, _, index in practice.keys.held(ada.account) if set_id == own}
    assert (set_key.index(VITALS) in held, set_key.index(LAB) in held) == (True, False)
    ada.client.sync()
    sharing._rotate_all(ada.client)
    write(ada.client, 2)
    assert found(practice, ada.client) == {"w1", "w2"}
    (shown,) = [one for one in overview(ada.client)["grants"] if one["to"] == practice.account]
    assert (shown["categories"], shown["by"]) == (["vitals"], deputy.client.account)


def test_what_a_delegate_granted_has_no_receipt_here_and_is_not_renewed(ada, deputy, practice):
    """Its Consent is the delegate's and the practice's: `who` names the delegate, receipt and renewal say why not."""
    sharing.withdraw(ada.client, practice.account, sharing.grant(ada.client, practice.account, {LAB}))
    gid = deputy.grant(practice.account, {VITALS})
    ada.client.sync()
    assert deputy.client.account in refused("forbidden", receipt, ada.client, gid)
    assert deputy.client.account in refused("forbidden", renewal.renew, ada.client, gid)
    (seen,) = [one for one in asked(ada.client) if one.counterpart == practice.account and one.visible]
    assert (seen.category, seen.by, seen.finer) == (VITALS, deputy.client.account, None)


def test_what_goes_beyond_its_scope_is_refused_in_a_sentence(ada, deputy, practice, practices):
    """More categories, a longer time, another purpose, a first contact: each is said, and nothing is granted."""
    give_first = sharing.grant(ada.client, practice.account, {LAB})
    assert "only what was granted to you" in refused("forbidden", deputy.grant, practice.account, {INDEX["genetic"]})
    assert "at the longest" in refused("forbidden", deputy.grant, practice.account, {VITALS}, end=years_ahead(2.5))
    assert "purposes" in refused("forbidden", deputy.grant, practice.account, {VITALS}, purposes=("HRESCH",))
    stranger = practices("praxis-b")
    assert "first contact" in refused("forbidden", deputy.grant, stranger.account, {VITALS})
    deputy.sync()
    assert [g.gid for g in deputy.record.relations[practice.account].live(deputy.now)] == [give_first]


def test_a_delegate_ends_a_grant_and_the_rotation_waits_for_her(ada, deputy, practice):
    """From the end on nothing is released; her own next command changes the keys."""
    write(ada.client, 1)
    sharing.grant(ada.client, practice.account, {VITALS})
    assert found(practice, ada.client) == {"w1"}
    assert deputy.withdraw(practice.account) == 1
    assert found(practice, ada.client) == set()
    assert for_another(deputy)["rotation_pending_since"] is not None
    ada.client.sync()
    assert overview(ada.client)["rotation_pending_since"] is not None
    ada.client.settle()
    assert overview(ada.client)["rotation_pending_since"] is None


def test_a_dismissed_delegate_can_do_nothing_and_holds_no_current_stand_in(ada, ben, deputy, practice):
    """Her `undelegate` ends what he may do at once; what he knew of stand-ins is rotated; his own grant stays."""
    sharing.grant(ada.client, practice.account, {VITALS})
    epochs = {s: state.current for s, state in ada.client.record.sets.items()}
    appointing.dismiss(ada.client, ben.account)
    assert all(state.current > epochs[s] for s, state in ada.client.record.sets.items())
    assert owed(ada.client.record, ada.client.vault, ada.client.now) is None
    refused("forbidden", deputy.withdraw, practice.account)
    assert overview(ada.client)["delegates"] == []
    write(ada.client, 1)
    assert ben.reads(of=ada.account) == ["w1"]


def test_a_delegate_resigns(ada, ben, deputy):
    """He can be a delegate no more by his own word; her next command takes the stand-ins back."""
    resign(ben.client, ada.account)
    refused("forbidden", deputy.sync)
    ada.client.sync()
    assert overview(ada.client)["delegates"] == []
    appointing.dismiss(ada.client, ben.account)
    refused("not-found", appointing.dismiss, ada.client, ben.account)


def test_to_appoint_again_finishes_what_was_begun_and_changes_nothing(ada, ben, deputy):
    """The same command after a crash does the rest; another end needs a dismissal first."""
    heads = {name: len(state.links) for name, state in ada.client.record.relations.items()}
    name_delegate(ada.client, ben.card, END)
    assert {name: len(state.links) for name, state in ada.client.record.relations.items()} == heads
    refused("conflict", name_delegate, ada.client, ben.card, "2031-01-01")
    refused("value", name_delegate, ada.client, ben.card, "2020-01-01")


def test_a_stranger_acts_for_nobody(ada, ben):
    """Who was not named is told so."""
    give(ada, ben)
    refused("forbidden", Deputy(ben.reading, ada.account).sync)


def test_the_commands(ada, ben, practice):
    """`delegate`, then with `--for`: `show`, `grant`, `withdraw`, `log`; then `undelegate`."""
    sharing.withdraw(ada.client, practice.account, sharing.grant(ada.client, practice.account, {LAB}))

    def run(who, *words):
        done = obhut("patient", *words, "--account", str(who.directory))
        return done.stdout + done.stderr

    to, acts = ("--to", practice.account), ("--for", ada.account)
    assert "may manage" in run(ada, "delegate", "--to", str(ben.card), "--until", END)
    assert "granted" in run(ada, "grant", "--to", str(ben.card), "--categories", "vitals,lab")
    shown = json.loads(run(ben, "show", "--json"))
    assert [(one["from"], one["categories"]) for one in shown["reads"]] == [(ada.account, ["vitals", "lab"])]
    assert [one["patient"] for one in shown["acts_for"]] == [ada.account]
    assert "granted" in run(ben, "grant", *to, "--categories", "lab", *acts)
    assert f"{practice.account}: lab (TREAT), by {ben.account}" in run(ben, "show", *acts)
    assert "genetic" not in run(ada, "show")
    assert "withdrawn: 1" in run(ben, "withdraw", *to, *acts)
    assert "this is for the scope full" in run(ben, "log", *acts)
    assert "no more" in run(ada, "undelegate", "--to", ben.account)
    assert "not named you" in run(ben, "show", *acts)
