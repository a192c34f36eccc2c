"""A further device by QR code or text, with digits to compare; and what is changed of this browser, or left of it."""

import re
import time
from types import SimpleNamespace

import pytest
import segno
from playwright.sync_api import expect
from werkzeug.serving import make_server

from connectors.keyring import Keyring
from connectors.patient import enrolment, pairing
from connectors.patient.account_writer import AccountWriter
from consent import pairing as words
from consent import vault as vaults
from consent.keys import RecoveryCode
from fhir_profiles.problems import Problem
from hub.app import create_app
from hub.config import Config
from tests.browser import chromium
from tests.journeys.conftest import DOMAIN
from tests.journeys.test_pairing import organisation
from tests.portal.conftest import DESK, PHONE, WORDS, Typist, Visitor, answered
from tests.portal.test_getting_in import (
    OTHER_WORDS,
    choose_words,
    keep_sheet,
    nothing,
    prove_sheet,
    read_sheet,
    sign_in,
    unlock,
)
from tests.ports import free_port
from tests.serving import serving


def shows_invitation(visitor, look=nothing):
    """From the first page to the invitation; returns its text."""
    visitor.follow("welcome.sign-in")
    visitor.follow("sign-in.by-device")
    visitor.sees("join.title")
    shown = visitor.page.get_by_role("group", name=visitor.text("join.text"), include_hidden=True)
    expect(shown).to_contain_text("OBHUT-DEVICE:")
    expect(visitor.page.get_by_role("img").locator("path")).to_have_attribute("d", re.compile("^M"))
    look()
    return shown.text_content()


def asks_for_device(visitor):
    """From anywhere inside to where a device is added."""
    visitor.follow("security.title")
    visitor.sees("security.title")
    visitor.follow("add.title")
    visitor.sees("add.title")


def digits(visitor):
    """What is to be compared."""
    shown = visitor.page.get_by_role("group", name=visitor.text("join.digits"))
    shown.wait_for()
    return re.sub(r"\s", "", shown.inner_text())


def added(old, new, look=nothing):
    """Both show the same digits; she says so on both."""
    assert digits(old) == digits(new)
    assert re.fullmatch("[0-9]{12}", digits(old))
    look()
    new.press("join.same")
    expect(new.page.get_by_text(new.text("join.confirm-there"))).to_be_visible()
    look()
    old.press("add.same")
    expect(old.page.locator(".notice.good").get_by_role("heading")).to_be_focused()
    expect(new.field("account.passphrase")).to_be_visible()
    look()


@pytest.mark.parametrize(("kind", "language", "viewport"), [(Visitor, "de", PHONE), (Typist, "en", DESK)])
def test_a_second_browser_joins_by_text(visitors, patient, kind, language, viewport):
    """The text of the QR code, the same digits, her words: then it is a client like the first, which names it."""
    old, new = visitors(kind, language, viewport), visitors(kind, language, viewport)

    def look():
        old.is_well()
        new.is_well()

    sign_in(old, patient.account)
    invitation = shows_invitation(new, new.is_well)
    asks_for_device(old)
    old.is_well()
    old.enter("add.text", "obhut:nothing")
    old.press("add.go-on")
    expect(old.page.get_by_text(old.text("add.not-this"))).to_be_visible()
    old.is_well()
    old.enter("add.text", invitation)
    old.press("add.go-on")
    added(old, new, look)
    new.enter("account.passphrase", OTHER_WORDS)
    new.press("join.finish")
    expect(new.page.get_by_role("alert")).to_have_text(new.text("problem.unauthenticated"))
    new.enter("account.passphrase", WORDS)
    new.press("join.finish")
    new.sees("overview.title")
    new.page.reload()
    unlock(new)
    new.sees("overview.title")
    asks_for_device(old)
    old.follow("lost.back")
    expect(old.page.get_by_role("rowheader", name=re.compile("Chrome · Linux"))).to_have_count(1)
    patient.sync()
    assert len(present(patient)) == 3
    assert patient.settle() == 0
    assert not old.gave_away(invitation, WORDS) and not new.gave_away(invitation, WORDS, OTHER_WORDS)


def test_digits_that_differ_bring_nothing(visitors, patient):
    """Who says no on the account's browser adds nothing; the new one finds that out, and shows another code."""
    old, new = visitors(viewport=DESK, language="en"), visitors(viewport=DESK, language="en")
    sign_in(old, patient.account)
    invitation = shows_invitation(new)
    asks_for_device(old)
    old.enter("add.text", invitation)
    old.press("add.go-on")
    digits(new)
    new.press("join.same")
    digits(old)
    old.press("join.differ")
    expect(old.page.get_by_text(old.text("add.declined"))).to_be_focused()
    old.is_well()
    expect(new.page.get_by_role("alert")).to_have_text(new.text("problem.gone"))
    new.is_well()
    new.press("join.again")
    shown = new.page.get_by_role("group", name=new.text("join.text"), include_hidden=True)
    expect(shown).to_contain_text("OBHUT-DEVICE:")
    assert shown.text_content() != invitation
    patient.sync()
    assert len(present(patient)) == 2


def present(client):
    """Names of the devices that are the account's now."""
    return [one.name for one in client.record.account.devices.values() if one.until is None]


def test_browser_and_command_add_each_other(visitors, patient, tmp_path, portal_hub):
    """What the page shows the command adds, and the other way round: one protocol, both ways."""
    new = visitors(language="en")
    offer = pairing.answer(patient, shows_invitation(new))
    reveal = pairing.hear_reveal(patient, offer)
    assert digits(new) == words.digits(offer.invitation, offer.reply, reveal)
    assert "Linux" in reveal.label
    pairing.admit(patient, offer, reveal)
    new.press("join.same")
    new.press("join.new-words")
    choose_words(new, OTHER_WORDS)
    new.sees("overview.title")
    enrolment.join(tmp_path / "joined", portal_hub.url, patient.account, OTHER_WORDS).close()
    device = pairing.newcomer(portal_hub.url)
    asks_for_device(new)
    new.enter("add.text", str(device.invitation))
    new.press("add.go-on")
    reply = pairing.hear_reply(device)
    assert digits(new) == words.digits(device.invitation, reply, device.reveal)
    new.press("add.same")
    added_by_page = pairing.move_in(device, reply, tmp_path / "added", portal_hub.url)
    assert added_by_page.settle() == 0
    added_by_page.close()


def test_a_colleague_joins_an_organisation(visitors, portal_hub, tmp_path):
    """Members of an organisation are devices of its account: the second comes as a person's second browser does."""
    member = organisation(portal_hub, tmp_path / "member", "praxis-mit-menschen")
    enrolment.set_passphrase(member, WORDS)
    old, new = visitors(language="en", viewport=DESK), visitors(language="en", viewport=DESK)
    old.follow("welcome.sign-in")
    old.enter("account.address", member.account)
    old.enter("account.passphrase", WORDS)
    old.press("sign-in.sign-in")
    old.sees("patients.title")
    invitation = shows_invitation(new)
    asks_for_device(old)
    old.enter("add.text", invitation)
    old.press("add.go-on")
    added(old, new)
    new.enter("account.passphrase", WORDS)
    new.press("join.finish")
    new.sees("patients.title")
    member.sync()
    assert len(present(member)) == 3
    member.close()


def test_a_device_without_the_key_is_handed_it(visitors, patient, tmp_path, portal_hub):
    """A client that sent `device` alone left one that opens nothing: it is named, and one press mends it."""
    keys = Keyring.generate(patient.account, portal_hub.url, patient.keyring.hub_key, patient.keyring.handle_key)
    writer = AccountWriter(patient.account, patient.record.account, patient.now)
    writer.add_device(patient.root.root, keys, "client")
    patient.post(writer.written)
    visitor = visitors(language="en")
    sign_in(visitor, patient.account)
    visitor.follow("security.title")
    told = visitor.page.get_by_text(visitor.text("security.without-key", name=keys.device[-4:]))
    expect(told).to_be_visible()
    visitor.is_well()
    visitor.press("security.hand-key")
    expect(told).to_have_count(0)
    patient.sync()
    _, _, wraps = patient.hub.vault(patient.account)
    assert vaults.unwrap_by_box(wraps[keys.device], patient.account, keys.device, keys.box) == patient.vault_key


# --- this browser -------------------------------------------------------------------------------------------------


def test_signing_out(visitors, patient):
    """Nothing of the account is left in the browser, it is none of the account's devices, and words bring it back.

    Not even where the hub knows its token no longer, as if somebody had removed it already.
    """
    visitor = visitors(Typist, "de", PHONE)
    sign_in(visitor, patient.account)
    patient.sync()
    before = present(patient)
    assert len(before) == 2
    visitor.follow("security.title")
    visitor.follow("sign-out.title")
    visitor.sees("sign-out.title")
    visitor.is_well()
    visitor.page.route("**/v1/feed?*", answered(401, "unauthenticated"), times=1)
    visitor.press("sign-out.sign-out")
    visitor.sees("welcome.title")
    assert visitor.page.evaluate(KEPT) == {}
    patient.sync()
    assert present(patient) == [patient.keyring.device]
    patient.settle()  # what the browser may have seen is rotated by who stays
    sign_in(visitor, patient.account)


KEPT = """async () => {
  const db = await new Promise((done) => { indexedDB.open("obhut").onsuccess = ({ target }) => done(target.result); });
  const found = {};
  for (const name of db.objectStoreNames) {
    const store = db.transaction(name).objectStore(name);
    const count = await new Promise((done) => { store.count().onsuccess = ({ target }) => done(target.result); });
    if (count) found[name] = count;
  }
  db.close();
  return found;
}"""


def test_the_last_device_is_warned(visitors):
    """Who signs the only browser out is told what she needs to come back; other tabs are left at once."""
    visitor = visitors(language="de")
    visitor.follow("welcome.sign-up")
    choose_words(visitor, WORDS)
    keep_sheet(visitor)
    here = visitor.opens_tab()
    unlock(visitor)
    visitor.follow("security.title")
    visitor.follow("sign-out.title")
    expect(visitor.page.get_by_text(visitor.text("sign-out.last"))).to_be_visible()
    visitor.is_well()
    visitor.press("sign-out.sign-out")
    visitor.sees("welcome.title")
    visitor.page = here
    visitor.sees("welcome.title")


def test_new_words(visitors, patient, tmp_path, portal_hub):
    """They unlock this browser, sign in elsewhere and shut out a lost device; the old ones do none of it."""
    visitor = visitors(Typist, "de", PHONE)
    sign_in(visitor, patient.account)
    visitor.follow("security.title")
    visitor.follow("new-words.title")
    visitor.sees("new-words.title")
    choose_words(visitor, OTHER_WORDS, visitor.is_well)
    expect(visitor.page.get_by_text(visitor.text("new-words.done"))).to_be_focused()
    visitor.is_well()
    visitor.press("frame.lock")
    unlock(visitor, WORDS)
    expect(visitor.page.get_by_role("alert")).to_have_text(visitor.text("problem.unauthenticated"))
    unlock(visitor, OTHER_WORDS)
    visitor.sees("new-words.title")
    with pytest.raises(Problem, match="unauthenticated"):
        enrolment.join(tmp_path / "old", portal_hub.url, patient.account, WORDS)
    joined = enrolment.join(tmp_path / "new", portal_hub.url, patient.account, OTHER_WORDS)
    assert joined.settle() == 0
    joined.close()
    assert not visitor.gave_away(WORDS, OTHER_WORDS)


def test_a_sheet_is_not_replaced_in_its_first_week(visitors, patient):
    """The page says from when on."""
    visitor = visitors(language="en", viewport=DESK)
    sign_in(visitor, patient.account)
    visitor.follow("security.title")
    visitor.follow("new-sheet.title")
    expect(visitor.page.get_by_text("not seven days old yet")).to_be_visible()
    expect(visitor.button("new-sheet.make")).to_have_count(0)
    visitor.is_well()


@pytest.fixture
def old_hub(tmp_path):
    """A hub whose clock can be put forward; `ahead`: by so many seconds."""
    home, port = tmp_path / "old-hub", free_port()
    config = Config(
        domain=DOMAIN, data=str(home), database=f"sqlite:///{tmp_path / 'old-hub.sqlite'}", bind=f"127.0.0.1:{port}",
        url=f"http://localhost:{port}",
    )  # fmt: skip
    running = SimpleNamespace(url=f"http://localhost:{port}", ahead=0)
    app = create_app(config, lambda: time.time() + running.ahead)
    with serving(make_server("127.0.0.1", port, app, threaded=True)):
        yield running


@pytest.fixture
def a_week_later(browser, old_hub, tmp_path):
    """A patient, the code of her sheet of a week ago, her clock, and herself at a browser, before she makes another."""

    def clock():
        return time.time() + old_hub.ahead

    patient, code = enrolment.enrol(tmp_path / "patient", old_hub.url, clock)
    enrolment.set_passphrase(patient, WORDS)
    old_hub.ahead = 8 * 24 * 3600
    visitor = Visitor(browser, old_hub.url, "de", PHONE, stretches=False)
    sign_in(visitor, patient.account)
    visitor.follow("security.title")
    visitor.follow("new-sheet.title")
    yield patient, code, clock, visitor
    visitor.close()
    patient.close()


def test_a_new_sheet_is_asked_back(a_week_later):
    """Only then it is done; that it is, is read out."""
    *_, visitor = a_week_later
    visitor.press("new-sheet.make")
    prove_sheet(visitor, visitor.is_well)
    expect(visitor.page.get_by_text(visitor.text("new-sheet.done"))).to_be_focused()
    visitor.is_well()


def test_a_new_sheet(a_week_later, old_hub, tmp_path):
    """After a week she makes another; a closed tab loses nothing of it, and for 7 days the old one works, too."""
    patient, code, clock, visitor = a_week_later
    visitor.is_well()
    visitor.press("new-sheet.make")
    account, groups = read_sheet(visitor)
    visitor.is_well()
    visitor.page.reload()
    unlock(visitor)
    assert (account, groups) == read_sheet(visitor) and account == patient.account
    keep_sheet(visitor)
    fresh = RecoveryCode.parse("".join(groups))
    patient.sync()
    assert patient.record.account.recovery_keys(patient.now) == [fresh.signing_key.public, code.signing_key.public]
    again, newest = enrolment.recover(tmp_path / "by-old", old_hub.url, account, code, clock)
    assert again.settle() == 0
    again.close()
    with pytest.raises(Problem):
        enrolment.recover(tmp_path / "by-void", old_hub.url, account, fresh, clock)
    enrolment.recover(tmp_path / "by-newest", old_hub.url, account, newest, clock)[0].close()


# --- the camera ---------------------------------------------------------------------------------------------------

WIDTH, HEIGHT = 640, 480


def film(path, content):
    """A film for Chromium's made-up camera: a QR code, held still before a grey wall (YUV4MPEG2, black and white)."""
    matrix = segno.make_qr(content, error="m").matrix
    size = HEIGHT * 3 // 4 // len(matrix)
    left, top = (WIDTH - size * len(matrix)) // 2, (HEIGHT - size * len(matrix)) // 2
    rows = [bytearray(b"\xd0" * WIDTH) for _ in range(HEIGHT)]
    for y, row in enumerate(matrix):
        line = b"".join(bytes([20 if dark else 235]) * size for dark in row)
        for place in range(top + y * size, top + (y + 1) * size):
            rows[place][left : left + len(line)] = line
    picture = b"".join(rows) + b"\x80" * (WIDTH * HEIGHT // 2)
    path.write_bytes(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F10:1 Ip C420jpeg\n".encode() + (b"FRAME\n" + picture) * 3)
    return path


@pytest.fixture
def cameras(browser, portal_hub, tmp_path):
    """Makes visitors whose camera sees a QR code; without content there is none at all."""
    made = []

    def make(content, language="de", viewport=PHONE, kind=Visitor):
        args = ["--no-sandbox"]
        if content:
            seen = film(tmp_path / f"{len(made)}.y4m", content)
            args += [
                "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-video-capture={seen}",
            ]  # fmt: skip
        started = browser.browser_type.launch(
            executable_path=chromium.find(), args=args, env=dict(chromium.environment())
        )
        visitor = kind(started, portal_hub.url, language, viewport, stretches=False)
        made.append((started, visitor))
        return visitor

    yield make
    for started, visitor in made:
        visitor.close()
        started.close()


def test_a_camera_scans_the_new_device(visitors, cameras, patient):
    """Without a word typed, the QR code on one screen brings the digits to the other."""
    new = visitors(language="en")
    invitation = shows_invitation(new)
    old = cameras(invitation, viewport=DESK)
    sign_in(old, patient.account)
    asks_for_device(old)
    old.press("add.scan")
    added(old, new, old.is_well)


def test_a_camera_scans_the_card_of_a_practice(cameras, practices, patient):
    """Its card is the counterpart then; the page goes on as if it had been typed."""
    house = practices()
    (listed,) = (one for one in patient.hub.directory() if one["account"] == house.account)
    visitor = cameras(f"obhut:{house.account}#{listed['fingerprint']}".upper(), "en")
    sign_in(visitor, patient.account)
    visitor.follow("share.title")
    visitor.press("share.new")
    visitor.press("grant.scan")
    expect(visitor.page.get_by_text(visitor.text("grant.is-card"))).to_be_visible()
    visitor.is_well()
    visitor.press("grant.go-on")
    expect(visitor.page.get_by_role("heading", level=2)).to_have_text(re.compile(visitor.text("grant.step-what")))


def test_a_camera_scans_the_card_of_a_relative(cameras, patient, portal_hub, tmp_path):
    """It stands in the field as if it had been typed."""
    relative, _ = enrolment.enrol(tmp_path / "relative", portal_hub.url)
    card = str(enrolment.card(relative))
    visitor = cameras(card)
    sign_in(visitor, patient.account)
    visitor.page.evaluate("location.hash = '#/relatives'")
    visitor.press("relatives.scan")
    expect(visitor.field("relatives.card")).to_have_value(card)
    visitor.is_well()
    relative.close()


def test_what_the_camera_cannot_read(cameras, patient):
    """A QR code of something else is told, and the camera goes on; where there is none the field is left."""
    visitor = cameras("https://example.org/")
    sign_in(visitor, patient.account)
    asks_for_device(visitor)
    visitor.press("add.scan")
    expect(visitor.page.get_by_text(visitor.text("scan.other"))).to_be_visible()
    visitor.is_well()
    visitor.press("scan.stop")
    expect(visitor.page.locator("video")).to_have_count(0)
    blind = cameras("", "en", DESK, Typist)
    sign_in(blind, patient.account)
    asks_for_device(blind)
    blind.press("add.scan")
    expect(blind.page.get_by_text(blind.text("scan.no-camera"))).to_be_visible()
    blind.is_well()
    blind.field("add.text").wait_for()


def test_a_decoder_that_is_another_is_not_started(cameras, patient):
    """The script knows the hash of the part that reads QR codes; where the hub gives another, the field is left."""
    visitor = cameras("https://example.org/", "en")
    other = "export default () => 'obhut:' + document.cookie"
    visitor.context.route("**/qr_read.js", lambda route: route.fulfill(body=other, content_type="text/javascript"))
    sign_in(visitor, patient.account)
    asks_for_device(visitor)
    visitor.press("add.scan")
    expect(visitor.page.get_by_text(visitor.text("scan.no-camera"))).to_be_visible()
    assert [text for text in visitor.complaints if "integrity" in text]
    visitor.complaints.clear()
