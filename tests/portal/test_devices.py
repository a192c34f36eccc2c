"""A further device by QR code or text, with digits to compare; and what is changed of this browser, or left of it."""

import re

import pytest
import segno
from playwright.sync_api import expect

from tests.browser import chromium
from tests.portal.conftest import DESK, PHONE, WORDS, Typist, Visitor
from tests.portal.test_getting_in import OTHER_WORDS, nothing, sign_in, unlock


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
    expect(old.page.get_by_text(old.text("add.done"))).to_be_visible()
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
    patient.sync()
    present = [one for one in patient.record.account.devices.values() if one.until is None]
    assert [one.role for one in present] == ["client"] * 3
    assert patient.settle() == 0
    assert not old.gave_away(invitation, WORDS) and not new.gave_away(invitation, WORDS, OTHER_WORDS)


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
        visitor = kind(started, portal_hub.url, language, viewport)
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
