"""PROTOCOL.md says what the code does: its labels, its reasons, its limits, its order of categories."""

import re
from pathlib import Path

from consent import accounts, canonical, envelope, frames, identifiers, messages, rules, statements, streams
from consent.categories import NAMES
from consent.keys import PASSPHRASE_MEMORY, PASSPHRASE_OPERATIONS
from consent.opening import RECORD_BYTES
from consent.relations import MAX_GRANTS

ROOM = Path(__file__).resolve().parents[2] / "consent"
TEXT = (ROOM / "PROTOCOL.md").read_text(encoding="utf-8")
CODE = {path.name: path.read_text(encoding="utf-8") for path in ROOM.glob("*.py")}


def section(number: str) -> str:
    """The text under a heading like `### 1.5 …`."""
    return re.search(rf"(?ms)^###? {re.escape(number)}\b.*?(?=^##)", TEXT).group(0)


def test_every_label_of_the_code_is_in_the_table_and_the_other_way_round():
    """Labels are closed: the table of 1.5 and the code name the same ones."""
    used = {label for source in CODE.values() for label in re.findall(r'b?"((?:obhut|hse1)-[a-z0-9-]+)"', source)}
    kinds = {f"obhut-sig-{kind}" for kind in statements.BODIES}
    assert set(re.findall(r"`((?:obhut|hse1)-[a-z0-9-]+)`", section("1.5"))) == used | kinds


def test_every_reason_is_in_the_document():
    """Whatever word a `Rejected` carries is explained."""
    raised = {
        reason
        for source in CODE.values()
        for call in re.findall(r"(?:broken|stale|Rejected)\(([^()]*)\)", source)
        for reason in re.findall(r'"([a-z-]+)"', call)
    }
    kinds = {"broken", "not-for-you", "stale"}
    missing = {reason for reason in raised - kinds if f"`{reason}`" not in TEXT}
    assert len(raised) > 50
    assert missing == set()


def test_every_type_of_statement_and_each_of_its_fields_is_in_its_table():
    """The tables of 2.2 to 2.4 list the types and fields that the code reads."""
    for number, kind in (("2.2", "acct"), ("2.3", "set"), ("2.4", "rel")):
        rows = dict(re.findall(r"(?m)^\| `(\w+)` \|(.*)$", section(number)))
        assert rows.keys() == statements.BODIES[kind].keys()
        for typ, fields in statements.BODIES[kind].items():
            assert [name for name in fields if not re.search(rf"\b{name}\b", rows[typ])] == [], typ


def test_every_refusal_of_the_joint_rules_is_in_their_table():
    """2.6 and 3.2 name each reason that `consent.rules` raises."""
    raised = set(re.findall(r'broken\("([a-z-]+)"', CODE["rules.py"])) - {"chain", "clock"}
    named = set(re.findall(r"`([a-z-]+)`", section("2.6") + section("3.2") + section("3.3")))
    assert raised - named == set()


def test_limits_are_those_of_the_code():
    """Every number of 1.6, and the sizes of 4.1, are the constants of the code."""
    kib = 1024
    assert frames.MAX_HEADER == 32 * kib and "statement 32 KiB" in section("1.6")
    assert rules.MAX_BUNDLE == 8 * kib * kib and "bundle 8 MiB" in section("1.6")
    assert envelope.MAX_HEADER == 8192 and "envelope 8192 bytes" in section("1.6")
    assert envelope.MAX_FRAME == kib * kib + 16 * kib and "1 MiB + 16 KiB" in section("1.6")
    assert messages.MAX_SEALED == 64 * kib and "message 64 KiB" in section("1.6")
    assert (rules.MAX_SETS, streams.MAX_EPOCHS, MAX_GRANTS, accounts.MAX_DELEGATES) == (256, 4096, 16, 16)
    assert accounts.MAX_DEVICES == {"person": 64, "org": 4096, "service": 4096}
    assert (RECORD_BYTES, statements.STREAMS, statements.MASK_BITS) == (548, 32, 16)
    assert "548 bytes, always" in section("4.1")
    assert (canonical.MAX_DEPTH, identifiers.ACCOUNT_BYTES, rules.CLOCK_SECONDS) == (6, 190, 600)
    assert streams.MAX_GRACE_SECONDS == 2_592_000 and "2,592,000" in section("2.3")
    assert (PASSPHRASE_OPERATIONS, PASSPHRASE_MEMORY) == (3, 256 * kib * kib) and "3 passes, 256 MiB" in TEXT


def test_categories_stand_in_their_order():
    """1.7 numbers the sixteen as the code does."""
    assert re.findall(r"(\d+) (\w+)", section("1.7").partition("\n")[2]) == [(str(i), n) for i, n in enumerate(NAMES)]
