"""Who can see what, and why: the same as what the hub releases, at every moment of a random life."""

from dataclasses import dataclass, replace
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent import finer_rules, grants, readers, told, who
from consent.categories import NAMES
from consent.steps import consent_hash
from consent.template import templates
from consent.words import LANGUAGES
from tests.consent import world
from tests.consent.delegation import appoint, pass_on
from tests.consent.world import DAY

VITALS, LAB, MENTAL = (NAMES.index(name) for name in ("vitals", "lab", "mental"))
PURPOSES = ("TREAT", "HRESCH")


def asked(client, at=None):
    """The answers at a moment, as a set of (counterpart, category, grant) that are visible."""
    found = who.who(client.hub.record, client.vault, client.now if at is None else at)
    return {(one.counterpart, one.category, one.gid) for one in found if one.visible}


def reason(client, other, category, at=None):
    found = who.who(client.hub.record, client.vault, client.now if at is None else at)
    return [one for one in found if (one.counterpart, one.category) == (other.account, category)]


def released(client):
    """What the hub's rule releases now, tried for every stream, epoch and purpose; grants by their ids."""
    record = client.hub.record
    return {
        (oth, category, gid)
        for oth, relation in record.relations.items()
        if oth != record.account.acc
        for set_id, state in record.sets.items()
        for category in range(16)
        for purpose in PURPOSES
        if (gid := _covered(client, relation, set_id, category, state.current, purpose))
    }


def _covered(client, relation, set_id, category, epoch, purpose):
    index = client.vault.sets[set_id].index(category)
    return grants.covers(relation, set_id, index, epoch, purpose, client.now)


@dataclass
class Step:
    """One thing that a patient does to one of two counterparts."""

    what: str
    other: int
    categories: frozenset[int]
    days: int
    whole: bool
    purpose: str


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(["grant", "amend", "withdraw", "permit", "wait"]),
        st.integers(0, 1),
        st.frozensets(st.integers(0, 15), min_size=1, max_size=3),
        st.integers(1, 4),
        st.booleans(),
        st.sampled_from(PURPOSES),
    ),
    max_size=8,
)


def live(client, steps):
    """Live through the steps, a day and a second after each; yields the moment behind each of them."""
    others = [world.organisation("praxis"), world.organisation("klinik")]
    given_: dict[int, list[str]] = {0: [], 1: []}
    for step in steps:
        client.now += 1  # of two statements in one second the later one counts for all of it
        other, gids = others[step.other], given_[step.other]
        if step.what == "grant" or (step.what == "amend" and gids):
            gid = gids[-1] if step.what == "amend" else None
            until = client.now + step.days * DAY
            made = client.grant(
                other, step.categories, whole=step.whole, until=until, gid=gid, purposes=(step.purpose,)
            )
            gids += [made] if gid is None else []
        elif step.what == "withdraw" and gids:
            client.withdraw(other, gids.pop())
        elif step.what == "permit":
            client.permit(other)
        yield
        client.now += DAY + 1
        client.settle()
        yield


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_now_and_later_it_says_what_the_hub_released_then(steps):
    """At each moment the answer is what `consent.grants.covers` releases; asked again in the end, it is the same."""
    client = world.client()
    then = []
    for _ in live(client, steps):
        client.now += 1
        then.append((client.now, released(client)))
        assert {one[:2] for one in asked(client)} == {one[:2] for one in then[-1][1]}
        assert then[-1][1] <= asked(client)
    for at, was in then:
        assert {one[:2] for one in asked(client, at)} == {one[:2] for one in was}


@pytest.fixture
def shared():
    """A patient who granted a practice two categories for ten days, a day ago."""
    client, practice = world.client(), world.organisation("praxis")
    gid = client.grant(practice, [VITALS, LAB], until=client.now + 10 * DAY)
    client.now += DAY
    return client, practice, gid


def test_before_during_and_after_a_withdrawal(shared):
    """Not before it was signed, then by the grant, then no longer, and why; the past is told as it was."""
    client, practice, gid = shared
    began, withdrawn = client.now - DAY, client.now + DAY
    client.now = withdrawn
    client.withdraw(practice, gid)
    assert asked(client, began - 1) == set()
    assert asked(client, began) == {(practice.account, VITALS, gid), (practice.account, LAB, gid)}
    assert asked(client, withdrawn) == set()
    (one,) = reason(client, practice, VITALS)
    assert (one.visible, one.reason, one.since, one.until) == (False, "withdrawn", began, withdrawn)


def test_an_end_by_time_is_an_expiry(shared):
    """At the second of its end a grant ends by itself."""
    client, practice, _ = shared
    end = client.now + 9 * DAY
    assert reason(client, practice, VITALS, end - 1)[0].visible
    (one,) = reason(client, practice, VITALS, end)
    assert (one.reason, one.until) == ("expired", end)


def test_what_an_amendment_takes_is_narrowed_and_what_it_leaves_goes_on(shared):
    """A category that is left out ends with the amendment; the other one has been visible since the beginning."""
    client, practice, gid = shared
    began = client.now - DAY
    client.grant(practice, [VITALS], until=client.now + 20 * DAY, gid=gid)
    (lab,) = reason(client, practice, LAB)
    assert (lab.reason, lab.until) == ("narrowed", client.now)
    (vitals,) = reason(client, practice, VITALS)
    assert (vitals.visible, vitals.since, vitals.until) == (True, began, client.now + 20 * DAY)


def test_an_author_sees_what_it_wrote_and_that_is_said_as_such(shared):
    """A permit opens nothing of others' writing: all categories are its own only."""
    client, practice, _ = shared
    client.permit(practice)
    one, other = reason(client, practice, MENTAL)
    assert one.visible and one.own and not one.consent
    assert (other.visible, other.reason) == (False, "never")
    assert who.allowed(who.who(client.hub.record, client.vault, client.now), practice.account, MENTAL, "TREAT") is None


def test_a_grant_that_a_representative_made_names_who_signed_it(shared):
    """By whose hand a counterpart sees anything is part of the answer, in the sentence too."""
    client, *_ = shared
    relative = world.person()
    appoint(client, relative, "manage", client.now + 400 * DAY)
    own = client.grant(relative, range(16), until=client.now + 300 * DAY)
    other = world.organisation("klinik")
    client.meet(other)
    client.post(pass_on(client, relative, own, other))
    (one,) = reason(client, other, VITALS)
    assert one.by == relative.account
    found = who.who(client.hub.record, client.vault, client.now)
    (line,) = [line for line in told.lines(found, "de", client.me.account) if line.startswith(other.account)]
    assert f"Einwilligung durch Ihre Vertretung {relative.account}" in line


def test_terms_that_were_replaced_are_found_by_the_statement_that_named_them(shared):
    """What an amendment has replaced is kept under the hash of its Consent."""
    client, practice, gid = shared
    first = client.vault.terms[gid]
    client.vault = client.vault.with_terms(consent_hash(first), first)
    client.grant(practice, [VITALS], gid=gid)
    links = [link for link in world.relation(client.hub, practice).links if link.typ == "grant"]
    assert who.terms_of(client.vault, links[0]) == first
    assert who.terms_of(client.vault, links[-1]) == client.vault.terms[gid]


def test_finer_rules_are_said_where_they_are_known(shared):
    """What is left out of a category is not passed over: neither in the answer nor in the sentence."""
    client, practice, gid = shared
    assert reason(client, practice, VITALS)[0].finer is False
    rules = finer_rules.hiding(None, ["Observation/w1"])
    for more in ({"rules": rules}, {"hides": ("Observation/w1",)}):
        client.vault = client.vault.with_terms(gid, replace(client.vault.terms[gid], **more))
        assert reason(client, practice, VITALS)[0].finer is True
    (line,) = told.lines(who.who(client.hub.record, client.vault, client.now), "de")
    assert line.endswith("Einzelnes ist davon ausgenommen.")


@pytest.mark.parametrize(
    ("purposes", "roles", "admitted", "said"),
    [
        (["TREAT", "ETREAT"], [], [["TREAT", ""]], " Nicht für die Behandlung im Notfall."),
        (["TREAT"], ["nurse"], [["TREAT", "nurse"]], " Dort sieht das nur, wer in der Rolle nurse fragt."),
        (["TREAT"], ["nurse"], [["TREAT", ""]], " Wer dort in der Rolle nurse fragt, sieht es nicht."),
        (["TREAT", "COC"], ["nurse"], [["TREAT", ""], ["COC", ""], ["COC", "nurse"]], " gelten dort andere Zwecke."),
    ],
)
def test_who_alone_may_read_is_said(shared, purposes, roles, admitted, said):
    """By purpose and by role; and asked for one of them, the answer is by the same table."""
    client, practice, gid = shared
    table = {"purposes": purposes, "roles": roles, "admitted": admitted}
    rules = finer_rules.rules_of([]) | {"readers": table}
    client.vault = client.vault.with_terms(gid, replace(client.vault.terms[gid], rules=rules))
    found = who.who(client.hub.record, client.vault, client.now)
    (line,) = told.lines(found, "de")
    assert line.endswith(said) and "ausgenommen" not in line
    for purpose, role in product(["TREAT", "ETREAT", "COC"], ["", "nurse"]):
        access = who.allowed(found, practice.account, VITALS, purpose, role)
        assert (access is not None) == readers.read(table).admits(purpose, role)
    anybody = {purpose for purpose, _ in admitted}
    assert {one for one in purposes if who.allowed(found, practice.account, VITALS, one)} == anybody


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_answer_has_a_sentence_without_codes(shared, language):
    """Visible, withdrawn, expired, narrowed, own: each is told, by whom and until when, and no code is in it."""
    client, practice, gid = shared
    client.permit(practice)
    client.grant(practice, [VITALS], until=client.now + 20 * DAY, gid=gid)
    other = world.organisation("klinik")
    client.withdraw(other, client.grant(other, [MENTAL]))
    found = who.who(client.hub.record, client.vault, client.now)
    lines = told.lines(found, language, client.me.account)
    assert len(lines) == 4
    for line in lines:
        assert not any(code in line for code in ("TREAT", "vitals", "None", "{", gid))
        assert practice.account in line or other.account in line


def test_every_category_and_purpose_of_a_template_has_plain_words():
    """No template shows a code, in no language."""
    for one in templates():
        for language in LANGUAGES:
            text = one.text("praxis@hub.example", one.categories, one.purposes, 1_800_000_000, language)
            assert not any(sign in text for sign in ("TREAT", "{", "}")), one.uri
