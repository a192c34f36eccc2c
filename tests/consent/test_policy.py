"""The normal form: what is compiled, and what is refused with its path."""

import pytest

from consent.policy import compile  # noqa: A004
from fhir_profiles.problems import Problem


@pytest.mark.parametrize(
    ("elements", "path"),
    [
        ({"provision": {"type": "maybe"}}, "provision.type"),
        ({"provision": {"type": "permit", "purposes": ["TREAT"]}}, "provision.purposes"),
        ({"provision": {"type": "permit", "actor": "x"}}, "provision.actor"),
        ({"provision": {"type": "permit", "provision": [{"data": [["near", "x"]]}]}}, "provision.provision[0].data"),
        ({"provision": {"type": "permit", "period": {"end": "soon"}}}, "provision.period"),
        ({"provision": {"type": "permit", "provision": {}}}, "provision.provision"),
        ({"provision": []}, "provision"),
        ({"id": ""}, "id"),
    ],
)
def test_a_consent_of_the_wrong_shape_is_refused_with_its_path(elements, path):
    """What cannot be understood is not compiled: leaving out a limit would widen the rule."""
    with pytest.raises(Problem) as caught:
        compile({"id": "c", "status": "active", "dateTime": "2024-01-01", **elements})
    assert caught.value.expression == path
