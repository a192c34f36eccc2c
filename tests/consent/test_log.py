"""The access log as a chain: what was changed, taken away, moved or exchanged is told, and nothing else is."""

from dataclasses import replace

import pytest

from consent import log
from consent.keys import SigningKey
from consent.log import KEEP_DAYS, SWEPT, Entry, Fault
from consent.primitives import Rejected
from tests.consent import world
from tests.consent.world import DOMAIN, START

KEY = SigningKey.generate()
ACC = f"p-{'a' * 26}@{DOMAIN}"
DAY = 24 * 3600


def chained(*entries):
    """These as a hub would have written them."""
    prev, found = entries[0].hash, []
    for entry in entries:
        prev = entry.hash_behind(prev)
        found.append(replace(entry, hash=prev))
    return found


def entry(seq, action="release", at=START, sealed=b"", **detail):
    return Entry(ACC, seq, at, f"praxis@{DOMAIN}", "", action, "TREAT", detail, sealed)


@pytest.fixture
def entries():
    return chained(*(entry(seq, sealed=b"x" if seq % 2 else b"", count=seq) for seq in range(1, 11)))


def head(found, seq=None, at=START):
    one = found[(seq or len(found)) - 1]
    return log.parse_head(log.sign_head(KEY, hub=DOMAIN, acc=ACC, seq=one.seq, hash_=one.hash, at=at))


def test_a_whole_log_holds(entries):
    """With its own head, with earlier ones, and empty."""
    assert log.faults(entries, [head(entries), head(entries, 4)]) == []
    assert log.faults([], []) == []


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("acc", f"p-{'b' * 26}@{DOMAIN}"), ("at", START + 1), ("actor", f"klinik@{DOMAIN}"), ("device", "d"),
        ("action", "read"), ("purpose", ""), ("detail", {"count": 0}), ("detail", {"count": 1.5}), ("sealed", b""),
    ],
)  # fmt: skip
def test_each_member_is_bound(entries, member, value):
    """Whatever is changed in an entry, it is this entry that is told."""
    entries[4] = replace(entries[4], **{member: value})
    assert log.faults(entries, []) == [Fault(5, 5, "altered")]


def test_what_is_rewritten_with_its_hash_breaks_the_next(entries):
    """Who computes the hash anew would have to do so up to the end."""
    changed = replace(entries[4], purpose="")
    entries[4] = replace(changed, hash=changed.hash_behind(entries[3].hash))
    assert log.faults(entries, []) == [Fault(6, 6, "altered")]


def test_what_is_rewritten_to_the_end_is_told_by_any_head_kept(entries):
    """Then everything fits but what the hub had signed."""
    kept = head(entries, 7)
    plain = [replace(one, hash="") for one in entries]
    plain[2] = replace(plain[2], purpose="")
    again = chained(*plain)
    assert log.faults(again, [head(again)]) == []
    assert log.faults(again, [head(again), kept]) == [Fault(7, 7, "replaced")]


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        (slice(0, 1), Fault(1, 1, "missing")), (slice(3, 6), Fault(4, 6, "missing")),
        (slice(9, 10), Fault(10, 10, "shortened")),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(entries, cut, expected):
    """At the beginning, in the middle, at the end: the last only by a head."""
    kept = head(entries)
    del entries[cut]
    assert log.faults(entries, [kept]) == [expected]


def test_what_is_moved_is_told(entries):
    """Two entries that changed places, as they are and with their numbers."""
    moved = [*entries[:3], entries[4], entries[3], *entries[5:]]
    assert Fault(4, 4, "order") in log.faults(moved, [])
    numbered = [*entries[:3], replace(entries[4], seq=4), replace(entries[3], seq=5), *entries[5:]]
    assert {fault.kind for fault in log.faults(numbered, [])} == {"altered"}


def swept(entries, last, before):
    """The log without its beginning, and an entry that says so."""
    said = entry(11, SWEPT, at=START + 2000 * DAY, last=last, hash=entries[last - 1].hash, before=before, released=0)
    whole = chained(*(replace(one, hash="") for one in entries), said)
    return whole[last:]


def test_a_log_may_begin_later_where_it_says_so_itself(entries):
    """And only where what was removed was three years old; a head of what is gone says nothing against it."""
    old = START + (2000 - KEEP_DAYS) * DAY
    assert log.faults(swept(entries, 6, old), [head(entries, 3)]) == []
    assert log.faults(swept(entries, 6, old + 1), []) == [Fault(11, 11, "early")]
    assert log.faults(swept(entries, 6, old)[1:], []) == [Fault(1, 7, "missing")]
    first = replace(swept(entries, 6, old)[0], purpose="")
    assert log.faults([first, *swept(entries, 6, old)[1:]], []) == [Fault(7, 7, "altered")]


@pytest.mark.parametrize("change", ["hub", "acc", "key"])
def test_a_head_counts_for_its_hub_and_account_only(entries, change):
    """Another domain, another's log, another key: each by its reason."""
    values = {"hub": DOMAIN, "acc": ACC, "key": KEY.public}
    head(entries).verify(values["key"], hub=values["hub"], acc=values["acc"])
    values[change] = {"hub": "hub.example.net", "acc": f"p-{'b' * 26}@{DOMAIN}", "key": SigningKey.generate().public}[
        change
    ]
    with pytest.raises(Rejected, match={"hub": "hub", "acc": "to", "key": "signature"}[change]):
        head(entries).verify(values["key"], hub=values["hub"], acc=values["acc"])


def test_a_statement_that_the_log_does_not_tell_is_found():
    """Each link has its entry; one that is missing is named, unless it is as old as what was removed."""
    me = world.person(START, DOMAIN)
    links = me.state.links
    said = [{"kind": link.kind, "oth": link.oth, "seq": link.seq, "typ": link.typ} for link in links]
    told = chained(*(replace(entry(seq, "statement"), detail=one) for seq, one in enumerate(said, 1)))
    assert log.untold(told, links) == []
    assert log.untold([*told[:1], *told[2:]], links) == [links[1]]
    gone = [*told[:1], entry(9, SWEPT, before=START + DAY)]
    assert log.untold(gone, links) == []
