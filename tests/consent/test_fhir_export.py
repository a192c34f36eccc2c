"""Writing FHIR: what is written is valid, and is read back as it was."""

import json
import os
from random import Random

import pytest
from click.testing import CliRunner
from fhir.resources.consent import Consent as R5Consent

from consent.cli import consent
from consent.decide import decide
from consent.fhir_consent import check_written, read
from consent.fhir_export import write, write_r5
from consent.policy import compile  # noqa: A004
from consent.state import State
from fhir_profiles import resources
from fhir_profiles.problems import Problem
from tests.consent.random_states import Chance

FORMS = 20_000 if os.environ.get("OBHUT_SOAK") else 250
PATIENT, MOTHER = "p-aaaaaaaaaaaaaaaaaaaaaaaaaa@hub.example", "p-bbbbbbbbbbbbbbbbbbbbbbbbbb@hub.example"
PARTIES = [MOTHER, "praxis@hub.example", "Organization/1", "urn:uuid:1", "http://sys.example|4711", "dr-a"]
WORDS = {
    "action": ["access", "collect", "use", "disclose", "correct", "read", "export"],
    "securityLabel": ["N", "R", "V", "PSY", "ETH", "urn:labels|X"],
    "purpose": ["TREAT", "HRESCH", "PROJ7", "urn:purposes|X"],
    "class": ["vitals", "mental", "Observation", "https://example.org/profile", "http://loinc.org|60591-5", "dental"],
    "code": ["http://loinc.org|8867-4", "I10"],
}
PERIODS = [{"start": "2024-01-01", "end": "2024-12-31"}, {"end": "2026"}, {"start": "2024-06-01T10:00:00+02:00"}]


class Writer:
    """Random plain forms that FHIR can say."""

    def __init__(self, seed):
        self.random = Random(seed)

    def some(self, values):
        return self.random.sample(values, self.random.randint(1, min(3, len(values))))

    def rule(self, kind, level=1):
        random = self.random
        made = {"type": kind}
        made |= {name: self.some(values) for name, values in WORDS.items() if random.random() < 0.3}
        made |= {name: random.choice(PERIODS) for name in ("period", "dataPeriod") if random.random() < 0.2}
        if random.random() < 0.4:
            made["actor"] = self.some(PARTIES)
            if random.random() < 0.3:
                made["role"] = sorted(self.some(["physician", "nurse", "midwife"]))
        if random.random() < 0.2:
            meanings = ("instance", "related", "dependents", "authoredby")
            made["data"] = [[random.choice(meanings), random.choice(PARTIES)] for _ in range(2)]
        if level < 3 and random.random() < 0.6:
            other = "deny" if kind == "permit" else "permit"
            made["provision"] = [self.rule(other, level + 1) for _ in range(random.randint(1, 2))]
        return made

    def form(self):
        random = self.random
        verified = random.choice(
            [
                [],
                [],
                [{"verified": True, "with": MOTHER, "date": "2024-02-01"}],
                [{"verified": False}],
                [{"verified": True, "by": "desk@hub.example"}],
            ]
        )
        performer = random.choice([[], [PATIENT], [MOTHER]])
        source = random.choice([[], [{"reference": "DocumentReference/1"}], [{"attachment": {"title": "Formular"}}]])
        legal = {"legal": False} if verified and not verified[-1]["verified"] else {}
        if not legal and performer != [MOTHER]:
            legal = {"legal": True}
        lists = {
            "policy": random.choice([[], ["urn:oid:2.16.840.1.113883.3.1937.777.24.2.1790"]]),
            "controller": random.choice([[], ["Organization/1"], ["hospital@hub.example"]]),
            "performer": performer, "verification": verified, "source": source,
        }  # fmt: skip
        return {
            "id": "c1",
            "status": random.choice(["active", "proposed", "inactive"]),
            "dateTime": "2024-01-01T09:00:00+01:00",
            "patient": PATIENT,
            "provision": self.rule(random.choice(["permit", "deny"])),
            **({"template": "OPT-IN"} if random.random() < 0.5 else {}),
            **{name: value for name, value in lists.items() if value},
            **legal,
        }


def test_plain_form_survives_the_way_through_r4():
    """Whatever the tree: valid by HL7's definitions, and read back as the very same form."""
    for seed in range(FORMS):
        form = Writer(seed).form()
        written = write(form)
        assert check_written(written) == read(written) == form, f"seed {seed}"
        if seed < 100:
            resources.check(written)


def test_plain_form_decides_the_same_after_the_way_through_r5():
    """Where R5 has room for it; the shape is that of R5."""
    written = 0
    for seed in range(FORMS):
        form = Writer(seed).form() | {"patient": "p@a.example", "legal": True}
        chance = Chance(2 * seed)  # dense: the rules bear on the request
        form["provision"] = alternating(chance.rule())
        try:
            r5 = write_r5(form)
        except Problem:
            continue  # a limited refusal, a role without a party
        written += 1
        if seed < 50:
            R5Consent.model_validate(r5)
        before, after = (State((compile(one | {"legal": True, "status": "active"}),)) for one in (form, read(r5)))
        request, items = chance.request(), chance.items()
        assert decide(before, request, items).kept == decide(after, request, items).kept, f"seed {seed}"
    assert written > FORMS / 2


def alternating(rule):
    """The rule with its exceptions made exceptions."""
    other = "deny" if rule["type"] == "permit" else "permit"
    nested = [alternating(child | {"type": other}) for child in rule.get("provision", [])]
    return {name: value for name, value in rule.items() if name != "provision"} | (
        {"provision": nested} if nested else {}
    )


def test_a_consent_without_an_id_is_written_without_one():
    """A server gives it one."""
    assert "id" not in write(BASE | {"id": ""})
    assert "id" not in write_r5({name: value for name, value in BASE.items() if name != "id"})


BASE = {"id": "c", "status": "active", "dateTime": "2024", "patient": PATIENT, "provision": {"type": "permit"}}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"provision": {}}, "provision.type"),
        ({"provision": {"type": "permit", "provision": [{"type": "permit"}]}}, "provision.provision[0].type"),
        ({"provision": {"type": "permit", "role": ["physician"]}}, "provision.role"),
        ({"provision": {"type": "permit", "actor": ["#me"]}}, "provision.actor[0]"),
        ({"provision": {"type": "permit", "data": [["instance", ""]]}}, "provision.data[0]"),
        ({"source": [{"reference": "Media/1"}, {"reference": "Media/2"}]}, "source"),
        ({"source": [{}]}, "source[0].attachment"),
        ({"source": ["DocumentReference/1"]}, "source[0]"),
        ({"verification": [{"verified": "yes"}]}, "verification[0].verified"),
        ({"verification": {"verified": True}}, "verification"),
        ({"lineage": "x"}, "lineage"),
        ({"patient": ""}, "patient"),
    ],
)
def test_what_fhir_cannot_say_is_refused_with_place_and_remedy(changes, path):
    """Nothing is left out on the way."""
    with pytest.raises(Problem) as caught:
        write(BASE | changes)
    assert (caught.value.code, caught.value.expression) == ("unprocessable", f"Consent.{path}")


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"provision": {"type": "deny", "purpose": ["HMARKT"]}}, "provision"),
        ({"policy": ["urn:a", "urn:b"]}, "policy"),
    ],
)
def test_what_r5_has_no_room_for_is_refused(changes, path):
    """R4 can say it."""
    assert read(write(BASE | changes))
    with pytest.raises(Problem) as caught:
        write_r5(BASE | changes)
    assert caught.value.expression == f"Consent.{path}"


def test_r5_with_type_and_class_in_one_rule_is_refused():
    """Both would have to match, and the plain form has only one of them match."""
    r5 = write_r5(BASE)
    both = {"resourceType": [{"code": "Observation"}], "documentType": [{"code": "x"}]}
    with pytest.raises(Problem) as caught:
        read(r5 | {"provision": [both]})
    assert caught.value.expression == "Consent.provision[0].documentType"


def run(tmp_path, content, *words):
    file = tmp_path / "consent.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return CliRunner().invoke(consent, [words[0], str(file), *words[1:]])


def test_the_commands_bring_a_consent_there_and_back(tmp_path):
    """`obhut consent write` and `obhut consent read`, in both releases."""
    for release in ("R4", "R5"):
        form = BASE | {"legal": True, "provision": {"type": "permit", "actor": ["Organization/1"]}}
        written = run(tmp_path, form, "write", "--release", release)
        assert written.exit_code == 0, written.stderr
        assert json.loads(run(tmp_path, written.stdout, "read").stdout) == form


@pytest.mark.parametrize(
    ("command", "content", "sentence"),
    [
        ("read", "[", "This is not JSON."),
        ("read", [], "A JSON object is expected."),
        ("read", {"resourceType": "Patient"}, "This is not a Consent. (Consent.resourceType)"),
        ("write", BASE | {"provision": {"type": "maybe"}}, "A provision's type is permit or deny. (provision.type)"),
        ("write", BASE | {"lineage": "x"}, "(Consent.lineage)"),
    ],
)
def test_what_cannot_be_understood_ends_with_2_place_and_remedy(tmp_path, command, content, sentence):
    """One sentence, nothing printed."""
    result = run(tmp_path, content, command)
    assert (result.exit_code, result.stdout) == (2, "")
    assert sentence in result.stderr
