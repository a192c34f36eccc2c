"""AuthZEN: what is no request is refused with the place, and a decision says why in both languages."""

import pytest

from consent import authzen, who
from consent.categories import NAMES
from fhir_profiles.problems import Problem
from tests.consent import world
from tests.consent.world import DAY

VITALS = NAMES.index("vitals")
READ = {"name": "read"}


@pytest.fixture
def shared():
    """A patient who granted a practice vitals for ten days."""
    client, practice = world.client(), world.organisation("praxis")
    client.grant(practice, [VITALS], until=client.now + 10 * DAY)
    return client, practice


def asking(client):
    """Answers of `who` for a second, or now; the seconds that were asked for are kept."""
    asked = []

    def ask(at):
        asked.append(at)
        return who.who(client.hub.record, client.vault, client.now if at is None else at)

    return ask, asked


def test_a_decision_says_by_which_grant_and_why(shared):
    """True with grant and end; false with a sentence: never granted, or over."""
    client, practice = shared
    ask, asked = asking(client)
    subject, resource = {"type": "account", "id": practice.account}, {"type": "category", "id": "vitals"}
    request = {"subject": subject, "resource": resource, "action": READ}
    yes = authzen.answer(request, ask)
    assert yes["decision"] is True and yes["context"]["until"] == client.now + 10 * DAY
    assert set(yes["context"]["reason_user"]) == {"de", "en"}
    late = authzen.answer(request | {"context": {"time": "2100-01-01T00:00:00Z"}}, ask)
    assert late["decision"] is False and "limited until" in late["context"]["reason_user"]["en"]
    never = authzen.answer(request | {"resource": resource | {"id": "lab"}}, ask)
    assert never["decision"] is False and "nothing" in never["context"]["reason_user"]["en"]
    assert asked == [None, 4_102_444_800, None]


def test_properties_that_are_not_known_change_nothing(shared):
    """What the standard lets a caller add is taken and not looked at."""
    client, practice = shared
    subject = {"type": "account", "id": practice.account, "properties": {"department": "x"}}
    request = {"subject": subject, "resource": {"type": "category"}, "action": READ | {"properties": {}}}
    assert authzen.answer(request, asking(client)[0]) == {"results": [{"type": "category", "id": "vitals"}]}


@pytest.mark.parametrize(
    ("request_", "place"),
    [
        ([], "subject"),
        ({"subject": {"type": "user", "id": "x"}}, "subject"),
        ({"subject": {"type": "account"}, "resource": {"type": "record"}}, "resource"),
        ({"subject": {"type": "account"}, "resource": {"type": "category"}, "action": {"name": "write"}}, "action"),
        ({"subject": {"type": "account"}, "resource": {"type": "category"}, "action": READ}, "subject"),
        ({"subject": {"type": "account"}, "resource": {"type": "category", "id": "x"}, "action": READ}, "resource"),
        (
            {
                "subject": {"type": "account"},
                "resource": {"type": "category", "id": "lab"},
                "action": READ,
                "context": {"purpose": "x"},
            },
            "context",
        ),
        (
            {
                "subject": {"type": "account"},
                "resource": {"type": "category", "id": "lab"},
                "action": READ,
                "context": {"time": 5},
            },
            "context",
        ),
    ],
)
def test_what_is_no_request_is_refused_with_the_place(shared, request_, place):
    """Wrong types, unknown categories, actions and purposes, nothing to search for."""
    with pytest.raises(Problem) as caught:
        authzen.answer(request_, asking(shared[0])[0])
    assert caught.value.code == "invalid" and place in caught.value.detail
