"""The end of an account in the page: at the practice, at the hub, in the browser; gone on with after a closed tab."""

import sqlite3
from time import time

import pytest
import requests
from playwright.sync_api import expect

from connectors.patient import permits, sharing
from consent.categories import INDEX
from consent.keys import SigningKey
from consent.messages import register
from consent.primitives import b64
from tests.consent.world import identity
from tests.journeys.sharing import found, write
from tests.portal.conftest import DESK, PHONE, WORDS, Typist, Visitor
from tests.portal.test_getting_in import sign_in, unlock

VITALS = INDEX["vitals"]
CONTENT = ("envelopes", "object_parts", "objects", "bundles", "vaults", "wraps", "sequences", "openings", "messages")
KEPT = """async () => {
  const open = indexedDB.open("obhut");
  const db = await new Promise((done) => { open.onsuccess = () => done(open.result); });
  const all = db.transaction([...db.objectStoreNames]);
  const counts = [...db.objectStoreNames].map((name) => new Promise((done) => {
    const asked = all.objectStore(name).count();
    asked.onsuccess = () => done(asked.result);
  }));
  const sum = (await Promise.all(counts)).reduce((one, other) => one + other, 0);
  db.close();
  return sum;
}"""


def rows(hub, table, account):
    """How much of a table is the account's."""
    with sqlite3.connect(hub.directory / "hub.sqlite") as db:
        return db.execute(f"SELECT count(*) FROM {table} WHERE acc = ?", (account,)).fetchone()[0]


@pytest.fixture
def shared(patient, practices):
    """A practice that reads what she wrote, and may write."""
    practice = practices()
    write(patient, 1, 2)
    sharing.grant(patient, practice.account, {VITALS})
    permits.permit(patient, practice.account)
    assert found(practice, patient) == {"w1", "w2"}
    return practice


def to_the_words(visitor):
    """From the overview to the question for her words."""
    visitor.follow("security.title")
    visitor.sees("security.title")
    visitor.follow("close.look")
    visitor.sees("close.title")


def end(visitor, words=WORDS):
    """From what it means to the last button."""
    visitor.press("close.go-to")
    visitor.enter("account.passphrase", words)
    visitor.press("close.now")


def is_gone(visitor, patient, practice, hub):
    """Nothing at the practice, in the browser, and at the hub but what the protocol leaves there (5.16)."""
    visitor.sees("farewell.title")
    assert found(practice, patient) == set()
    assert practice.keys.held(patient.account) == set()
    assert {table: rows(hub, table, patient.account) for table in CONTENT} == dict.fromkeys(CONTENT, 0)
    assert rows(hub, "accounts", patient.account) == 1
    assert min(rows(hub, table, patient.account) for table in ("links", "log")) > 0
    visitor.page.wait_for_function(f"async () => await ({KEPT})() === 0")


def test_she_closes_her_account(visitors, patient, shared, portal_hub):
    """By keyboard: what it means first, then her words; a wrong one ends nothing; the name is never given again."""
    visitor = visitors(Typist, "de", PHONE)
    sign_in(visitor, patient.account)
    to_the_words(visitor)
    expect(visitor.page.locator("main").get_by_role("link", name=visitor.text("take.title"))).to_be_visible()
    visitor.is_well()
    end(visitor, "apfel birne clown delfin eimer gabel")
    expect(visitor.page.get_by_role("alert")).to_be_visible()
    visitor.is_well()
    assert found(shared, patient) == {"w1", "w2"}
    visitor.enter("account.passphrase", WORDS)
    visitor.press("close.now")
    is_gone(visitor, patient, shared, portal_hub)
    visitor.is_well()
    patient.sync()
    assert patient.record.account.closed
    assert patient.settle() == 0
    other = identity(patient.account, "person", "client", int(time()))
    key = SigningKey.generate()
    frame = register(other.sign, acc=other.account, dev=other.device, token_key=key.public, at=int(time()))
    body = {"frames": [b64(one) for one in other.frames], "client": b64(frame)}
    assert requests.post(f"{portal_hub.url}/v1/accounts", json=body, timeout=60).status_code == 409
    visitor.follow("farewell.start")
    visitor.sees("welcome.title")


@pytest.mark.parametrize("sent", [0, 3, None])
def test_a_closed_tab_is_gone_on_from(visitors, patient, shared, portal_hub, sent):
    """After so many statements the tab is closed (None: when the hub has taken the last, unheard); all ends well."""
    visitor = visitors(Visitor, "en", DESK)
    sign_in(visitor, patient.account)
    to_the_words(visitor)
    posts = []

    def pass_some(route):
        if route.request.method != "POST":
            route.continue_()
            return
        posts.append(route.request)
        if sent is None:
            answer = route.fetch()
            if rows(portal_hub, "vaults", patient.account):
                route.fulfill(response=answer)
                return
        elif len(posts) <= sent:
            route.continue_()
            return
        route.abort()

    visitor.context.route("**/v1/statements", pass_some)
    visitor.page.clock.install()
    end(visitor)
    visitor.gives_up()
    expect(visitor.page.get_by_text(visitor.text("close.begun"))).to_be_focused()
    visitor.is_well()
    visitor.context.unroute_all()
    visitor.page.goto("about:blank")
    visitor.page.goto(visitor.url)
    unlock(visitor)
    visitor.sees("close.title")
    visitor.is_well()
    visitor.button("close.go-on").or_(visitor.button("close.forget")).click()
    is_gone(visitor, patient, shared, portal_hub)
    visitor.complaints = [text for text in visitor.complaints if "net::ERR_FAILED" not in text]


def test_another_browser_of_hers_forgets_it_too(visitors, patient, shared, portal_hub):
    """It is told as soon as it looks, and lets go of keys that open nothing."""
    here, there = visitors(Visitor, "en", DESK), visitors(Visitor, "de", PHONE)
    for one in (here, there):
        sign_in(one, patient.account)
    to_the_words(here)
    end(here)
    is_gone(here, patient, shared, portal_hub)
    there.page.reload()
    unlock(there)
    there.sees("close.title")
    there.is_well()
    there.press("close.forget")
    is_gone(there, patient, shared, portal_hub)
