"""Getting in: every way into an account, by pointer and by keyboard, on a phone and at a desk, in both languages."""

import re

import pytest
from playwright.sync_api import expect

from connectors.patient import enrolment
from consent.keys import RecoveryCode
from fhir_profiles.problems import Problem
from tests.portal.conftest import DESK, PHONE, WORDS, Typist, Visitor

pytestmark = pytest.mark.stretches
OTHER_WORDS = "gabel hafen igel jacke kabel lampe"


def nothing():
    """Do not look."""


def choose_words(visitor, words, look=nothing):
    """Type six words and go on."""
    expect(visitor.page.locator("[autocomplete=username]")).to_have_value(re.compile("^p-"))
    visitor.enter("account.passphrase", words)
    look()
    visitor.press("words.go-on")


def keep_sheet(visitor, look=nothing):
    """Prove that the sheet is kept, at the end of a way in. Returns address and groups."""
    account, code = prove_sheet(visitor, look)
    visitor.sees("overview.title")
    return account, code


def prove_sheet(visitor, look=nothing):
    """Read the sheet, and type the two groups that are asked for. Returns address and groups."""
    account, code = read_sheet(visitor)
    look()
    visitor.press("sheet.kept")
    expect(visitor.button("sheet.prove")).to_be_visible()
    for number, group in enumerate(code, 1):
        if visitor.field("sheet.group", number=number).count():
            visitor.enter("sheet.group", group.lower(), number=number)
    look()
    visitor.press("sheet.prove")
    return account, code


def read_sheet(visitor):
    """What the sheet says."""
    sheet = visitor.page.get_by_role("article")
    sheet.wait_for()
    return sheet.get_by_role("definition").first.inner_text(), sheet.get_by_role("listitem").all_inner_texts()


def sign_in(visitor, account, words=WORDS, look=nothing):
    """From the first page to the overview."""
    visitor.follow("welcome.sign-in")
    visitor.enter("account.address", account)
    visitor.enter("account.passphrase", words)
    look()
    visitor.press("sign-in.sign-in")
    visitor.sees("overview.title")


def unlock(visitor, words=WORDS):
    """From the locked page to what lies behind it."""
    visitor.sees("unlock.title")
    visitor.enter("account.passphrase", words)
    visitor.press("unlock.unlock")


def test_a_new_account(visitors, portal_hub, tmp_path):
    """Six words and a sheet make a whole account, which any client may join; neither words nor code leave the page."""
    visitor = visitors(Typist, "de", DESK)
    visitor.sees("welcome.title")
    visitor.is_well()
    visitor.follow("welcome.sign-up")
    choose_words(visitor, WORDS, visitor.is_well)
    account, code = keep_sheet(visitor, visitor.is_well)
    visitor.is_well()
    expect(visitor.page.locator(".account .code")).to_contain_text(f"obhut:{account}#")
    assert visitor.gave_away(account)
    assert not visitor.gave_away(WORDS, "clown", "".join(code), "-".join(code))
    client = enrolment.join(tmp_path / "elsewhere", portal_hub.url, account, WORDS)
    assert client.settle() == 0
    assert len(client.record.relations[account].permits) == 1
    client.close()


def test_what_a_closed_tab_interrupts_is_finished(visitors):
    """The sheet that was not asked back yet is shown again after unlocking; wrong groups are named."""
    visitor = visitors()
    visitor.follow("welcome.sign-up")
    choose_words(visitor, WORDS)
    _, code = read_sheet(visitor)
    visitor.page.reload()
    unlock(visitor, OTHER_WORDS)
    expect(visitor.page.get_by_role("alert")).to_have_text(visitor.text("problem.unauthenticated"))
    visitor.is_well()
    unlock(visitor)
    assert read_sheet(visitor)[1] == code
    visitor.press("sheet.kept")
    visitor.press("sheet.prove")
    expect(visitor.page.get_by_text(visitor.text("sheet.wrong"))).to_have_count(2)
    visitor.is_well()
    visitor.press("sheet.back")
    keep_sheet(visitor)


def test_a_further_device_and_a_lost_one(visitors, patient):
    """A browser joins by address and words; from there a lost device is shut out, and words and sheet stay good."""
    visitor = visitors(Typist)
    sign_in(visitor, patient.account, look=visitor.is_well)
    visitor.follow("security.title")
    visitor.sees("security.title")
    visitor.is_well()
    lost = patient.keyring.device
    visitor.reach(visitor.page.get_by_role("link", name=f"{visitor.text('security.lost')} {lost[-4:]}"))
    visitor.page.keyboard.press("Enter")
    visitor.sees("lost.title")
    visitor.enter("account.passphrase", WORDS)
    visitor.enter("sheet.code", str(patient.code))
    visitor.is_well()
    visitor.press("lost.remove")
    expect(visitor.page.get_by_text(visitor.text("lost.done"))).to_be_focused()
    visitor.is_well()
    with pytest.raises(Problem, match="unauthenticated"):
        patient.sync()
    assert not visitor.gave_away(WORDS, str(patient.code))


@pytest.mark.parametrize(("kind", "language", "viewport"), [(Visitor, "en", PHONE), (Typist, "de", DESK)])
def test_recovery_by_the_sheet(visitors, patient, portal_hub, tmp_path, kind, language, viewport):
    """The sheet brings the account back with new words and a new sheet; the old device and the old sheet are out."""
    visitor = visitors(kind, language, viewport)
    visitor.follow("welcome.sign-in")
    visitor.follow("account.forgotten")
    visitor.sees("recover.title")
    visitor.enter("account.address", patient.account)
    visitor.enter("sheet.code", "AAAA")
    visitor.press("recover.go-on")
    expect(visitor.page.get_by_role("alert")).to_have_text(visitor.text("problem.rejected-code"))
    visitor.enter("sheet.code", str(patient.code))
    visitor.is_well()
    visitor.press("recover.go-on")
    choose_words(visitor, OTHER_WORDS)
    account, code = keep_sheet(visitor)
    assert account == patient.account
    with pytest.raises(Problem, match="unauthenticated"):
        patient.sync()
    joined = enrolment.join(tmp_path / "joined", portal_hub.url, account, OTHER_WORDS)
    assert joined.settle() == 0
    joined.close()
    fresh = RecoveryCode.parse("".join(code))
    assert joined.record.account.recovery_keys(joined.now)[0] == fresh.signing_key.public
    assert not visitor.gave_away(OTHER_WORDS, str(patient.code), "-".join(code))


def test_a_passkey_unlocks_and_an_idle_page_locks_itself(visitors, patient):
    """After fifteen minutes without a touch the secrets are gone, from all tabs; passkey or words bring them back."""
    visitor = visitors(Typist, viewport=DESK)
    visitor.has_authenticator()
    sign_in(visitor, patient.account)
    visitor.follow("security.title")
    visitor.press("security.add-passkey")
    expect(visitor.page.get_by_text(visitor.text("security.has-passkey"))).to_be_visible()
    visitor.is_well()
    visitor.press("frame.lock")
    visitor.sees("unlock.title")
    visitor.is_well()
    visitor.page.clock.install()
    visitor.press("unlock.by-passkey")
    visitor.sees("security.title")
    visitor.page.clock.fast_forward("14:00")
    visitor.sees("security.title")
    visitor.page.clock.fast_forward("01:10")
    unlock(visitor)
    visitor.sees("security.title")
    here = visitor.opens_tab()
    unlock(visitor)
    visitor.sees("overview.title")
    visitor.press("frame.lock")
    visitor.page = here
    visitor.press("unlock.by-passkey")
    visitor.sees("security.title")
    visitor.press("security.remove-passkey")
    expect(visitor.button("security.add-passkey")).to_be_visible()
