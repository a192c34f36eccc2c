"""A hub that lies: what it does to the answers of a real one is named by the page, each in a sentence of its own.

Where she reads and where she shares. What the access log would hide is in `test_log.py`.
"""

import json
import re
import shutil
from contextlib import contextmanager

from playwright.sync_api import expect

from connectors.patient import enrolment, sharing
from consent import statements, steps
from consent.categories import INDEX
from consent.keys import BoxKey, SigningKey
from consent.primitives import b64
from tests.journeys.conftest import Practice
from tests.journeys.sharing import found, write
from tests.portal.between import between
from tests.portal.conftest import DESK, PHONE, WORDS, Visitor, hub_for_browsers
from tests.portal.test_getting_in import sign_in
from tests.portal.test_reading import READINGS, come_back, counted
from tests.portal.test_sharing import PRESET, choose_whom, open_sharing, sign, title

ENVELOPES, STATEMENTS = r"^/v1/feed\?.*only=envelope", r"^/v1/feed\?.*only=statement"
VITALS = INDEX["vitals"]


def events(change):
    """A page of the feed with its list of events changed."""
    return lambda answer, _: answer | {"events": change(answer["events"])}


def frames(change):
    """A chain with its list of links changed."""
    return lambda answer, _: answer | {"frames": change(answer["frames"])}


def shorter(given):
    return given[:-1]


def without_second(given):
    return [given[0], *given[2:]]


def behind(link):
    """With one more link."""
    return lambda given: [*given, link]


def another(given):
    """The second link is another one."""
    return [given[0], given[1][:-6] + "AAAAAA", *given[2:]]


def told(visitor, key, **values):
    """The page says it, and is well."""
    expect(visitor.page.get_by_text(visitor.text(key, **values)).first).to_be_visible()
    visitor.is_well()


def honest_again(visitor):
    """Unlocked once more, with a hub that tells the truth, nothing is wrong, and envelopes are read."""
    with visitor.page.expect_response(READINGS):
        come_back(visitor)
    expect(visitor.page.get_by_role("alert")).to_have_count(0)


def forged(practice, patient, before=None):
    """The next link of the practice's account chain: a stranger signs it, with a reading key of his."""
    seq, digest = patient.chains.account(practice.account).head
    body = {"key": b64(BoxKey.generate().public), "bad": 1}
    return statements.sign(
        SigningKey.generate(), kind="acct", acc=practice.account, head=(seq, before or digest), iat=patient.now,
        typ="reading", by=("root",), body=body,
    )  # fmt: skip


def test_where_she_reads(visitors, patient, practices, middle):
    """Envelopes dropped or forged, her chain shortened or another, a statement forged, a vault of yesterday."""
    practice, visitor = practices(), visitors(Visitor, "de", PHONE, at=middle.url)
    write(patient, 1, 2, 3)
    with middle.lie(ENVELOPES, events(lambda given: [one for one in given if one["pos"] != 2])):
        sign_in(visitor, patient.account)
        told(visitor, "reading.missing", count=1)
        counted(visitor, 2)
    old = json.loads(json.dumps(patient.hub._json("GET", f"/v1/vault/{patient.account}")))
    write(patient, 4)
    with middle.lie(ENVELOPES, events(lambda given: [one | {"frame": one["frame"][:-6] + "AAAAAA"} for one in given])):
        come_back(visitor)
        told(visitor, "reading.refused", count=2)
        counted(visitor, 2)

    own = rf"^/v1/chains/acct/{re.escape(patient.account)}\?after=-1"
    for change in (shorter, another):
        with middle.lie(own, frames(change)):
            come_back(visitor)
            told(visitor, "problem.rejected-rollback")
        honest_again(visitor)

    sharing.meet(patient, practice.account)
    real = patient.keyring.signer
    wrong = steps.Signer(real.account, real.device, SigningKey.generate())
    end = steps.permit(patient.record, practice.account, next(iter(patient.record.sets)), wrong, patient.now)
    event = {"type": "statement", "acc": patient.account, "frame": b64(end.frame)}
    with middle.lie(STATEMENTS, events(lambda given: [*given, event])):
        come_back(visitor)
        told(visitor, "problem.rejected-signature")
    honest_again(visitor)

    patient.sync()
    patient.save_vault(patient.vault)
    before = len(middle.passed)
    with middle.lie("^/v1/vault/", lambda *_: old):
        come_back(visitor)
        told(visitor, "problem.stale")
    assert sum("/v1/vault/" in one.line for one in middle.passed[before:]) <= 2
    honest_again(visitor)
    counted(visitor, 4)  # what was withheld and forged before is fetched anew


def test_where_she_shares(visitors, patient, practices, middle):
    """Another key in the directory, a reading key that is not signed, a shorter chain: nothing is shared, and why."""
    known, fresh, third, fourth = (practices() for _ in range(4))
    visitor = visitors(Visitor, "en", DESK, at=middle.url)
    write(patient, 1, 2, 3)
    with middle.lie(ENVELOPES, events(lambda given: [one for one in given if one["pos"] != 2])):
        open_sharing(visitor, patient)
        reviews(visitor, known)
        told(visitor, "reading.missing", count=1)
        visitor.press("grant.sign")
        visitor.press("grant.finish")
    assert found(known, patient) == {"w1", "w2", "w3"}
    patient.sync()

    def swapped(answer, _):
        """The directory, in which the two practices have each other's key."""
        keys = {one["account"]: one["fingerprint"] for one in answer["organisations"]}
        other = {known.account: keys[fresh.account], fresh.account: keys[known.account]}
        listed = [
            one | {"fingerprint": other.get(one["account"], one["fingerprint"])} for one in answer["organisations"]
        ]
        return answer | {"organisations": listed}

    links = {one: b64(forged(one, patient, link)) for one, link in ((fresh, None), (fourth, "A" * 43))}
    chain = "^/v1/chains/acct/{}"
    lies = [
        (known, "^/v1/directory", swapped, "problem.rejected-fingerprint"),
        (fresh, "^/v1/directory", swapped, "problem.rejected-fingerprint"),
        (fresh, chain.format(fresh.account), frames(behind(links[fresh])), "problem.rejected-signature"),
        (third, chain.format(third.account), frames(without_second), "problem.rejected-seq"),
        (fourth, chain.format(fourth.account), frames(behind(links[fourth])), "problem.rejected-prev"),
        (known, chain.format(known.account), frames(shorter), "problem.rejected-rollback"),
    ]
    for practice, path, change, key in lies:
        with middle.lie(path, change):
            for _ in range(2):  # at the second time the page begins with the directory as it was heard at the first
                visitor.follow("overview.title")
                visitor.sees("overview.title")
                with visitor.page.expect_response("**/v1/directory*"):
                    visitor.follow("share.title")
            reviews(visitor, practice)
            visitor.press("grant.sign")
            told(visitor, key)
            visitor.press("grant.cancel")
    assert found(fresh, patient) == set()
    patient.sync()
    assert [to for to, _, _ in sharing.granted(patient)] == [known.account]
    visitor.follow("overview.title")
    visitor.sees("overview.title")
    visitor.follow("share.title")
    sign(visitor, fresh)
    assert found(fresh, patient) == {"w1", "w2", "w3"}


def reviews(visitor, practice):
    """As `sign`, up to the signature."""
    choose_whom(visitor, practice)
    visitor.tick(PRESET[visitor.language])
    visitor.press("grant.look")


def test_the_page_of_sharing_does_not_call_a_lie_an_outage(visitors, patient, middle):
    """What she sees there is not told to be merely old where the hub has gone back; without the hub it is."""
    visitor = visitors(Visitor, "de", DESK, at=middle.url)
    sign_in(visitor, patient.account)
    visitor.press("frame.lock")
    with middle.lie(rf"^/v1/chains/acct/{re.escape(patient.account)}\?after=-1", frames(shorter)):
        visitor.enter("account.passphrase", WORDS)
        visitor.press("unlock.unlock")
        for page in ("share", "relatives", "emergency", "log", "data"):
            visitor.page.evaluate("path => { location.hash = `#/${path}` }", page)
            visitor.sees(f"{page}.title")
            told(visitor, "problem.rejected-rollback")
            expect(visitor.page.get_by_text(visitor.text("share.old"))).to_have_count(0)


@contextmanager
def restored(hub, away):
    """A hub, put back with the block to the database that it has now."""
    hub.kill()
    shutil.copytree(hub.directory, away)
    hub.start()
    yield
    hub.kill()
    shutil.rmtree(hub.directory)
    shutil.copytree(away, hub.directory)
    hub.start()


def test_a_hub_that_was_put_back_is_named_where_she_signs(browser, tmp_path):
    """An old backup takes the place of what the hub has acknowledged: her next signature is not called too late."""
    hub = hub_for_browsers(tmp_path / "hub")
    client, _ = enrolment.enrol(tmp_path / "patient", hub.url)
    enrolment.set_passphrase(client, WORDS)
    practice = Practice(tmp_path, hub, "praxis-vorher")
    with between(hub.url) as middle:
        visitor = Visitor(browser, middle.url, "de", DESK, stretches=False)
        open_sharing(visitor, client)
        with restored(hub, tmp_path / "away"):
            sign(visitor, practice)
            visitor.press("grant.finish")
            expect(visitor.button("share.withdraw-of", who=title(practice))).to_be_visible()
        visitor.press("share.withdraw-of", who=title(practice))
        visitor.press("share.withdraw-now")
        told(visitor, "problem.rejected-rollback")
        visitor.complaints = [text for text in visitor.complaints if "ERR_" not in text]
        visitor.close()
    client.close()
    practice.close()
    hub.kill()
