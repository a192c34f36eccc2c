"""The story in steps: each does one thing with real programs and looks at what came of it."""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.demo.places import House, Hub, Person
from connectors.demo.programs import Failed, Programs
from connectors.demo.resources import UNCONSCIOUS, blood_pressure

SEED = 20261123
GRANTED = "vitals,activity"
DOCTOR, SURGEON, NURSE = "Dr. Ada Beispiel", "Dr. Ben Muster", "Cem Pfleger"
CATEGORY = "https://fhir.obhut.org/CodeSystem/category"
EXPECTED = {"blood pressure": "85354-9", "weight": "29463-7", "daily steps": "41950-7"}
"""What a search of the doctor is counted by: LOINC codes."""

NEEDLES = ("Jürgen", "heartrate", "vital-signs", "loinc", "mm[Hg]", "Observation", "8867-4")
NOTE = "discharge-1"
NURSES_NOTE = "visit-1"
BORN = "2021-05-09"
"""The child's date of birth: her guardian acts until she is fifteen."""


@dataclass
class Story:
    """The parties, and what one step learns and later ones use. `granted`: what the patient's client really grants."""

    programs: Programs
    base_port: int
    counts: dict[str, int] = field(default_factory=dict)
    ask_id: dict[str, str] = field(default_factory=dict)
    granted: str = GRANTED

    def __post_init__(self) -> None:
        ports = self.base_port
        self.hub_a = Hub(self.programs, "hub-a.obhut.example", ports + 1)
        self.hub_b = Hub(self.programs, "hub-b.obhut.example", ports + 2)
        self.practice = House(self.hub_a, "praxis-sonnenschein", "practice", "practice", ports + 101, DOCTOR)
        self.hospital = House(self.hub_b, "klinikum-nebenstadt", "hospital", "hospital", ports + 102, SURGEON)
        self.neighbour = House(self.hub_a, "praxis-nebenan", "practice", "neighbour", ports + 103, "Dr. Neu Gier")
        self.care = House(self.hub_a, "pflege-daheim", "care", "care", 0, NURSE)
        self.patient = Person(self.hub_a, "patient")
        self.relative = Person(self.hub_b, "relative")
        self.child = Person(self.hub_a, "child")
        self.visitor = Person(self.hub_a, "visit")

    @property
    def ports(self) -> tuple[int, ...]:
        """Where its servers listen."""
        return tuple(each.port for each in (*self.hubs_in_order, self.practice, self.hospital, self.neighbour))

    @property
    def hubs_in_order(self) -> tuple[Hub, Hub]:
        """Both hubs."""
        return self.hub_a, self.hub_b

    # --- everybody comes ------------------------------------------------------------------------------------------

    def hubs(self) -> str:
        """Two hubs, each with the other's keys in its configuration."""
        self.hub_a.pin([self.hub_b])
        self.hub_b.pin([self.hub_a])
        for hub in self.hubs_in_order:
            hub.start()
        return f"{self.hub_a.domain} at {self.hub_a.url}, {self.hub_b.domain} at {self.hub_b.url}"

    def houses(self) -> str:
        """Two practices at one hub, a hospital at the other, a care service without a gateway of its own."""
        for house in (self.practice, self.hospital, self.neighbour, self.care):
            house.join()
        for house in (self.practice, self.hospital, self.neighbour):
            house.start()
        return ", ".join(f"{h.account} at {h.base}" for h in (self.practice, self.hospital, self.neighbour))

    def enrol(self) -> str:
        """The patient's account, with the recovery sheet shown once; a relative's at the other hub."""
        self.patient.enrol()
        self.relative.enrol()
        return f"{self.patient.account}, {self.relative.account}"

    def imports(self) -> str:
        """A month of a watch, generated; imported twice: the second time changes nothing."""
        export, plain = self.programs.directory / "export.zip", self.programs.directory / "expected.ndjson"
        self.programs.run("wearable", "generate", str(export), "--seed", str(SEED))
        self.programs.run("wearable", "import", str(export), "--dry-run", "--out", str(plain))
        text = plain.read_text(encoding="utf-8")
        self.counts = {label: text.count(f'"{code}"') for label, code in EXPECTED.items()}
        words = ("wearable", "import", str(export), "--account", str(self.patient.directory), "--json")
        report, again = (json.loads(self.programs.run(*words)) for _ in range(2))
        for one in (report, again):
            if one["read"] != one["taken"] + sum(one["left"].values()) + one["duplicates"]:
                raise Failed(f"the report does not add up: {one}")
        if again["taken"] or again["envelopes"]:
            raise Failed(f"the same export again brought {again['taken']} records")
        return f"{report['read']} records read, {report['taken']} taken, {report['envelopes']} envelopes"

    def sealed(self) -> str:
        """Nothing of the patient's data stands in a hub's files."""
        searched = 0
        for hub in self.hubs_in_order:
            for path in sorted(hub.directory.rglob("*")):
                if path.is_file():
                    data = path.read_bytes()
                    searched += len(data)
                    if found := [needle for needle in NEEDLES if needle.encode() in data]:
                        raise Failed(f"{hub.name}/{path.name} holds {found[0]!r}")
        return f"{searched} bytes of the hubs searched, nothing readable"

    # --- one practice, the same hub -------------------------------------------------------------------------------

    def ask(self) -> str:
        """The practice asks, by the card she showed."""
        return self._ask(self.practice, f"{GRANTED},traces")

    def _ask(self, house: House, categories: str) -> str:
        house.run("ask", "--card", self.patient.card, "--categories", categories)

        def look() -> list[dict[str, Any]]:
            return [one for one in self.patient.lines("requests") if one["from"] == house.account]

        (request,) = self.programs.until(look, bool, lambda _: f"the request of {house.account} did not arrive")
        self.ask_id[house.account] = request["id"]
        return f"{house.account} asks for {', '.join(request['categories'])}"

    def nothing_yet(self) -> str:
        """Asked, not granted: she looks like a patient who does not exist."""
        self._finds_nothing(self.practice)
        return "the doctor finds what he would find of nobody: nothing"

    def _finds_nothing(self, house: House) -> None:
        nobody = "p-" + secrets.token_hex(13).translate(str.maketrans("0189", "abcd"))
        for query in ("Observation?patient={}", "Patient?_id={}", "Patient/{}", "Device?patient={}"):
            hers, nobodys = house.call("GET", query.format(self.patient.id)), house.call("GET", query.format(nobody))
            if hers.ok and hers.json().get("total", 0) != 0:
                raise Failed(f"{house.account} still finds {hers.json()['total']} by {query.partition('?')[0]}")
            seen = hers.text.replace(self.patient.id, "")
            if hers.status_code != nobodys.status_code or seen != nobodys.text.replace(nobody, ""):
                raise Failed(f"{query} tells more of her than of nobody")

    def grant(self) -> str:
        """She grants less than was asked."""
        return self._grant(self.practice)

    def _grant(self, house: House, *more: str) -> str:
        request = self.ask_id.pop(house.account, "")
        words = ("--request", request) if request else ("--to", house.account)
        self.patient.run("grant", *words, "--categories", self.granted, *more)
        return f"{GRANTED} to {house.account}"

    def found(self) -> str:
        """The doctor's search finds all that was imported: blood pressures, weights, daily steps."""
        return self._finds_all(self.practice)

    def _finds_all(self, house: House) -> str:
        for label, number in self.counts.items():
            path = f"Observation?patient={self.patient.id}&code=http://loinc.org|{EXPECTED[label]}"
            self.programs.until(
                lambda path=path: house.total(path),  # type: ignore[misc]  # bound now, asked later
                lambda seen, number=number: seen == number,  # type: ignore[misc]
                lambda seen, label=label, number=number: (  # type: ignore[misc]
                    f"{house.account} finds {seen} of {number} {label}: something was lost on the way"
                ),
            )
        return ", ".join(f"{number} {label}" for label, number in self.counts.items())

    def withheld(self) -> str:
        """The traces that were asked for and not granted are not there, and nothing says that they exist."""
        if seen := self.practice.total(f"Observation?patient={self.patient.id}&category={CATEGORY}|traces"):
            raise Failed(f"{self.practice.account} finds {seen} traces, which were not granted")
        return "no traces"

    def not_granted(self) -> str:
        """The practice next door finds nothing."""
        self._finds_nothing(self.neighbour)
        return f"{self.neighbour.account} finds nothing"

    # --- the hospital, another hub --------------------------------------------------------------------------------

    def hospital_reads(self) -> str:
        """A hospital in the next town asks, is granted, and finds the same through its own hub."""
        self._ask(self.hospital, GRANTED)
        self._grant(self.hospital, "--write")
        return f"{self.hospital.account} through {self.hub_b.domain}: {self._finds_all(self.hospital)}"

    def hospital_writes(self) -> str:
        """The hospital writes into her record; she reads it."""
        self.programs.until(
            lambda: self.hospital.call("PUT", f"Observation/{NOTE}", blood_pressure(NOTE, self.patient.id, 128)),
            lambda answer: answer.ok,
            lambda answer: f"the hospital's write is refused with {answer.status_code}",
        )
        self._reads_it(NOTE)
        return f"Observation/{NOTE} by {self.hospital.account}, read by the patient"

    def _reads_it(self, id_: str) -> None:
        self.programs.until(
            lambda: self.patient.lines("read", f"Observation?_id={id_}"),
            bool,
            lambda _: f"Observation/{id_} does not reach the patient",
        )

    def others_read(self) -> str:
        """The practice, which may read her vitals, finds what the hospital wrote, and cannot change it."""
        self.programs.until(
            lambda: self.practice.total(f"Observation?patient={self.patient.id}&_id={NOTE}"),
            lambda seen: seen == 1,
            lambda seen: f"{self.practice.account} finds {seen} of 1 that the hospital wrote",
        )
        answer = self.practice.call("PUT", f"Observation/{NOTE}", blood_pressure(NOTE, self.patient.id, 1))
        if answer.status_code != 403:
            raise Failed(f"the practice changes what the hospital wrote: {answer.status_code}")
        return f"{self.practice.account} finds it and cannot change it"

    # --- care service and relative --------------------------------------------------------------------------------

    def care_service(self) -> str:
        """A care service without a gateway of its own reads and writes as a client."""
        self._grant(self.care, "--write")
        who = ("--person", NURSE, "--purpose", "TREAT")
        seen = self.programs.until(
            lambda: json.loads(self.care.run("read", f"Observation?patient={self.patient.id}&_count=1", *who)),
            lambda bundle: bool(bundle.get("entry")),
            lambda _: f"{self.care.account} finds nothing",
        )
        note = self.care.directory / "note.json"
        note.write_text(json.dumps(blood_pressure(NURSES_NOTE, self.patient.id, 133)), encoding="utf-8")
        self.care.run("write", str(note), *who)
        self._reads_it(NURSES_NOTE)
        return f"{self.care.account} reads {len(seen['entry'])} and writes Observation/{NURSES_NOTE}"

    def relative_helps(self) -> str:
        """A relative at the other hub reads, ends a grant for her, and cannot give more than he has."""
        self.patient.run("grant", "--to", self.relative.card, "--categories", "vitals")
        self.patient.run("delegate", "--to", self.relative.card, "--until", "2031-01-01")
        of = ("--of", self.patient.account)
        seen = self.programs.until(
            lambda: self.relative.lines("read", "Observation?code=http://loinc.org|85354-9", *of),
            bool,
            lambda _: "the relative reads nothing",
        )
        acting = ("--for", self.patient.account)
        refused = self.programs.attempt(
            *self.relative.words("grant", *acting, "--to", self.neighbour.account, "--categories", "traces")
        )
        if refused.returncode == 0:
            raise Failed("the relative grants what he does not have himself")
        self.relative.run("withdraw", *acting, "--to", self.care.account)
        return f"reads {len(seen)}, cannot grant traces, ends what {self.care.account} had"

    def guardian_acts(self) -> str:
        """Her child has an account, she is the guardian: from her own client she lets the practice next door read."""
        self.child.enrol()
        self.child.run(
            "delegate", "--to", self.patient.card, "--scope", "full", "--kind", "guardian", "--born", BORN
        )  # fmt: skip
        self._add(self.child, "child-1")
        self.patient.run("grant", "--for", self.child.account, "--to", self.neighbour.account, "--categories", "vitals")
        self._finds_one(self.neighbour, self.child)
        return f"{self.patient.account} lets {self.neighbour.account} see what {self.child.account} has"

    def at_a_desk(self) -> str:
        """Somebody without a device is at the practice's desk: she signs on paper and leaves with paper only."""
        here = str(self.visitor.directory)
        told = self.programs.run("desk", "visit", here, "--hub", self.hub_a.url, "--desk", self.practice.account)
        self.visitor.account = told.split()[1]
        self._add(self.visitor, "desk-1")
        paper = self.programs.directory / "signed.pdf"
        paper.write_bytes(b"%PDF-1.7 signed by hand")
        self.visitor.run("grant", self.practice.account, "--template", "practice-90-days", "--paper", str(paper))
        self._finds_one(self.practice, self.visitor)
        self.programs.attempt("desk", "end", here)  # writes her papers, and asks whether they are printed
        if not list(self.visitor.directory.glob("papers/sheet-*.pdf")):
            raise Failed("she leaves without her recovery sheet")
        self.programs.run("desk", "end", here, "--printed")
        if self.visitor.directory.exists():
            raise Failed("the desk keeps what was there for her visit")
        return f"{self.practice.account} finds what {self.visitor.account} allows on paper; the desk keeps nothing"

    def _add(self, person: Person, id_: str) -> None:
        entry = self.programs.directory / f"{id_}.json"
        entry.write_text(json.dumps(blood_pressure(id_, person.id, 124)), encoding="utf-8")
        person.run("add", str(entry))

    def _finds_one(self, house: House, person: Person) -> None:
        self.programs.until(
            lambda: house.total(f"Observation?patient={person.id}"),
            lambda seen: seen == 1,
            lambda seen: f"{house.account} finds {seen} of 1 of {person.account}",
        )

    # --- who looked; taking back ----------------------------------------------------------------------------------

    def log(self) -> str:
        """She sees who looked, by person and purpose, at both hubs, in a log that is whole."""
        wanted = {DOCTOR: self.practice.account, SURGEON: self.hospital.account, NURSE: self.care.account}

        def read() -> dict[str, Mapping[str, Any]]:
            return {e["person"]: e for e in self.patient.lines("log") if e["person"] in wanted}

        seen = self.programs.until(
            read, lambda found: found.keys() == wanted.keys(), lambda found: f"the log names only {', '.join(found)}"
        )
        for person, account in wanted.items():
            if seen[person]["actor"] != account:
                raise Failed(f"the log says that {person} is of {seen[person]['actor']}")
        self.patient.run("log", "--verify")  # fails where it is not whole
        return ", ".join(f"{person} of {account}" for person, account in wanted.items())

    def withdraw(self) -> str:
        """She takes back what the hospital had; her client rotates the keys."""
        return self.patient.run("withdraw", "--to", self.hospital.account).splitlines()[0]

    def gone(self) -> str:
        """The hospital finds nothing any more but what it wrote itself; its hub holds no copy."""
        of_her = f"Observation?patient={self.patient.id}"
        self.programs.until(
            lambda: self.hospital.total(of_her),
            lambda seen: seen == 1,
            lambda seen: f"{self.hospital.account} still finds {seen} after the withdrawal, not 1 of its own",
        )
        own = self.hospital.call("GET", f"Observation/{NOTE}")
        if not own.ok:
            raise Failed(f"what the hospital wrote itself is gone: {own.status_code}")
        return f"{self.hospital.account} finds only what it wrote itself"

    def after(self) -> str:
        """What comes after reaches those who may read, and nobody else."""
        self._add(self.patient, "after-1")
        self.programs.until(
            lambda: self.practice.total(f"Observation?patient={self.patient.id}&_id=after-1"),
            lambda seen: seen == 1,
            lambda _: f"{self.practice.account} does not find what came after",
        )
        if self.hospital.total(f"Observation?patient={self.patient.id}&_id=after-1"):
            raise Failed(f"{self.hospital.account} finds what came after the withdrawal")
        return f"{self.practice.account} finds what came after, {self.hospital.account} does not"

    def emergency(self) -> str:
        """She lets the hospital open what she chose in an emergency. Its surgeon declares one; she is told at once."""
        self.counts = {label: n + 3 * (label == "blood pressure") for label, n in self.counts.items()}
        self.patient.run("emergency on", self.hospital.account, "--categories", GRANTED)
        if (seen := self.hospital.total(f"Observation?patient={self.patient.id}")) != 1:
            raise Failed(f"{self.hospital.account} finds {seen} before it declares an emergency, not 1 of its own")
        (told,) = self.programs.until(
            self._declare, bool, lambda _: f"what {self.hospital.account} declares does not reach her"
        )
        found = self._finds_all(self.hospital)
        return f"{told['person']} of {told['house']} declares one ({told['text']}) and finds {found}"

    def _declare(self) -> list[dict[str, Any]]:
        """Declare an emergency in the hospital; what her client tells of it: nothing before the grant came there."""
        answer = self.hospital.call("POST", f"Patient/{self.patient.id}/$emergency", UNCONSCIOUS)
        if not answer.ok:
            raise Failed(f"the hospital's emergency is refused with {answer.status_code}")
        return self.patient.lines("emergency review")

    def grant_again(self) -> str:
        """Granting again is as easy as taking back."""
        return self._grant(self.hospital)

    def found_again(self) -> str:
        """And everything is there again."""
        return self._finds_all(self.hospital)


STEPS: Mapping[str, Callable[[Story], str]] = {
    "hubs": Story.hubs, "houses": Story.houses, "enrol": Story.enrol, "import": Story.imports,
    "sealed": Story.sealed, "ask": Story.ask, "nothing-yet": Story.nothing_yet, "grant": Story.grant,
    "found": Story.found, "withheld": Story.withheld, "not-granted": Story.not_granted,
    "hospital": Story.hospital_reads, "write": Story.hospital_writes, "others": Story.others_read,
    "care": Story.care_service, "relative": Story.relative_helps, "guardian": Story.guardian_acts,
    "desk": Story.at_a_desk, "log": Story.log, "withdraw": Story.withdraw, "gone": Story.gone,
    "after": Story.after, "emergency": Story.emergency, "grant-again": Story.grant_again,
    "found-again": Story.found_again,
}  # fmt: skip
"""The steps by name, in order."""
