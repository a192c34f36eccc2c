"""The access log is held to the same by the portal's twin: whole, altered, cut, moved, swept, and the head's word."""

from dataclasses import asdict, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent import log
from consent.keys import SigningKey
from consent.log import KEEP_DAYS, SWEPT, Entry
from consent.primitives import b64
from consent.statements import Statement
from tests.consent import world
from tests.consent.alterations import flips
from tests.consent.test_log import ACC, DAY, chained, entry, swept
from tests.consent.twin import agree
from tests.consent.world import DOMAIN, START

KEY = SigningKey(bytes(32))
LOG = chained(*(entry(seq, sealed=b"x" if seq % 2 else b"", count=seq, dig="a") for seq in range(1, 9)))
OLD = START + (2000 - KEEP_DAYS) * DAY
LATER = chained(*(entry(seq, count=seq) for seq in range(1, 11)))
LOGS = [
    LOG, LOG[:-1], LOG[1:], LOG[:3] + LOG[5:], [*LOG[:2], LOG[3], LOG[2], *LOG[4:]], [*LOG, LOG[-1]], [], LOG[3:4],
    swept(LATER, 6, OLD), swept(LATER, 6, OLD + 1), swept(LATER, 6, OLD)[1:],
]  # fmt: skip


def plain(entries: list[Entry]) -> list[dict]:
    """Entries as the hub gives them out."""
    return [asdict(one) | {"sealed": b64(one.sealed)} for one in entries]


def head(one: Entry) -> bytes:
    """The hub's word that a log ends with this entry."""
    return log.sign_head(KEY, hub=DOMAIN, acc=ACC, seq=one.seq, hash_=one.hash, at=START)


HEADS = [[], [b64(head(LOG[-1]))], [b64(head(LOG[4])), b64(head(replace(LOG[2], hash=LOG[1].hash)))]]


def test_what_does_not_hold_is_named_alike(twin):
    """Missing, out of order, shortened, replaced, removed too early: the same entries for the same reason."""
    found = agree(twin, [("faults", {"entries": plain(one), "heads": heads}) for one in LOGS for heads in HEADS])
    assert found[0] == {"ok": []}
    assert {kind for one in found for _, _, kind in one["ok"]} == set(log.FAULTS) - {"altered"}


CHANGES = [
    ("acc", "x"), ("seq", 3), ("at", START + 1), ("actor", "x"), ("device", "d"), ("action", SWEPT), ("purpose", ""),
    ("detail", {}), ("detail", {"count": 0.5}), ("detail", {"a": "ü"}), ("sealed", b"y"), ("hash", LOG[0].hash),
    ("detail", {"last": 2, "hash": "x", "before": 1}), ("detail", {"last": 2, "hash": 1, "before": "x"}), ("hash", ""),
]  # fmt: skip


@settings(max_examples=60)
@given(st.data())
def test_entries_that_were_changed_are_found_alike(twin, data):
    """Whatever is changed, moved or left out."""
    entries = list(data.draw(st.sampled_from(LOGS)))
    for _ in range(data.draw(st.integers(0, 3))):
        if entries:
            place = data.draw(st.integers(0, len(entries) - 1))
            name, value = data.draw(st.sampled_from(CHANGES))
            entries[place] = replace(entries[place], **{name: value})
    if entries:
        del entries[data.draw(st.integers(0, len(entries))) :: 20]
    heads = data.draw(st.sampled_from(HEADS))
    agree(twin, [("faults", {"entries": plain(entries), "heads": heads})])


def test_a_head_is_read_and_counts_alike(twin):
    """Of its hub, its account and its key only; each byte counts."""
    raw = head(LOG[-1])
    good = {"raw": b64(raw), "key": b64(KEY.public), "hub": DOMAIN, "acc": ACC}
    changed = [{"hub": "hub.example.net"}, {"acc": "x"}, {"key": b64(SigningKey(bytes([1] * 32)).public)}]
    other = log.sign_head(KEY, hub=DOMAIN, acc=ACC, seq=1, hash_=LOG[0].hash, at=START)
    changed += [{"raw": b64(one)} for one in (*flips(raw), raw[:-1], raw + b"\x00", b"", other[:-64] + raw[-64:])]
    found = agree(twin, [("head", good), *(("head", good | one) for one in changed)])
    assert ["ok" in one for one in found] == [True] + [False] * len(changed)


@pytest.fixture
def links() -> list[Statement]:
    """The statements of an account."""
    return world.person(START, DOMAIN).state.links


def test_statements_of_which_the_log_says_nothing_are_found_alike(twin, links):
    """One that is missing, none, all; and what was allowed to be removed."""
    said = [{"kind": link.kind, "oth": link.oth, "seq": link.seq, "typ": link.typ} for link in links]
    told = chained(*(replace(entry(seq, "statement"), detail=one) for seq, one in enumerate(said, 1)))
    gone = entry(9, SWEPT, before=START + DAY)
    frames = [b64(link.raw) for link in links]
    logs = [told, [*told[:1], *told[2:]], [], [*told[:1], gone], [entry(1)]]
    found = agree(twin, [("untold", {"entries": plain(one), "frames": frames}) for one in logs])
    assert [len(one["ok"]) for one in found] == [0, 1, 3, 0, 3]
