"""A representative of scope full over a real hub: does what the patient's own client does, until dismissed."""

from contextlib import ExitStack, closing, suppress

import pytest

from connectors.gateway.enrolment import send_request
from connectors.patient import appointing, enrolment, permits, restrictions, sharing
from connectors.patient.overview import overview
from connectors.patient.representative import Representative, resign
from consent import identifiers
from consent import vault as vaults
from consent.lockout import FULL
from consent.owed import owed
from consent.primitives import Rejected
from fhir_profiles.problems import Problem
from tests.journeys.conftest import Person, name_delegate, obhut
from tests.journeys.sharing import VITALS, found, write, years_ahead
from tests.journeys.test_delegation import refused
from tests.journeys.test_two_hubs import hospital, hubs, until  # noqa: F401

END = years_ahead(3)


class CutOffError(Exception):
    """The process dies here."""


@pytest.fixture
def database_url(tmp_path):
    """One database is enough here: what the hub does is tested on both in `tests/hub/test_representatives.py`."""
    return f"sqlite:///{tmp_path / 'hub.sqlite'}"


@pytest.fixture
def eve(ada, ben):
    """Ben, who acts for Ada in full."""
    name_delegate(ada.client, ben.card, END, scope=FULL)
    made = Representative(ben.client, ada.account)
    made.sync()
    return made


def test_she_grants_permits_hides_withdraws_and_rotates_while_the_patients_device_is_away(ada, ben, eve, practice):
    """All of it without a word of the patient's device; which finds everything done, and knows who signed."""
    write(ada.client, 1, 2)
    gid = sharing.grant(eve, practice.account, {VITALS})
    assert found(practice, ada.client) == {"w1", "w2"}
    restrictions.hide(eve, ["Observation/w1"])
    assert found(practice, ada.client) == {"w2"}
    permits.permit(eve, practice.account)
    assert permits.writers(eve) == [practice.account]
    epochs = {s: state.current for s, state in eve.record.sets.items() if not state.closed}
    assert sharing.withdraw(eve, practice.account) == 1
    assert found(practice, ada.client) == set()
    assert any(eve.record.sets[s].current > epoch for s, epoch in epochs.items())
    assert owed(eve.record, eve.vault, eve.now) is None
    ada.client.sync()
    assert owed(ada.client.record, ada.client.vault, ada.client.now) is None
    assert ada.client.record.relations[practice.account].grants[gid].rules.by[0] == ben.account
    assert ada.client.vault.hides == ("Observation/w1",)
    assert overview(ada.client)["delegates"][0]["scope"] == "full"
    write(ada.client, 3)
    assert "w3" in ben.reads(of=ada.account)


def test_she_answers_who_asks_the_patient(ada, ben, eve, practice):
    """The request comes to her as to the patient; what she grants answers it, and the other one is left unanswered."""

    def asked(template):
        house = ("--keystore", str(practice.directory / "keys"), "--card", str(ada.card))
        obhut("gateway", "ask", *house, "--template", template)
        eve.sync()
        return sharing.requests(eve)

    (request,) = asked("practice-90-days")
    gid = sharing.grant(eve, practice.account, request.asks.categories, request=request, end=request.asks.end)
    assert eve.record.relations[practice.account].grants[gid].rules.body["req"] == request.received.message.hash
    (other,) = asked("pharmacy-3-days")
    sharing.refuse(eve, other)
    assert sharing.requests(eve) == []
    ada.client.sync()
    assert len(sharing.requests(ada.client)) == 2  # her own device has not answered


def test_who_sees_her_chain_can_check_what_a_representative_signed_in_it(ada, ben, eve, practices, hub, tmp_path):
    """The chains that hers relies on come with it: to a house that has her card, and to herself by the sheet."""
    restrictions.hide(eve, ["Observation/w1"])
    stranger = practices("praxis-b")
    house = ("--keystore", str(stranger.directory / "keys"), "--card", str(ada.card))
    assert "asked" in obhut("gateway", "ask", *house, "--template", "practice-90-days").stdout
    fresh, _ = enrolment.recover(tmp_path / "new", hub.url, ada.account, ada.code)
    with closing(fresh):
        assert fresh.vault.hides == ("Observation/w1",) and fresh.root.shared == ()
        assert appointing.delegates(fresh.record) == []
    refused("forbidden", eve.sync)


@pytest.fixture
def other_url(tmp_path):
    return f"sqlite:///{tmp_path / 'other.sqlite'}"


def test_a_house_of_another_hub_can_check_it_too(hubs, hospital, tmp_path):  # noqa: F811
    """First contact by card: its hub is given the chain of her representative as well, whom nobody there knows."""
    people = [Person(tmp_path / name, hubs[0]) for name in ("ada", "ben")]
    with ExitStack() as stack:
        for one in people:
            stack.callback(one.close)
        ada, ben = people
        name_delegate(ada.client, ben.card, END, scope=FULL)
        eve = Representative(ben.client, ada.account)
        eve.sync()
        restrictions.hide(eve, ["Observation/w1"])
        send_request(hospital.keys, ada.card, frozenset({VITALS}), ("TREAT",), "")
        (request,) = until(lambda: eve.sync() or sharing.requests(eve))
        sharing.grant(eve, hospital.account, {VITALS}, request=request)
        write(ada.client, 1, 2)
        until(lambda: found(hospital, ada.client) == {"w2"})


def test_one_of_another_hub_is_refused_in_a_sentence(ada):
    """The vault is not carried there; to manage, or to read, he may be named all the same."""
    far = f"p-{'a' * 26}@hub-b.obhut.example"
    card = identifiers.Card(identifiers.account(far), "a" * 32)
    assert "own hub" in refused("invalid", name_delegate, ada.client, card, END, scope=FULL)


def test_what_needs_her_root_key_is_out_of_reach(ada, eve):
    """The vault that she opens holds no root key; a version of it with another root compartment is refused."""
    root, vault = ada.client.root, eve.vault
    with pytest.raises(Rejected):
        vaults.unseal_root(eve.sealed_vault(), ada.account, eve._key(eve.sealed_vault()))
    other = vaults.seal_root(root, ada.account, bytes(32))
    refused("refused", eve.post, [eve.vault_written(other, vault, root.key)])
    eve.save_vault(vault.with_hides(["Observation/9"]))
    ada.client.sync()
    assert ada.client.vault.hides == ("Observation/9",)
    assert bytes(ada.client.root.root) == bytes(root.root)


@pytest.mark.parametrize("way", ["dismissed", "resigned"])
def test_a_former_representative_opens_nothing_that_is_sealed_later(way, ada, ben, eve, practice):
    """With all keys that he kept: no vault, no seed of a new epoch, no message to her, no door of the hub."""
    sharing.grant(eve, practice.account, {VITALS})
    write(ada.client, 9)
    assert ben.reads(of=ada.account) == ["w9"]
    kept, key, readers = eve.vault, eve._key(eve.sealed_vault()), dict(eve.vault.reading_keys)
    if way == "dismissed":
        appointing.dismiss(ada.client, ben.account)
    else:
        resign(ben.client, ada.account)
        ada.client.sync()
        ada.client.settle()
    refused("forbidden", eve.sync)
    refused("not-found", ben.client.hub.vault, ada.account)
    write(ada.client, 1)
    assert found(practice, ada.client) == {"w1", "w9"}
    assert ben.reads(of=ada.account) == []
    assert ada.client.record.relations[ben.account].live(ada.client.now) == []
    version, _ = ada.client.record.account.vault
    with pytest.raises(Rejected):
        vaults.unseal(ada.client.sealed_vault(), ada.account, version, key)
    assert ada.client.record.account.reading_key() not in readers
    for set_id, state in ada.client.record.sets.items():
        if not state.closed:
            assert (set_id, state.current, state.epoch(state.current).digest) not in kept.masters
    assert ada.client.root.shared == ()


def test_one_who_remains_goes_on_with_the_new_key(ada, ben, eve, people):
    """Of two representatives one is dismissed: the other is handed the new key, and acts on."""
    cem = people("cem")
    name_delegate(ada.client, cem.card, END, scope=FULL)
    appointing.dismiss(ada.client, ben.account)
    other = Representative(cem.client, ada.account)
    other.sync()
    restrictions.hide(other, ["Observation/1"])
    refused("forbidden", eve.sync)
    assert ada.client.root.shared == (cem.account,)


def test_what_another_rotated_in_between_is_rotated_again(ada, ben, eve, people, practice):
    """One resigns, the other settles before the patient comes: her vault stood under a key that the first one keeps."""
    cem = people("cem")
    name_delegate(ada.client, cem.card, END, scope=FULL)
    other = Representative(cem.client, ada.account)
    eve.sync()
    key = eve._key(eve.sealed_vault())
    resign(ben.client, ada.account)
    other.sync()
    assert other.settle() > 0
    version, _ = other.record.account.vault
    between = vaults.unseal(other.sealed_vault(), ada.account, version, key)  # with the help of the hub
    ada.client.sync()
    ada.client.settle()
    for set_id, state in ada.client.record.sets.items():
        assert (set_id, state.current, state.epoch(state.current).digest) not in between.masters
    other.sync()
    restrictions.hide(other, ["Observation/1"])


def test_narrowed_to_manage_by_one_command(ada, ben, eve):
    """The key is another, all is rotated, and as one who manages he has the stand-ins."""
    key = ada.client.root.key
    name_delegate(ada.client, ben.card, END)
    assert ada.client.root.key != key
    assert [(one.to, one.scope) for one in appointing.delegates(ada.client.record)] == [(ben.account, "manage")]
    assert "scope full" in refused("forbidden", eve.sync)
    assert owed(ada.client.record, ada.client.vault, ada.client.now) is None


def test_cut_off_anywhere_the_same_command_finishes(ada, ben, monkeypatch):
    """To appoint and to dismiss, killed before or after each request: the same words bring it to its end."""

    def cut_off(do, place, sent):
        """Do it, but die around the request of this number; whether there was one."""
        real, count = type(ada.client.hub).post, iter(range(1000))

        def post(self, *args, **more):
            mine = next(count) == place
            if not mine or sent:
                real(self, *args, **more)
            if mine:
                raise CutOffError

        with monkeypatch.context() as patched, suppress(CutOffError):
            patched.setattr(type(ada.client.hub), "post", post)
            do()
            return False
        ada.open()
        return True

    def again(do, check):
        for sent in (False, True):
            place = 0
            while cut_off(do, place, sent):
                place += 3
            check()
            (undo if do is name else name)()

    def name():
        name_delegate(ada.client, ben.card, END, scope=FULL)

    def undo():
        with suppress(Problem):
            appointing.dismiss(ada.client, ben.account)

    def acts():
        made = Representative(ben.client, ada.account)
        made.sync()
        assert made.vault.sets and ada.client.root.shared == (ben.account,)

    def over():
        assert ada.client.root.shared == () and not appointing.delegates(ada.client.record)
        refused("forbidden", Representative(ben.client, ada.account).sync)

    again(name, acts)
    name()
    again(undo, over)


def test_the_commands(ada, ben, practice, people):
    """`delegate --scope full`, then with `--for`: show, grant, permit, hide, who, receipt, withdraw, settle."""

    def run(who, *words):
        done = obhut("patient", *words, "--account", str(who.directory))
        return done.stdout + done.stderr

    to, acts = ("--to", practice.account), ("--for", ada.account)
    assert "in full" in run(ada, "delegate", "--to", str(ben.card), "--until", END, "--scope", "full")
    assert "nothing stays private" in run(
        ada, "delegate", "--to", str(ben.card), "--until", END, "--scope", "full", "--private", "mental"
    )
    done = run(ben, "grant", *to, "--categories", "vitals", "--write", *acts)
    assert "granted" in done and "may write" in done
    gid = done.split()[1]
    assert f"by {ben.account}" in run(ben, "show", *acts)
    assert ben.account in run(ben, "who", *acts)
    assert f"Signed by a device of {ben.account}" in _verified(run, ben, gid, acts)
    assert "hidden" in run(ben, "hide", "Observation/w1", *acts)
    assert "withdrawn: 1" in run(ben, "withdraw", *to, *acts)
    assert "may not write" in run(ben, "unpermit", *to, *acts)
    said = run(ben, "log", "--all", *acts)
    assert f"{ben.account} looked into this access log" in said and practice.account in said
    assert "The log is whole" in run(ben, "log", "--verify", *acts)
    assert "steps: 0" in run(ada, "settle")
    assert "no more" in run(ada, "undelegate", "--to", ben.account)
    assert "not named you" in run(ben, "hide", "Observation/w2", *acts)


def _verified(run, who, gid, acts):
    path = who.directory / "receipt.json"
    run(who, "receipt", gid, "--out", str(path), *acts)
    return obhut("patient", "receipt", "--verify", str(path)).stdout
