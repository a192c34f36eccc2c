"""What one tab, session or device does while another waits for the hub: nothing is lost, and nobody is a liar."""

import re
import time

import pytest
from playwright.sync_api import expect

from connectors.patient import enrolment, renewal, sharing
from consent import words
from consent.categories import INDEX
from tests.journeys.sharing import found, write, years_ahead
from tests.portal.between import PATIENCE_SECONDS, Held
from tests.portal.conftest import DESK, LOOK_MS, PHONE, WORDS, Visitor, answered
from tests.portal.test_devices import KEPT
from tests.portal.test_getting_in import OTHER_WORDS, choose_words, keep_sheet, sign_in, unlock
from tests.portal.test_lying_hub import ENVELOPES, STATEMENTS
from tests.portal.test_own_data import DEPOSIT, measure
from tests.portal.test_reading import READINGS, counted, look_again
from tests.portal.test_sharing import open_sharing, sign, title

VAULT = "**/v1/vault/*"


# --- tabs ------------------------------------------------------------------------------------------------------------


def reads_until(visitor, held):
    """She comes back to the tab, and it asks for that."""
    look_again(visitor)
    assert held.asked.wait(PATIENCE_SECONDS)


def test_who_comes_back_while_the_page_reads_sees_what_came_meanwhile(visitors, patient, middle):
    """It has asked for what is new before that came, and asks once more."""
    visitor, held = visitors(language="en", viewport=DESK, at=middle.url), Held()
    write(patient, 1)
    sign_in(visitor, patient.account)
    counted(visitor, 1)
    with middle.lie(ENVELOPES, held):
        reads_until(visitor, held)
    write(patient, 2)
    look_again(visitor)
    held.gone.set()
    counted(visitor, 2)


def test_two_tabs_take_in_the_same_links(visitors, patient, practices, middle):
    """What one tab keeps while the other one waits to hear the same from the hub is no lie of the hub."""
    practice, visitor = practices(), visitors(Visitor, "de", PHONE, at=middle.url)
    write(patient, 1)
    sign_in(visitor, patient.account)
    counted(visitor, 1)
    here = visitor.opens_tab()
    with visitor.page.expect_response(READINGS):  # from here on neither reads before it is told to
        unlock(visitor)
    sharing.meet(patient, practice.account)
    aside, first, second = visitor.page, Held(), Held()
    for visitor.page, held in ((here, first), (aside, second)):
        with middle.lie(f"^/v1/chains/acct/{re.escape(practice.account)}", held):
            reads_until(visitor, held)
    for visitor.page, held in ((here, first), (aside, second)):
        with visitor.page.expect_response(READINGS):
            held.gone.set()
        expect(visitor.page.get_by_role("alert")).to_have_count(0)
        counted(visitor, 1)


def test_what_one_tab_has_taken_in_is_in_the_other_too(visitors, patient, practices):
    """Entries, and whom she knows: each tab follows the hub by itself, and writes behind what another one took in."""
    visitor, practice = visitors(language="en", viewport=DESK), practices()
    sign_in(visitor, patient.account)
    first, second = visitor.opens_tab(), visitor.page
    with second.expect_response(READINGS):
        unlock(visitor)
    write(patient, 1)
    sharing.meet(patient, practice.account)
    for visitor.page in (second, first):
        with visitor.page.expect_response(READINGS):
            look_again(visitor)
        counted(visitor, 1)
    visitor.follow("share.title")
    sign(visitor, practice)
    assert found(practice, patient) == {"w1"}


def test_a_tab_that_nobody_touches_does_not_lock_the_one_in_use(visitors, patient):
    """Who is at one tab is there for all; when nobody is at any, all are locked."""
    visitor = visitors(viewport=DESK)
    sign_in(visitor, patient.account)
    here = visitor.page
    here.clock.install()
    here.reload()
    unlock(visitor)
    visitor.sees("overview.title")
    visitor.opens_tab()
    aside = visitor.page
    unlock(visitor)
    visitor.sees("overview.title")
    for _ in range(2):
        here.clock.fast_forward("10:00")
        here.keyboard.press("Tab")
        here.wait_for_timeout(LOOK_MS)
    here.clock.fast_forward("00:10")
    for visitor.page in (here, aside):
        visitor.sees("overview.title")
    here.clock.fast_forward("15:00")
    for visitor.page in (here, aside):
        visitor.sees("unlock.title")


HOURS_SECONDS = 8 * 3600
TOUCHED_ELSEWHERE = "new BroadcastChannel('obhut-touch').postMessage(Date.now())"


@pytest.mark.parametrize(
    "wake", [lambda page: page.keyboard.press("Tab"), lambda page: page.evaluate(TOUCHED_ELSEWHERE)], ids=["key", "tab"]
)
def test_the_first_touch_after_a_sleep_comes_too_late(visitors, patient, wake):
    """No timer runs in a computer that sleeps: who wakes it, here or at another tab, finds the page locked."""
    visitor = visitors(viewport=DESK)
    sign_in(visitor, patient.account)
    visitor.page.clock.install()
    visitor.page.reload()
    unlock(visitor)
    visitor.sees("overview.title")
    visitor.page.clock.set_system_time((time.time() + HOURS_SECONDS) * 1000)
    wake(visitor.page)
    visitor.sees("unlock.title")


@pytest.mark.parametrize("late", [STATEMENTS, "^/v1/vault/"])
def test_what_comes_after_she_signed_out_is_not_kept(visitors, patient, middle, late):
    """A tab that hears from the hub when another one has signed the browser out puts nothing into it any more."""
    visitor, before = visitors(viewport=DESK, at=middle.url), Held()
    with visitor.page.expect_response(READINGS):
        sign_in(visitor, patient.account)
    patient.sync()
    patient.save_vault(patient.vault)
    with middle.lie(late, before):
        reads_until(visitor, before)
    here = visitor.opens_tab()
    unlock(visitor)
    visitor.follow("security.title")
    visitor.follow("sign-out.title")
    leaving = Held()
    with middle.lie(STATEMENTS, leaving):
        visitor.press("sign-out.sign-out")
        assert leaving.asked.wait(PATIENCE_SECONDS)
    aside, visitor.page = visitor.page, here
    visitor.sees("unlock.title")  # what it brought in from now on would be forgotten unsent
    leaving.gone.set()
    visitor.page = aside
    visitor.sees("welcome.title")
    visitor.page = here
    visitor.sees("welcome.title")
    before.gone.set()
    here.wait_for_timeout(LOOK_MS)
    assert here.evaluate(KEPT) == {}


def test_a_way_in_that_ends_in_a_locked_tab_opens_nothing(visitors, patient, middle):
    """The device arrives in two tabs; one of them is slower, and was locked by the other meanwhile."""
    visitor, before = visitors(Visitor, "de", PHONE, at=middle.url), Held()
    visitor.follow("welcome.sign-in")
    visitor.enter("account.address", patient.account)
    visitor.enter("account.passphrase", WORDS)
    with middle.lie(STATEMENTS, before):
        with visitor.page.expect_request("**/v1/feed?*"):
            visitor.press("sign-in.sign-in")
        assert before.asked.wait(PATIENCE_SECONDS)
    slow = visitor.opens_tab()
    unlock(visitor)
    visitor.sees("overview.title")
    visitor.press("frame.lock")
    visitor.page = slow
    visitor.sees("unlock.title")
    before.gone.set()
    slow.wait_for_timeout(LOOK_MS)
    visitor.sees("unlock.title")


STRAY = """async () => {
  const db = await new Promise((done) => { indexedDB.open("obhut").onsuccess = ({ target }) => done(target.result); });
  const turn = db.transaction("chains", "readwrite");
  turn.objectStore("chains").put({ kind: "acct", acc: "p-x", oth: "", seq: 7, frame: new Uint8Array(9) });
  await new Promise((done) => { turn.oncomplete = done; });
  db.close();
}"""


def test_what_an_account_left_behind_is_not_in_the_way_of_the_next(visitors):
    """A tab that heard from the hub too late wrote after all was forgotten: who comes next begins with nothing."""
    visitor = visitors(language="de")
    visitor.sees("welcome.title")
    visitor.page.evaluate(STRAY)
    visitor.follow("welcome.sign-up")
    choose_words(visitor, WORDS)
    keep_sheet(visitor)
    visitor.sees("overview.title")
    visitor.page.reload()
    unlock(visitor)
    visitor.sees("overview.title")


def test_other_tabs_hear_that_an_account_came(visitors, patient):
    """What they were about to do as nobody's they cannot do any more: they ask for her words."""
    visitor = visitors(language="de")
    visitor.follow("welcome.sign-up")
    aside = visitor.opens_tab()
    sign_in(visitor, patient.account)
    visitor.page = aside
    unlock(visitor)
    visitor.sees("overview.title")


DEAF = "Object.defineProperty(BroadcastChannel.prototype, 'onmessage', { set() {} })"


def sign_up(visitor, _):
    """As somebody new."""
    visitor.follow("welcome.sign-up")
    choose_words(visitor, OTHER_WORDS)


def sign_in_as(visitor, relative):
    """As another person."""
    visitor.follow("welcome.sign-in")
    visitor.enter("account.address", relative.account)
    visitor.enter("account.passphrase", WORDS)
    visitor.press("sign-in.sign-in")


def recover(visitor, relative):
    """As another person, by the sheet."""
    visitor.follow("welcome.sign-in")
    by_sheet(visitor, relative)


def by_sheet(visitor, person):
    """From where words are asked for."""
    visitor.follow("account.forgotten")
    visitor.sees("recover.title")
    visitor.enter("account.address", person.account)
    visitor.enter("sheet.code", str(person.code))
    visitor.press("recover.go-on")
    choose_words(visitor, OTHER_WORDS)


def go_back_to_the_farewell(visitor, _):
    """Of an account that was closed here before."""
    visitor.page.evaluate("location.hash = '#/farewell'")


@pytest.mark.parametrize("late", [sign_up, sign_in_as, recover, go_back_to_the_farewell])
def test_a_tab_that_knows_of_nobody_forgets_nobody(visitors, patient, relative, late):
    """It has not heard that she signed in at another one: it shows her lock, and what she wrote still waits unsent."""
    visitor = visitors(language="en", viewport=DESK)
    visitor.page.add_init_script(DEAF)
    visitor.page.reload()
    visitor.sees("welcome.title")
    deaf = visitor.opens_tab()
    sign_in(visitor, patient.account)
    visitor.follow("bring.short")
    visitor.page.route(DEPOSIT, answered(500, "internal"))
    measure(visitor, "heart-rate", {"value-heart-rate": "61"})
    waits = visitor.text("sending.waits", count=1)
    expect(visitor.page.get_by_text(waits)).to_be_visible()
    here, visitor.page = visitor.page, deaf
    late(visitor, relative)
    visitor.sees("unlock.title")
    visitor.page = here
    here.reload()
    unlock(visitor)
    expect(here.get_by_text(waits)).to_be_visible()
    visitor.complaints = []  # of what it could not reach


def test_of_two_tabs_that_sign_up_at_once_one_is_first(visitors):
    """The other one takes nothing from it, and shows that this browser is hers by now."""
    visitor = visitors(language="de")
    visitor.context.add_init_script(DEAF)
    visitor.page.reload()
    pages = [visitor.opens_tab(), visitor.page]
    for visitor.page in pages:
        visitor.follow("welcome.sign-up")
        expect(visitor.page.locator("[autocomplete=username]")).to_have_value(re.compile("^p-"))
        visitor.enter("account.passphrase", WORDS)
    for visitor.page in pages:
        visitor.press("words.go-on")
    ends = [visitor.text("arriving.title"), visitor.text("unlock.title")]
    titles = [page.get_by_role("heading", level=1) for page in pages]
    for title_ in titles:
        expect(title_).to_have_text(re.compile("|".join(ends)))
    assert sorted(title_.inner_text() for title_ in titles) == sorted(ends)
    (visitor.page,) = (page for page, title_ in zip(pages, titles, strict=True) if title_.inner_text() == ends[0])
    keep_sheet(visitor)


def test_a_device_that_is_shut_out_late_leaves_what_took_its_place(visitors, patient):
    """Her way in hangs in one tab; the sheet brings the account back in another one, and stays when the first fails."""
    visitor, held = visitors(language="de"), []

    def hold(route):
        held.append(route)

    visitor.page.add_init_script(DEAF)
    visitor.page.route("**/v1/statements", hold)
    visitor.page.reload()
    with visitor.page.expect_request("**/v1/statements"):
        sign_in_as(visitor, patient)
    hangs = visitor.opens_tab()
    visitor.sees("unlock.title")
    by_sheet(visitor, patient)
    keep_sheet(visitor)
    (late,) = held
    late.continue_()
    expect(hangs.get_by_role("alert")).to_be_visible()
    visitor.page.reload()
    unlock(visitor, OTHER_WORDS)
    visitor.sees("overview.title")


# --- devices ---------------------------------------------------------------------------------------------------------


def test_what_another_device_writes_meanwhile_is_kept(visitors, patient, middle):
    """The vault changes elsewhere while this browser is about to write it: it writes anew, and leaves nothing out."""
    visitor, before = visitors(Visitor, "de", PHONE, at=middle.url), Held()
    with visitor.page.expect_response(READINGS):
        sign_in(visitor, patient.account)
    with visitor.page.expect_response(VAULT):
        visitor.follow("security.title")
    visitor.follow("new-words.title")
    with middle.lie("^/v1/vault/", before):
        with visitor.page.expect_request(VAULT):
            choose_words(visitor, OTHER_WORDS)
        assert before.asked.wait(PATIENCE_SECONDS)
    patient.sync()
    patient.save_vault(patient.vault.with_hides(["Observation/w1"]))
    with visitor.page.expect_request(VAULT):  # it has heard that there is another
        look_again(visitor)
    before.gone.set()
    expect(visitor.page.get_by_text(visitor.text("new-words.done"))).to_be_visible()
    patient.sync()
    assert patient.vault.hides == ("Observation/w1",)


def test_what_another_device_agreed_meanwhile_is_not_signed_for_it(visitors, patient, practices, middle):
    """A grant is changed here and, before that is signed, elsewhere: what was said last holds, and she is told."""
    practice, visitor, before = practices(), visitors(Visitor, "de", DESK, at=middle.url), Held()
    sharing.grant(patient, practice.account, {INDEX["vitals"]}, end=years_ahead(1))
    open_sharing(visitor, patient)
    visitor.press("share.change-of", who=title(practice))
    visitor.tick(words.category(INDEX["lab"], "de"))
    visitor.press("grant.look")
    with middle.lie("^/v1/statements", before):
        with visitor.page.expect_request("**/v1/statements"):
            visitor.press("grant.sign")
        assert before.asked.wait(PATIENCE_SECONDS)
    patient.sync()
    ((_, grant, _),) = sharing.granted(patient)
    _, agreed = renewal.renew(patient, grant.gid, end=years_ahead(2))
    before.gone.set()
    expect(visitor.page.get_by_role("alert")).to_have_text(visitor.text("problem.conflict"))
    patient.sync()
    ((_, after, terms),) = sharing.granted(patient)
    assert (after.until, terms.categories) == (agreed.seconds()[1], {INDEX["vitals"]})


def test_words_that_change_while_a_device_is_shut_out_stay_good(visitors, patient, middle, tmp_path, portal_hub):
    """The old ones were right when she typed them, and are not any more: nobody is shut out by them."""
    other = enrolment.join(tmp_path / "other", portal_hub.url, patient.account, WORDS)
    visitor, before = visitors(Visitor, "de", PHONE, at=middle.url), Held()
    with visitor.page.expect_response(READINGS):
        sign_in(visitor, patient.account)
    with visitor.page.expect_response(VAULT):
        visitor.follow("security.title")
    visitor.page.get_by_role("link", name=f"{visitor.text('security.lost')} {other.keyring.device[-4:]}").click()
    visitor.enter("account.passphrase", WORDS)
    visitor.enter("sheet.code", str(patient.code))
    with middle.lie("^/v1/vault/", before):
        with visitor.page.expect_request(VAULT):
            visitor.press("lost.remove")
        assert before.asked.wait(PATIENCE_SECONDS)
    patient.sync()
    enrolment.set_passphrase(patient, OTHER_WORDS)
    before.gone.set()
    expect(visitor.page.get_by_role("alert")).to_have_text(visitor.text("problem.unauthenticated"))
    other.sync()
    other.close()
    enrolment.join(tmp_path / "new", portal_hub.url, patient.account, OTHER_WORDS).close()
