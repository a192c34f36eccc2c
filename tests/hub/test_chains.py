"""Statements and chains over HTTP."""

def test_a_patient_enrols(town):
    """A person."""
    p = town.patient()
    assert town.get(f"/v1/sets/{p.me.account}", p.me).json["sets"] == sorted(p.hub.record.sets)
