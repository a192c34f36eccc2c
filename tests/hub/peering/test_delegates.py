"""A relative at another hub who manages for a patient, and what that hub holds already."""

from consent.primitives import unb64
from tests.consent.delegation import appoint

YEAR = 365 * 86400


def test_a_permit_that_came_with_an_envelope_comes_again_with_its_statement(both_hubs):
    """A hub that has copies of a set learns the permit from them; the statement that follows later is kept as well."""
    patient, _, mine, _ = both_hubs.shared()
    written = patient.write(patient.me, mine)
    both_hubs.read()
    son = both_hubs.b.person()
    appoint(patient, son, "manage", patient.now + YEAR)
    both_hubs.read()
    relation = both_hubs.b.get(f"/v1/chains/rel/{patient.me.account}/{patient.me.account}", son)
    assert [unb64(f) for f in relation.json["frames"]] == patient.hub.record.relations[patient.me.account].frames
    assert written
