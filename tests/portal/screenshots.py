"""Pictures of every page, in both languages, light and dark, on a phone and at a desk: `make screenshots`.

They lie in `build/screenshots/`, to be looked at. A further page is a line in `INSIDE` or `ENTRANCES`.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from connectors.gateway.enrolment import send_request
from connectors.patient import access_log, appointing, enrolment, permits, sharing
from consent.categories import INDEX
from consent.identifiers import account
from consent.lockout import FULL
from tests.browser import chromium
from tests.journeys.conftest import Person, Practice, RunningHub, name_delegate, obhut
from tests.journeys.sharing import write
from tests.portal import record
from tests.portal.conftest import DESK, PHONE, ROOT, SETTLED, WORDS, Visitor, hub_for_browsers
from tests.portal.test_carers import DOCTOR, found, open_patient
from tests.portal.test_devices import asks_for_device, digits, shows_invitation
from tests.portal.test_getting_in import choose_words, read_sheet, sign_in
from tests.portal.test_log import Hiding, again, look_at, open_log, without
from tests.portal.test_outside import LABEL, enter, make, outside
from tests.portal.test_sharing import sign, title

TARGET = ROOT / "build/screenshots"
LANGUAGES, SCHEMES, VIEWPORTS = ("de", "en"), ("light", "dark"), {"phone": PHONE, "desk": DESK}

ENTRANCES = ("", "sign-in", "sign-up", "house", "join", "recover")
"""Paths that a device shows that is nobody's yet."""

INSIDE = (
    "", "share", "relatives", "emergency", "log", "security", "lost/{lost}", "add-device", "words", "sheet", "sign-out",
)  # fmt: skip
"""Paths that an open device shows; `lost` is the name of another device of the account."""

DATA = ("data", "data/vitals", "data/traces", "data/lab", "data/medication", "data/timeline", "bring", "take")
"""Paths that are worth looking at where there are data."""


def shoot(visitor: Visitor, name: str, languages: tuple[str, ...] = LANGUAGES) -> None:
    """The page as it is now, in every language, scheme and size."""
    for language, scheme, (size, viewport) in product(languages, SCHEMES, VIEWPORTS.items()):
        speak(visitor, language)
        visitor.page.emulate_media(color_scheme=scheme)
        visitor.page.set_viewport_size(viewport)
        visitor.page.evaluate("document.activeElement?.blur()")
        # As high as the page, so that what lies at the bottom of the screen lies at the bottom of the picture.
        height = max(viewport["height"], visitor.page.evaluate("document.documentElement.scrollHeight"))
        visitor.page.set_viewport_size(viewport | {"height": height})
        visitor.page.evaluate(SETTLED)
        visitor.page.screenshot(path=TARGET / f"{name}-{language}-{scheme}-{size}.png")
    speak(visitor, visitor.language)
    visitor.page.set_viewport_size(PHONE)


def speak(visitor: Visitor, language: str) -> None:
    """Let the page speak this language."""
    button = visitor.page.locator(f"header [lang={language}]")
    if button.count():
        button.click()
        visitor.page.locator(f"html[lang={language}]").wait_for()
        visitor.page.mouse.move(0, 0)


def go(visitor: Visitor, path: str) -> None:
    """Show the page of a path, settled."""
    visitor.page.evaluate("path => { location.hash = `#/${path}` }", path)
    visitor.page.wait_for_load_state("networkidle")


@contextmanager
def visitor_at(browser: Browser, hub: RunningHub) -> Iterator[Visitor]:
    """Somebody at a browser."""
    visitor = Visitor(browser, hub.url, "de", PHONE)
    yield visitor
    visitor.context.close()


def from_outside(browser: Browser, hub: RunningHub) -> None:
    """What somebody sees who has no account here, and her way to one."""
    with visitor_at(browser, hub) as visitor:
        visitor.page.goto(hub.url)
        shoot(visitor, "public-page")
        visitor.page.goto(visitor.url)
        for path in ENTRANCES:
            go(visitor, path)
            shoot(visitor, f"entrance-{path or 'welcome'}")
        go(visitor, "sign-up")
        choose_words(visitor, WORDS)
        read_sheet(visitor)
        shoot(visitor, "sheet")
        visitor.press("sheet.kept")
        visitor.press("sheet.prove")
        shoot(visitor, "proof")
        visitor.page.reload()
        visitor.sees("unlock.title")
        shoot(visitor, "unlock")


def from_inside(browser: Browser, hub: RunningHub, directory: Path) -> None:
    """What a patient sees who has a client elsewhere, and some data."""
    client, _ = enrolment.enrol(directory, hub.url)
    enrolment.set_passphrase(client, WORDS)
    write(client, 1, 2, 3)
    with visitor_at(browser, hub) as visitor:
        sign_in(visitor, client.account)
        for path in INSIDE:
            go(visitor, path.format(lost=client.keyring.device))
            shoot(visitor, f"page-{path.partition('/')[0] or 'overview'}")
    client.close()


def while_adding(browser: Browser, hub: RunningHub, directory: Path) -> None:
    """What a patient sees on both of her devices while one adds the other."""
    client, _ = enrolment.enrol(directory, hub.url)
    enrolment.set_passphrase(client, WORDS)
    with visitor_at(browser, hub) as old, visitor_at(browser, hub) as new:
        sign_in(old, client.account)
        invitation = shows_invitation(new, lambda: shoot(new, "adding-invitation"))
        asks_for_device(old)
        old.enter("add.text", invitation)
        old.press("add.go-on")
        digits(new)
        digits(old)
        shoot(old, "adding-compare")
        shoot(new, "adding-compare-new")
        new.press("join.same")
        shoot(new, "adding-confirm")
        old.press("add.same")
        new.field("account.passphrase").wait_for()
        shoot(old, "adding-done")
        shoot(new, "adding-words")
    client.close()


def with_data(browser: Browser, hub: RunningHub, directory: Path) -> None:
    """What a patient sees whose record has something of everything, and what she adds to it."""
    client, _ = enrolment.enrol(directory, hub.url)
    enrolment.set_passphrase(client, WORDS)
    name = account(client.account).local
    record.put(client, record.observations(name, 45), "seed")
    record.put(client, [*record.clinical(name), *record.heart_rates(name, 3)])
    record.put(client, [record.document(name, "letter", record.picture(), record.PNG, "Befundbild")])
    client.flush()
    with visitor_at(browser, hub) as visitor:
        sign_in(visitor, client.account)
        for path in DATA:
            go(visitor, path)
            for opened in visitor.page.locator(".drawn details, .entry").all()[:1]:
                opened.locator("summary").click()
            shoot(visitor, f"page-{path.replace('/', '-')}")
        go(visitor, "data/documents")
        visitor.page.locator(".entry summary").click()
        visitor.press("document.show")
        visitor.button("entry.delete").click()
        shoot(visitor, "data-document")
        go(visitor, "bring")
        visitor.press("bring.save")
        visitor.press("bring.add")
        shoot(visitor, "bring-wrong")
    client.close()


def while_sharing(browser: Browser, hub: RunningHub, directory: Path) -> None:
    """What a patient sees who is asked, allows access step by step, withdraws it, and provides for an emergency."""
    client, _ = enrolment.enrol(directory / "patient", hub.url)
    enrolment.set_passphrase(client, WORDS)
    write(client, 1, 2, 3)
    names = {"praxis-am-markt": "practice", "klinikum-sued": "hospital", "notaufnahme-sued": "emergency"}
    practice, hospital, department = (Practice(directory, hub, name, type_) for name, type_ in names.items())
    wanted = frozenset(INDEX[name] for name in ("vitals", "lab", "mental"))
    send_request(hospital.keys, enrolment.card(client), wanted, ("TREAT",), "2099-12-31")
    with visitor_at(browser, hub) as visitor:
        sign_in(visitor, client.account)
        go(visitor, "share")
        visitor.button("share.answer-of", who=title(hospital)).wait_for()
        shoot(visitor, "sharing-request")
        visitor.press("share.answer-of", who=title(hospital))
        shoot(visitor, "sharing-answer")
        visitor.press("grant.cancel")
        look = iter(("whom", "what", "review", "receipt"))
        sign(visitor, practice, lambda: shoot(visitor, f"sharing-{next(look)}"))
        visitor.press("grant.finish")
        shoot(visitor, "sharing-now")
        visitor.press("share.change-of", who=title(practice))
        shoot(visitor, "sharing-change")
        visitor.press("grant.cancel")
        visitor.press("share.withdraw-of", who=title(practice))
        shoot(visitor, "sharing-withdraw")
        visitor.press("share.withdraw-now")
        visitor.button("share.undo").wait_for()
        shoot(visitor, "sharing-ended")
        go(visitor, "emergency")
        visitor.tick(title(department))
        visitor.press("emergency.usual")
        visitor.press("emergency.sign")
        visitor.button("emergency.forbid-of", who=title(department)).wait_for()
        shoot(visitor, "emergency-allowed")
    for house in (practice, hospital, department):
        house.close()
    client.close()


def while_acting(browser: Browser, hub: RunningHub, directory: Path) -> None:
    """What a patient sees who names a relative; and he who acts for her in full, and manages for another."""
    ann, eve, ben = (Person(directory / name, hub) for name in ("ann", "eve", "ben"))
    practice = Practice(directory, hub, "praxis-am-tor", "practice")
    for one in (ann, ben):
        enrolment.set_passphrase(one.client, WORDS)
    record.put(ann.client, record.clinical(account(ann.account).local))
    ann.client.flush()
    for one in (ann, eve):
        sharing.grant(one.client, practice.account, {INDEX["vitals"], INDEX["lab"]}, end="2099-12-31")
    name_delegate(ann.client, ben.card, "2099-12-31", scope=FULL)
    name_delegate(eve.client, ben.card, "2099-12-31", private=frozenset({INDEX["mental"]}))
    with visitor_at(browser, hub) as visitor:
        sign_in(visitor, ann.account)
        go(visitor, "relatives")
        visitor.press("relatives.change-of", who=ben.account)
        visitor.tick(visitor.text("relatives.manage"))
        visitor.tick(visitor.text("relatives.reads-too"))
        visitor.tick(visitor.text("relatives.kind-guardian"))
        visitor.press("relatives.save")
        shoot(visitor, "acting-naming")
    with visitor_at(browser, hub) as visitor:
        sign_in(visitor, ben.account)
        visitor.page.get_by_text(visitor.text("acting.for"), exact=True).wait_for()
        shoot(visitor, "acting-overview")
        for whose, paths in ((ann, ("", "patient", "share", "log")), (eve, ("", "patient"))):
            visitor.page.locator("li").filter(has_text=whose.account).get_by_role("button").click()
            visitor.sees("acting.title")
            for path in paths:
                go(visitor, path)
                shoot(visitor, f"acting-{'full' if whose is ann else 'manage'}-{path or 'home'}")
            go(visitor, "")
            visitor.press("acting.resign")
            shoot(visitor, f"acting-{'full' if whose is ann else 'manage'}-resign")
            appointing.dismiss(whose.client, ben.account)
            visitor.sees("acting.over-title")
            shoot(visitor, "acting-over")
            visitor.press("acting.back")
    for one in (practice, ann, eve, ben):
        one.close()


def while_looking(browser: Browser, hub: RunningHub, directory: Path) -> None:
    """What a patient sees whose doctor has looked, when she objects, and when the hub hides something."""
    client, _ = enrolment.enrol(directory / "patient", hub.url)
    enrolment.set_passphrase(client, WORDS)
    write(client, 1, 2, 3)
    practice = Practice(directory, hub, "praxis-am-park", "practice")
    sharing.grant(client, practice.account, {INDEX["vitals"], INDEX["lab"]})
    look_at(practice, client, 2)
    with visitor_at(browser, hub) as visitor:
        sign_in(visitor, client.account)
        open_log(visitor)
        shoot(visitor, "log")
        number = next(one.seq for one in access_log.entries(client) if one.person)
        visitor.press("log.object-of", seq=number)
        shoot(visitor, "log-object")
        visitor.press("log.object-send")
        visitor.page.get_by_text(visitor.text("log.objected")).wait_for()
        shoot(visitor, "log-objected")
        Hiding(visitor).change = without(3)
        again(visitor)
        shoot(visitor, "log-broken")
        visitor.page.unroute_all()
    practice.close()
    client.close()


def while_leaving(browser: Browser, hub: RunningHub, directory: Path) -> None:
    """What a patient sees who hides an entry from a practice, and then closes her account."""
    client, _ = enrolment.enrol(directory / "patient", hub.url)
    enrolment.set_passphrase(client, WORDS)
    write(client, 1, 2)
    practice = Practice(directory, hub, "praxis-am-wald", "practice")
    sharing.grant(client, practice.account, {INDEX["vitals"]})
    with visitor_at(browser, hub) as visitor:
        sign_in(visitor, client.account)
        go(visitor, "data/vitals")
        visitor.page.locator(".entry summary").last.click()
        visitor.press("readers.who")
        visitor.press("readers.hide-from", who=title(practice))
        visitor.button("readers.show-to", who=title(practice)).wait_for()
        shoot(visitor, "entry-readers")
        go(visitor, "close")
        shoot(visitor, "close")
        visitor.press("close.go-to")
        visitor.enter("account.passphrase", WORDS)
        shoot(visitor, "close-sure")
        visitor.press("close.now")
        visitor.sees("farewell.title")
        shoot(visitor, "farewell")
    practice.close()
    client.close()


def for_the_operator(browser: Browser, hub: RunningHub, directory: Path) -> None:
    """What the operator sees: the page closed, its link, the hub as it is, a wrong name, and an admission code."""
    client, _ = enrolment.enrol(directory / "patient", hub.url)
    write(client, 1, 2, 3)
    house = Practice(directory, hub, "klinikum-am-ring", "hospital")
    with visitor_at(browser, hub) as visitor:
        visitor.page.goto(f"{hub.url}/console")
        shoot(visitor, "console-closed")
        visitor.page.goto(obhut("hub", "console", **hub.environment).stdout.strip())
        shoot(visitor, "console-link")
        visitor.page.locator("main button").click()
        shoot(visitor, "console")
        for name in ("p-wrong", "praxis-am-park"):
            if visitor.page.locator("details[open]").count() == 0:
                visitor.page.locator("summary").click()
            visitor.page.locator("#name").fill(name)
            visitor.page.locator("#title").fill("Praxis am Park")
            visitor.page.locator("form[action*=admit] button").click()
            visitor.page.locator("[aria-invalid], [role=status]").first.wait_for()
            shoot(visitor, f"console-{name}", LANGUAGES[:1])
    house.close()
    client.close()


def for_someone_outside(browser: Browser, hub: RunningHub, directory: Path) -> None:
    """A link as she makes and keeps it, and as somebody without an account opens it."""
    client, _ = enrolment.enrol(directory, hub.url)
    enrolment.set_passphrase(client, WORDS)
    name = account(client.account).local
    record.put(client, record.observations(name, 45), "seed")
    record.put(client, record.clinical(name))
    client.flush()
    with visitor_at(browser, hub) as visitor, visitor_at(browser, hub) as guest:
        sign_in(visitor, client.account)
        go(visitor, "outside")
        visitor.button("outside.make").wait_for()
        shoot(visitor, "outside")
        link, passcode = make(visitor, "vitals", "lab", "allergies")
        shoot(visitor, "outside-ready")
        outside(guest, link)
        shoot(guest, "link")
        enter(guest, "not-the-code")
        guest.page.get_by_text(guest.text("link.wrong", left=9)).wait_for()
        shoot(guest, "link-wrong")
        enter(guest, passcode)
        guest.page.get_by_text(guest.text("link.chosen")).wait_for()
        shoot(guest, "link-opened")
        go(guest, "data/vitals")
        shoot(guest, "link-vitals")
        go(visitor, "log")
        go(visitor, "outside")
        visitor.button("outside.revoke-of", label=LABEL).click()
        shoot(visitor, "outside-revoke")
    client.close()


def as_carer(browser: Browser, hub: RunningHub, directory: Path) -> None:
    """What a member of a care service sees without a gateway: who granted what, her record, and what is added to it."""
    client, _ = enrolment.enrol(directory, hub.url)
    name = account(client.account).local
    record.put(client, [record.person(name), *record.clinical(name)])
    record.put(client, record.observations(name, 45), "seed")
    client.flush()
    with visitor_at(browser, hub) as visitor:
        house = found(visitor, hub, DOCTOR, "physician", lambda: None)
        shoot(visitor, "carer-none")
        given = frozenset(INDEX[name] for name in ("person", "vitals", "medication", "documents", "care"))
        sharing.grant(client, house, given, end="2099-12-31")
        permits.permit(client, house)
        open_patient(visitor, client, "Erika Brandt")
        shoot(visitor, "carer-patient")
        visitor.page.locator(".tiles a").filter(has_text=visitor.text("category.vitals")).click()
        visitor.page.locator(".drawn canvas").first.wait_for()
        shoot(visitor, "carer-vitals")
        go(visitor, f"patient/{client.account}/add")
        visitor.press("write.save-note")
        shoot(visitor, "carer-add")
        go(visitor, "")
        shoot(visitor, "carer-patients")
        go(visitor, "security")
        shoot(visitor, "carer-security")
    client.close()


def main() -> None:
    """All of them, anew."""
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        home = Path(directory)
        hub = hub_for_browsers(home / "hub")
        try:
            browser = playwright.chromium.launch(
                executable_path=chromium.provide(), args=["--no-sandbox"], env=dict(chromium.environment())
            )
            from_outside(browser, hub)
            from_inside(browser, hub, home / "patient")
            while_adding(browser, hub, home / "adding")
            with_data(browser, hub, home / "with-data")
            while_sharing(browser, hub, home / "sharing")
            while_looking(browser, hub, home / "looking")
            while_acting(browser, hub, home / "acting")
            while_leaving(browser, hub, home / "leaving")
            for_the_operator(browser, hub, home / "operator")
            for_someone_outside(browser, hub, home / "outside")
            as_carer(browser, hub, home / "carer")
            browser.close()
        finally:
            hub.kill()
    print(f"{len(list(TARGET.iterdir()))} pictures in {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
