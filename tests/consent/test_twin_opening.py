"""What is done to an envelope and what travels with it on the way, both refuse for the same reason."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent import canonical, envelope, frames, primitives, sealing
from consent.keys import BoxKey
from consent.primitives import b64, unb64
from tests.consent.alterations import altered, flips, frames_of, signed
from tests.consent.scenes import every_header, opens
from tests.consent.twin import agree
from tests.consent.world import DAY


def test_every_envelope_opens_to_the_same_lines(twin, played):
    """Resources, quarantine, gaps and deletions of a whole exchange; what is withheld stays shut for both."""
    found = agree(twin, [opens(played, bid) for bid in played.bids])
    assert {answer.get("reason", "ok") for answer in found} == {"ok", "grant"}
    assert any(answer["ok"]["quarantined"] for answer in found if "ok" in answer)
    assert any(answer["ok"]["deletes"] for answer in found if "ok" in answer)


def test_a_grant_from_now_on_opens_nothing_earlier_to_either(twin, played):
    """What was sealed to an epoch before the grant's first is not for the late reader."""
    found = agree(twin, [opens(played, bid, world="late") for bid in (played.bids[0], played.bids[4])])
    assert [answer.get("reason", "ok") for answer in found] == ["grant", "ok"]


def test_what_the_reader_knows_decides_alike(twin, played):
    """Pins, confirmation and time change the verdict in the same way."""
    lab = played.bids[0]
    pins = [{played.set_id: played.author.account}, {played.set_id: played.reader.account}]
    changes = [{"confirmed": False}, {"confirmed": True}]
    questions = [opens(played, lab, change={"pins": pin}) for pin in pins] + [
        opens(played, lab, change=c) for c in changes
    ]
    found = agree(twin, [*questions, opens(played, lab, now=played.now + 400 * DAY)])
    assert [answer.get("reason", "ok") for answer in found] == ["ok", "permit", "unconfirmed", "ok", "grant"]


@pytest.mark.parametrize("part", ["raw", "stamp", "permit"])
def test_whatever_bit_is_flipped_is_refused_for_the_same_reason(twin, played, part):
    """Every bit of an envelope, of its stamp and of its permit counts, to both."""
    bid = played.bids[0]
    whole = unb64(played.released(bid)[part])
    found = agree(twin, [opens(played, bid, **{part: b64(raw)}) for raw in flips(whole, bits=8)])
    assert all("reason" in answer for answer in found)


@pytest.mark.parametrize("part", ["raw", "stamp", "permit"])
def test_anything_cut_off_or_added_is_refused_for_the_same_reason(twin, played, part):
    """No shorter and no longer frame is taken."""
    bid = played.bids[0]
    whole = unb64(played.released(bid)[part])
    cut = [whole[:length] for length in range(0, len(whole), 7)] + [whole[1:], whole + b"\x00", whole + whole]
    found = agree(twin, [opens(played, bid, **{part: b64(raw)}) for raw in cut])
    assert all("reason" in answer for answer in found)


def test_parts_of_two_envelopes_do_not_fit(twin, played):
    """Header, signature, ciphertext, stamp and permit of another envelope are refused alike."""
    first, other = (played.released(played.bids[number]) for number in (0, 4))
    one, two = (envelope.parse(unb64(released["raw"])) for released in (first, other))
    mixed = [
        frames_of(a.header_bytes, b.signature, c.ciphertext)
        for a in (one, two) for b in (one, two) for c in (one, two)
    ]  # fmt: skip
    stamps = (first["stamp"], other["stamp"], first["permit"], first["raw"])
    questions = [opens(played, played.bids[0], raw=b64(raw), stamp=stamp) for raw in mixed for stamp in stamps]
    questions += [opens(played, played.bids[0], permit=permit) for permit in (first["stamp"], first["raw"])]
    whole = sum("ok" in answer for answer in agree(twin, questions))
    assert whole == 2, "each of the two with all that is its own, and nothing else"


# --- altered and signed anew --------------------------------------------------------------------------------------


@settings(max_examples=150)
@given(st.data())
def test_an_envelope_altered_and_signed_anew_is_judged_alike(twin, played, data):
    """The author's own device says something else, and the hub stamps it: the same reason to both."""
    bid = data.draw(st.sampled_from(played.bids))
    found, stamp_raw = played.patient.hub.envelopes[bid]
    others = [canonical.parse(other.header_bytes) for other, _ in played.patient.hub.envelopes.values()]
    header = data.draw(altered(canonical.parse(found.header_bytes), others))
    signature = played.author.sign.sign(envelope.signed_digest(header, found.ciphertext))
    raw = frames_of(header, signature, found.ciphertext)
    stamp = frames.parse(stamp_raw).header | {"fh": b64(frames.frame_hash(raw)), "bid": named(header, bid)}
    stamped = frames.sign(stamp, "obhut-stamp", played.patient.hub.key)
    agree(twin, [opens(played, bid, raw=b64(raw), stamp=b64(stamped))])


def named(header: bytes, otherwise: str) -> str:
    """The id in an altered header, where there is one that a stamp can carry."""
    value = json.loads(header).get("bid")
    return value if isinstance(value, str) and value.isascii() else otherwise


@settings(max_examples=120)
@given(st.data())
def test_a_stamp_altered_and_signed_anew_is_judged_alike(twin, played, data):
    """The hub itself says something else."""
    bid = data.draw(st.sampled_from(played.bids))
    others = [frames.parse(stamp).header for _, stamp in played.patient.hub.envelopes.values()]
    header = data.draw(altered(frames.parse(played.patient.hub.envelopes[bid][1]).header, others))
    stamp = signed(header, "obhut-stamp", played.patient.hub.key)
    agree(twin, [opens(played, bid, stamp=b64(stamp)), ("read", {"what": "stamp", "raw": b64(stamp)})])


@settings(max_examples=120)
@given(st.data())
def test_a_permit_altered_and_signed_anew_is_judged_alike(twin, played, data):
    """The patient's own client says something else."""
    bid = data.draw(st.sampled_from(played.bids))
    header = data.draw(altered(frames.parse(unb64(played.released(bid)["permit"])).header, every_header(played)))
    permit = signed(header, "obhut-permit", played.patient.me.sign)
    agree(twin, [opens(played, bid, permit=b64(permit)), ("read", {"what": "permit", "raw": b64(permit)})])


FAULTS = ["seal", "context", "commitment", "data", "padding", "count", "json", "type"]
LINES = {"json": b'{"resourceType":1}', "type": b'{"resourceType":"Nonsense"}'}


@settings(max_examples=100)
@given(st.data())
def test_faults_inside_an_envelope_are_found_in_the_same_order(twin, played, data):
    """Context, commitment, associated data, padding, count and content: any of them wrong, alone or together."""
    wrong = data.draw(st.sets(st.sampled_from(FAULTS), max_size=2))
    bid = played.bids[7]
    found, stamp_raw = played.patient.hub.envelopes[bid]
    header = canonical.parse(found.header_bytes)
    state = played.patient.hub.record.sets[played.set_id]
    ctx = bytes(32) if "context" in wrong else envelope.context(played.patient.me.account, header)
    key, nonce = bytes(range(32)), bytes(24)
    public = BoxKey.generate().public if "seal" in wrong else state.epoch(found.ep).publics[state.ids[found.str]]
    header["wk"] = b64(primitives.seal_box(key + ctx, public))
    header["kc"] = b64(bytes(32) if "commitment" in wrong else sealing.commitment(ctx, key))
    header["nc"], header["n"] = b64(nonce), 2 if "count" in wrong else 1
    line = next((LINES[fault] for fault in LINES if fault in wrong), b'{"resourceType":"Device"}')
    padded = line + b"\x81" + bytes(256) if "padding" in wrong else primitives.pad(line)
    associated = b"other" if "data" in wrong else sealing.associated(header)
    raw = envelope.build(header, primitives.encrypt(key, nonce, associated, padded), played.author.sign)
    words = frames.parse(stamp_raw).header | {"fh": b64(frames.frame_hash(raw))}
    stamp = frames.sign(words, "obhut-stamp", played.patient.hub.key)
    (answer,) = agree(twin, [opens(played, bid, raw=b64(raw), stamp=b64(stamp), world="fresh")])
    assert ("ok" in answer) == (not wrong)
