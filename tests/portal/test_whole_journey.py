"""The whole journey in one go: from the first page to a withdrawal, at a real gateway, with all that passes looked at.

On a phone and at a desk, in both languages, and once by keyboard alone.
"""

import json
import re
import time

import pytest
import requests
from playwright.sync_api import expect

from connectors.patient import enrolment
from connectors.wearables.generator import generate
from consent import words
from consent.categories import INDEX
from consent.keys import PassphraseKeys, RecoveryCode
from consent.primitives import NONCE_BYTES, decrypt, label_hash, unb64
from consent.template import templates
from tests.connectors.wearables.exports import taken
from tests.journeys.conftest import Practice, obhut, serving
from tests.portal.conftest import DESK, PHONE, WORDS, Typist, Visitor
from tests.portal.leaks import leaks
from tests.portal.test_getting_in import choose_words, keep_sheet
from tests.portal.test_log import again, open_log
from tests.portal.test_own_data import measure
from tests.portal.test_sharing import sign, title

pytestmark = pytest.mark.stretches
DOCTOR, ROLE = "Dr. Ada Reiseärztin", {"de": "ärztlich", "en": "physician"}
KILOGRAMS = {"de": "71,37", "en": "71.37"}
LETTER = "Kniegelenk rechts: unauffällig."
FILE = {"name": "knie-befund-2026.txt", "mimeType": "text/plain", "buffer": LETTER.encode()}
ENTRIES = "li.entry"
PATIENCE_SECONDS = 60
# What lies in the browser, without the browser's own lock: WebCrypto does not give its key away, but uses it.
UNLOCKED = """async () => {
  const db = await new Promise((done) => { indexedDB.open("obhut").onsuccess = (event) => done(event.target.result) })
  const get = (name) => new Promise((done) => {
    db.transaction("state").objectStore("state").get(name).onsuccess = (event) => done(event.target.result)
  })
  const key = await get("browser-key")
  const open = async (sealed) => {
    const algorithm = { name: "AES-GCM", iv: sealed.slice(0, 12) }
    return [...new Uint8Array(await crypto.subtle.decrypt(algorithm, key, sealed.slice(12)))]
  }
  return [await open((await get("safe-label")).ways[0].wrap), await open(await get("safe"))]
}"""


class House:
    """A practice with a real gateway, and one doctor's token."""

    def __init__(self, practice, base):
        self.practice, self.base = practice, base
        token = obhut(
            "gateway", "token", "create", "--database", practice.database, "--person", DOCTOR, "--role", "physician",
            "--purpose", "TREAT",
        )  # fmt: skip
        assert token.returncode == 0, token.stderr
        self.headers = {"Authorization": f"Bearer {token.stdout.split()[-1]}"}

    def search(self, query):
        """What the doctor finds."""
        answer = requests.get(f"{self.base}/{query}", headers=self.headers, timeout=PATIENCE_SECONDS)
        assert answer.ok, answer.text
        return [entry["resource"] for entry in answer.json().get("entry", [])]

    def finds(self, query, holds):
        """What the doctor finds, once it holds."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not holds(found := self.search(query)):
            assert time.monotonic() < until, f"{query} finds {len(found)}"
            time.sleep(0.1)
        return found


@pytest.fixture(scope="module")
def house(tmp_path_factory, portal_hub):
    """One for all of these journeys."""
    practice = Practice(tmp_path_factory.mktemp("house"), portal_hub, "praxis-am-reiseweg")
    practice.close()
    with serving(practice) as (base, _):
        yield House(practice, base)


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """What a watch has recorded, with texts and numbers that are in it or are made of it."""
    path = tmp_path_factory.mktemp("export") / "meine-uhr-export.zip"
    generate(path, seed=7, days=2, records=300)
    _, batches = taken(path)
    made = [resource.decode() for batch in batches for resource in batch.resources]
    said = "\n".join(made)
    secret = {"Jürgens", "apple_health_export", path.stem, "Observation", "loinc.org", "valueQuantity", "mm[Hg]"}
    secret |= set(re.findall(r'"code":"(\d{4,}-\d)"', said)) | set(re.findall(r'"value":(\d+\.\d{3,})', said))
    secret |= set(re.findall(r'"(?:effectiveDateTime|start)":"([^"]{16})', said))
    return path, secret


def enrols(visitor):
    """An account, its sheet asked back."""
    visitor.follow("welcome.sign-up")
    choose_words(visitor, WORDS)
    return keep_sheet(visitor)


def brings(visitor, export):
    """An export of a watch, a weight, and a letter."""
    visitor.follow("bring.short")
    visitor.sees("bring.title")
    visitor.give("import.file", export)
    done = visitor.text("import.done", read="", taken="").partition(":")[0]
    expect(visitor.page.get_by_text(re.compile(done))).to_be_visible()
    visitor.is_well()
    measure(visitor, "body-weight", {"value-body-weight": KILOGRAMS[visitor.language]})
    visitor.give("bring.file", FILE)
    visitor.press("bring.add")
    said = visitor.text("bring.saved", what=FILE["name"].removesuffix(".txt"))
    expect(visitor.page.get_by_text(said)).to_be_visible()
    expect(visitor.page.get_by_text(re.compile(visitor.text("sending.under-way", count="")))).to_have_count(0)
    visitor.is_well()


def sees_in_log(visitor, what):
    """The log names it, as soon as the house's report is there."""
    until = time.monotonic() + PATIENCE_SECONDS
    open_log(visitor)
    while not (line := visitor.page.locator(ENTRIES).filter(has_text=what)).count():
        assert time.monotonic() < until, visitor.page.locator("main").inner_text()
        again(visitor)
    return line


def keys(visitor, account, code, directory, hub):
    """Every key of hers: of this browser, of words and sheet, and all that her vault holds."""
    stretched = PassphraseKeys.derive(account, WORDS)
    unlock = label_hash("portal-passphrase", account, key=stretched.wrap_key)
    safe = None
    for name, inner in zip(("passphrase", "secrets"), visitor.page.evaluate(UNLOCKED), strict=True):
        nonce, sealed = bytes(inner[:NONCE_BYTES]), bytes(inner[NONCE_BYTES:])
        opened = decrypt(unlock if safe is None else safe, nonce, label_hash("portal-safe", name), sealed)
        safe = safe or opened
    here = json.loads(opened)
    found = {"safe": safe, "words": stretched.wrap_key, "unlock": unlock, "vault": unb64(here["vaultKey"])}
    found |= {f"device's {name}": unb64(here["keyring"][name]) for name in ("sign", "box", "token", "handle")}
    found |= {"code": code.secret, "sheet": code.wrap_key, "sheet's signing": bytes(code.signing_key)}
    client = enrolment.join(directory, hub.url, account, WORDS)
    root, vault = client.root, client.vault
    client.close()
    found |= {"root": bytes(root.root), "compartment": root.key, "handles": root.handle_key}
    found |= {f"reading {name}": bytes(key) for name, key in vault.reading_keys.items()}
    found |= {f"set {name}": key.secret for name, key in vault.sets.items()}
    for (name, epoch, _), master in vault.masters.items():
        found[f"master {name} {epoch}"] = master.secret
        found |= {f"seed {name} {epoch} {index}": master.seed(index) for index in range(len(INDEX) * 2)}
    assert len(found) > 100
    return found


def texts(export_texts, code):
    """What she typed, chose and brought, as texts."""
    groups = str(code).split("-")
    chosen = {words.category(index, name) for index in INDEX.values() for name in ("de", "en")}
    chosen |= {one.id for one in templates()} | (INDEX.keys() - {"person", "messages", "documents"})  # words of the hub
    wanted = {WORDS, "".join(WORDS.split()), *WORDS.split(), str(code), "".join(groups), *KILOGRAMS.values()}
    wanted |= {"29463-7", LETTER, "Kniegelenk", FILE["name"].removesuffix(".txt"), DOCTOR, *chosen}
    return {one: one for one in wanted | export_texts if len(one) >= 5}


CASES = [
    (Visitor, "de", PHONE), (Visitor, "de", DESK), (Visitor, "en", PHONE), (Visitor, "en", DESK), (Typist, "de", DESK),
]  # fmt: skip


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("kind", "language", "viewport"), CASES)
def test_from_the_first_page_to_a_withdrawal(
    visitors, middle, portal_hub, house, export, tmp_path, kind, language, viewport,
):  # fmt: skip
    """She enrols, brings data, shares, is read, sees who, withdraws; of what she has the hub learns nothing."""
    path, secret = export
    visitor = visitors(kind, language, viewport, at=middle.url)
    name, code = enrols(visitor)
    local = name.partition("@")[0]
    brings(visitor, path)
    assert house.search(f"Observation?patient={local}") == []

    visitor.follow("share.title")
    visitor.sees("share.title")
    sign(visitor, house.practice)
    visitor.press("grant.finish")
    weight = f"Observation?patient={local}&code=29463-7"
    (found,) = house.finds(f"{weight}&value-quantity=71.37", len)
    assert found["valueQuantity"] | {"value": 71.37, "code": "kg"} == found["valueQuantity"]
    house.finds(f"DocumentReference?patient={local}", len)
    assert len(house.search(f"Observation?patient={local}&_count=1000")) > 10

    line = sees_in_log(visitor, DOCTOR)
    expect(line.first).to_contain_text(ROLE[language])
    visitor.is_well()

    visitor.follow("share.title")
    visitor.press("share.withdraw-of", who=title(house.practice))
    visitor.press("share.withdraw-now")
    expect(visitor.page.get_by_text(visitor.text("share.ended", who=title(house.practice)))).to_be_focused()
    expect(visitor.page.get_by_text(visitor.text("share.nobody"))).to_be_visible()
    visitor.is_well()
    for what in ("Observation", "DocumentReference", "Device"):
        house.finds(f"{what}?patient={local}", lambda found: not found)

    sheet = RecoveryCode.parse("".join(code))
    secrets = texts(secret, sheet) | keys(visitor, name, sheet, tmp_path / "elsewhere", portal_hub)
    assert leaks(middle.passed, secrets) == []
    elsewhere = [sent.split("\n")[0] for sent in visitor.sent if not sent.startswith((middle.url, "blob:", "data:"))]
    assert elsewhere == []
    assert any(one.line.startswith("POST /v1/envelopes") for one in middle.passed)
    assert leaks(middle.passed, {"address": name})
