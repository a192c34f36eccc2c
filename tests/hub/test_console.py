"""The operator's page: who may see it, what it says, and of whom it says nothing."""

import html
import json
import re
from importlib.resources import files

import pytest
from click.testing import CliRunner

from hub.cli import hub as commands
from hub.console import FIELDS, LINK_SECONDS, SESSION_SECONDS, new_link
from hub.counted import FRESH_SECONDS
from hub.organisations import TYPES
from tests.hub import people

WORDS = json.loads((files("hub") / "console.json").read_bytes())
EN = WORDS["en"]


def opened(town, language="en"):
    """A browser in which the page is open, and what the page says."""
    http = town.app.test_client()
    link = new_link(town.hub).removeprefix(town.hub.config.base_url)
    page = http.post(f"{link}?lang={language}", follow_redirects=True)
    assert page.status_code == 200, page.text
    return http, page


def figure(page, word):
    """What stands beside a word."""
    return re.search(rf"<span>{re.escape(word)}</span> <strong>([^<]+)</strong>", page.text)[1]


def key(page):
    """What a form of the page brings along."""
    return re.search(r'name="key" value="([^"]+)"', page.text)[1]


def test_a_link_opens_it_once_and_not_late(towns, clock):
    """Looking at the link does not use it up; a second time, after its time, and another text, open nothing."""
    http, link = towns.http, new_link(towns.hub).removeprefix(towns.hub.config.base_url)
    assert http.get(link).status_code == 200
    assert http.post(link).status_code == 303
    assert towns.http.post(link).status_code == 403
    late = new_link(towns.hub).removeprefix(towns.hub.config.base_url)
    clock.advance(LINK_SECONDS)
    assert towns.http.post(late).status_code == 403
    assert towns.http.post("/console/open/nothing").status_code == 403
    secret = link.rpartition("/")[2]
    assert secret not in repr(towns.dump()), "the hub keeps no secret, only its hash"


def test_a_session_is_one_browsers_and_ends(towns, clock):
    """No other browser sees the page, a link's secret is no session's, and after eight hours it is closed."""
    http, _ = opened(towns)
    assert http.get("/console").status_code == 200
    assert towns.http.get("/console").status_code == 403
    http.set_cookie(f"obhut-console-{towns.domain}x", "x", path="/console")
    clock.advance(SESSION_SECONDS)
    closed = http.get("/console?lang=en")
    assert (closed.status_code, EN["closed-heading"] in closed.text) == (403, True)
    other, _ = opened(towns)
    link = new_link(towns.hub).rpartition("/")[2]
    other.set_cookie(f"obhut-console-{towns.domain}", link, path="/console")
    assert other.get("/console").status_code == 403


def test_the_operator_closes_it(town):
    """After that its cookie opens nothing, in no browser."""
    http, page = opened(town)
    secret = http.get_cookie(f"obhut-console-{town.domain}", path="/console").value
    http.post("/console/leave", data={"key": key(page)})
    other = town.app.test_client()
    other.set_cookie(f"obhut-console-{town.domain}", secret, path="/console")
    assert other.get("/console").status_code == 403


def test_its_cookie_is_the_pages_alone(tmp_path, clock, fill):
    """HttpOnly, SameSite=Strict, for `/console` only, Secure where there is TLS; no other page sets any."""
    url = f"sqlite:///{tmp_path / 'hub.sqlite'}"
    fill(url, "hub", people.upgrade)
    town = people.build(url, tmp_path / "hub", clock, url="https://hub.example")
    link = new_link(town.hub).removeprefix("https://hub.example")
    said = town.http.post(link).headers["Set-Cookie"]
    assert said.startswith(f"obhut-console-{town.domain}=")
    assert {"HttpOnly", "SameSite=Strict", "Path=/console", "Secure"} <= set(said.split("; "))
    for path in ("/", "/portal/", "/console", link, "/v1/hub"):
        assert "Set-Cookie" not in town.http.get(path).headers
    policy = town.http.get("/console").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    town.hub.db.close()


@pytest.mark.parametrize("language", WORDS)
def test_it_says_how_the_hub_is(towns, clock, language):
    """Participants with devices and whose part they are, people as a number, what is kept, refused and waits."""
    patient = towns.patient()
    towns.patient()
    clinic, words = towns.organisation("klinik", "Klinik am Ring", "hospital"), WORDS[language]
    patient.write(patient.me, patient.permit(patient.me))
    patient.grant(clinic, [people.VITALS])
    http, page = opened(towns, language)
    code = {"key": key(page), "name": "station-3", "type": "care", "title": "Station 3", "part-of": clinic.account}
    page = http.post(f"/console/admit?lang={language}", data=code)
    assert "Klinik am Ring" in page.text
    assert words["device"].format(1) in page.text
    assert words["not-joined"] in page.text
    assert words["part-of-whom"].format(clinic.account) in page.text
    assert figure(page, words["persons"]) == "2"
    assert figure(page, words["envelopes"]) == "1"
    assert figure(page, words["rotations"]) == words["not-counted"]
    assert towns.http.get("/nowhere").status_code == 404
    assert figure(http.get(f"/console?lang={language}"), "not-found") == "1"


def test_it_counts_whose_keys_are_to_change(towns, clock):
    """A grant that ended while the patient is away is one; it is counted when asked for, and only then."""
    patient, practice = towns.patient(), towns.organisation("praxis")
    patient.write(patient.me, patient.permit(patient.me))
    patient.grant(practice, [people.VITALS], until=towns.now + 1000)
    http, _ = opened(towns)
    assert figure(http.get("/console?lang=en&count"), EN["rotations"]) == "0"
    clock.advance(1000)
    assert figure(http.get("/console?lang=en"), EN["rotations"]) == "0"
    assert figure(http.get("/console?lang=en&count"), EN["rotations"]) == "1"


def test_storage_is_what_is_there_and_counted_seldom(towns, clock):
    """What a closed account had is gone from it; a reload does not make the hub count."""
    patient = towns.patient()
    patient.write(patient.me, patient.permit(patient.me))
    http, page = opened(towns)
    assert figure(page, EN["envelopes"]) == "1"
    patient.post(patient.account("close", {}))
    assert figure(http.get("/console?lang=en"), EN["envelopes"]) == "1"
    clock.advance(FRESH_SECONDS)
    page = http.get("/console?lang=en")
    assert (figure(page, EN["envelopes"]), figure(page, EN["envelope-bytes"])) == ("0", "0 B")


def test_nothing_of_a_patient_stands_there(towns):
    """No account of a person, no set, no stream: not even where she acts, or somebody is refused."""
    patient, practice = towns.patient(), towns.organisation("praxis")
    own = patient.permit(patient.me)
    patient.write(patient.me, own)
    patient.grant(practice, [people.VITALS])
    assert towns.get(f"/v1/log/{patient.me.account}", practice).status_code == 404
    http, _ = opened(towns)
    page = http.get("/console?count").text
    assert not re.search(r"\bp-[a-z2-7]{4,}", page)
    state = patient.hub.record.sets[own]
    assert not [name for name in (own, *state.ids) if name in page]


def test_an_organisation_is_admitted_by_a_form_of_the_page_alone(towns):
    """The code works once; without the page's own key, or without a session, nobody is admitted."""
    http, page = opened(towns)
    said = {"name": "praxis-neu", "type": "practice", "title": "Praxis <Neu>"}
    assert http.post("/console/admit", data=said).status_code == 403
    assert http.post("/console/admit", data=said | {"key": "x"}).status_code == 403
    assert towns.http.post("/console/admit", data=said | {"key": key(page)}).status_code == 403
    _, other = opened(towns)
    assert http.post("/console/admit", data=said | {"key": key(other)}).status_code == 403
    assert towns.dump()["organisations"] == []
    page = http.post("/console/admit?lang=en", data=said | {"key": key(page)})
    assert "Praxis &lt;Neu&gt;" in page.text
    code = re.search(r'<pre class="code">([a-z2-7]{32})</pre>', page.text)[1]
    towns.enrol(people.world.organisation("praxis-neu", towns.now, towns.domain), code)
    page = http.post("/console/admit?lang=en", data=said | {"key": key(page), "title": "Praxis Alt"})
    assert EN["changed"].format("Praxis Alt") in page.text


@pytest.mark.parametrize(
    ("field", "wrong"),
    [("name", "p-" + "a" * 26), ("title", " "), ("title", "x\0"), ("type", "shop"), ("part-of", "x")],
)
def test_a_wrong_field_is_named_and_nothing_typed_is_lost(town, field, wrong):
    """The form comes back with what was typed, and a sentence at the field."""
    http, page = opened(town)
    said = {"name": "praxis", "type": "care", "title": "Praxis am See", "part-of": "klinik@hub-b.example.org"}
    page = http.post("/console/admit?lang=en", data={"key": key(page)} | said | {field: wrong})
    assert page.status_code == 400
    assert EN[f"wrong-{field}"] in html.unescape(page.text)
    kept = {name: value for name, value in said.items() if name not in ("type", field)}
    assert all(f'value="{value}"' in page.text for value in kept.values())
    assert town.dump()["organisations"] == []


def test_more_than_a_page_of_participants_go_on(town, monkeypatch):
    """The next ones stand behind a link."""
    monkeypatch.setattr("hub.overview.PAGE", 2)
    for name in ("aa", "bb", "cc"):
        town.organisation(name)
    http, page = opened(town)
    assert ("aa@" in page.text, "cc@" in page.text) == (True, False)
    more = re.search(r'href="(/console[^"]*after=[^"]*)"', page.text)[1].replace("&amp;", "&")
    assert "cc@" in http.get(more).text


def test_the_command_prints_a_link(tmp_path, town):
    """To the hub's own address; what it prints opens the page."""
    settings = town.hub.config
    environment = {
        "OBHUT_HUB_DOMAIN": settings.domain, "OBHUT_HUB_DATA": settings.data, "OBHUT_HUB_DATABASE": settings.database,
    }  # fmt: skip
    done = CliRunner().invoke(commands, ["console"], env=environment)
    assert done.exit_code == 0, done.output
    # The command has the machine's clock, this hub that of the test: only the form of the link is looked at.
    assert re.fullmatch(rf"{settings.base_url}/console/open/[\w-]{{43}}\n", done.output, re.ASCII)


def test_both_languages_say_the_same():
    """No word is missing in one of them; every type and every field has its words."""
    assert WORDS["de"].keys() == WORDS["en"].keys()
    assert {f"kind-{type_}" for type_ in TYPES} | {f"wrong-{field}" for field in FIELDS} <= WORDS["de"].keys()
