"""Objects over 1 MiB: what one language seals the other opens, and broken bytes are refused by both for one reason."""

from hypothesis import given, settings
from hypothesis import strategies as st

from consent import canonical, envelope, opening
from consent.objects import CHUNK_BYTES, object_hash, sealed_size
from consent.primitives import b64, unb64
from consent.sealing import ObjectKey, seal_object
from tests.consent.readers import reader
from tests.consent.scenes import scene
from tests.consent.twin import agree
from tests.consent.world import permit_of

KEY = ObjectKey(bytes(range(32)), bytes(range(32, 64)))


def sealed(size: int) -> bytes:
    return b"".join(seal_object([bytes(size)], size, KEY))


SMALL, LONG = sealed(40), sealed(2 * CHUNK_BYTES + 40)


def question(raw: bytes, size: int, **fields: object):
    named = {"v": 1, "key": b64(KEY.key), "size": size, "hash": object_hash([raw], len(raw))} | fields
    return "object", {"sealed": b64(raw), "reference": b64(canonical.dump(named)), "ctx": b64(KEY.ctx)}


def test_objects_of_every_length_around_a_chunk_open_in_both(twin):
    """Padding and chunking agree."""
    sizes = [1, 254, 255, 256, *(n * CHUNK_BYTES + d for n in (1, 2) for d in (-2, -1, 0, 1))]
    found = agree(twin, [question(sealed(size), size) for size in sizes])
    assert [len(unb64(answer["ok"])) for answer in found] == sizes


@settings(max_examples=150)
@given(st.data())
def test_broken_objects_are_refused_for_the_same_reason(twin, data):
    """Bytes altered, cut, doubled, moved, named by their own hash or not, told as of any size."""
    raw, size = data.draw(st.sampled_from([(SMALL, 40), (LONG, 2 * CHUNK_BYTES + 40)]))
    start = data.draw(st.integers(0, len(raw) - 1))
    end = data.draw(st.integers(start + 1, len(raw)))
    broken = data.draw(
        st.sampled_from(
            [
                raw[:start] + bytes([raw[start] ^ 1]) + raw[start + 1 :],
                raw[:end],
                raw[:start] + raw[end:],
                raw + raw[start:end],
                raw[start:end] + raw[:start] + raw[end:],
            ]
        )
    )
    told = data.draw(st.one_of(st.just(size), st.integers(0, 3 * CHUNK_BYTES)))
    fields = data.draw(st.sampled_from([{}, {"hash": object_hash([raw], len(raw))}, {"key": b64(bytes(32))}]))
    (found,) = agree(twin, [question(broken, told, **fields)])
    assert "reason" in found or broken == raw


@settings(max_examples=100)
@given(st.binary(max_size=900), st.binary(max_size=400), st.integers(0, 900))
def test_random_bytes_are_refused_alike(twin, raw, reference, size):
    """As an object of any size, and as what an envelope says of one."""
    questions = [question(raw, size), question(SMALL, 40)]
    questions[1][1]["reference"] = b64(reference)
    assert all("reason" in answer for answer in agree(twin, questions))


@settings(max_examples=30)
@given(st.binary(min_size=sealed_size(40), max_size=sealed_size(40)))
def test_random_bytes_of_the_right_length_and_hash_do_not_open(twin, raw):
    """What is left is the authentication of the chunk."""
    (found,) = agree(twin, [question(raw, 40)])
    assert found["reason"] == "aead"


def test_an_object_that_the_twin_seals_is_stamped_and_opened_here(twin):
    """Envelope and object from TypeScript pass the hub's checks, and the resources come out verbatim."""
    made = scene()
    hub, author = made.patient.hub, made.author
    template = hub.envelopes[made.bids[0]][0]
    state = hub.record.sets[made.set_id]
    seq, prev = hub.last(author.account, author.device, template.str)
    lines = made.lines("aus TypeScript – ü", 3)
    bid = b64(bytes(16))
    found = twin.make(
        "seal_as_object", lines=[b64(line) for line in lines], patient=made.patient.me.account, stream=template.str,
        epoch=state.current, key=b64(state.epoch(state.current).publics[state.ids[template.str]]),
        account=author.account, device=author.device, seed=b64(bytes(author.sign)),
        place={"bid": bid, "seq": seq + 1, "prev": prev, "at": made.now, "hd": ""},
    )  # fmt: skip
    stamp = hub.deposit(unb64(found["frame"]), author.state, made.now)
    assert envelope.parse(unb64(found["frame"])).cty == envelope.OBJECT
    who = reader(hub, made.reader)
    who.object = lambda _: unb64(found["object"])
    permit = permit_of(hub, made.set_id)
    opened = opening.open_envelope(unb64(found["frame"]), stamp, permit, who, made.now)
    assert [line for line, _ in opened.resources] == lines
