"""Statements of every type, flipped, lifted or altered and signed anew: both judge them alike."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent import frames, statements
from consent.primitives import b64
from tests.consent.alterations import altered, flips, signed
from tests.consent.scenes import every_header, signer_of
from tests.consent.twin import agree


@pytest.fixture(scope="module")
def links(twin, ended) -> dict[str, tuple[str, bytes]]:
    """Type of statement → name of the chain before it, known to both, and the link; of each type the last one."""
    hub = ended.patient.hub
    known = {name: [b64(raw) for raw in state.frames] for name, state in hub.record.accounts.items()}
    found = {}
    for kind, oth, raws in ended.chains():
        for place, raw in enumerate(raws):
            found[f"{kind} {statements.parse(raw).typ}"] = (f"{kind} {oth} {place}", oth, raws[:place], raw)
    chains = [
        ("chain", {"name": name, "kind": typ.split()[0], "acc": hub.record.account.acc, "oth": oth,
                   "frames": [b64(raw) for raw in before], "known": known})
        for typ, (name, oth, before, _) in found.items()
    ]  # fmt: skip
    agree(twin, chains)
    return {typ: (name, raw) for typ, (name, _, _, raw) in found.items()}


TYPES = ["acct create", "acct device", "acct reading", "acct vault", "set start", "set epoch", "rel open", "rel permit",
         "rel grant", "rel keys", "rel end"]  # fmt: skip


def test_the_scene_has_all_types(links):
    """What follows is tried on every type of statement that a patient's client signs."""
    assert set(TYPES) <= set(links)


@pytest.mark.parametrize("typ", TYPES)
def test_a_flipped_bit_in_any_byte_of_a_statement_is_refused_for_the_same_reason(twin, links, typ):
    """Every byte counts, to both."""
    name, raw = links[typ]
    found = agree(
        twin, [("extend", {"chain": name, "raw": b64(one)}) for one in [raw, *flips(raw), raw[:-1], raw + b"\x00"]]
    )
    assert ["ok" in answer for answer in found] == [True] + [False] * (len(raw) + 2)


@settings(max_examples=400)
@given(st.data())
def test_a_statement_altered_and_signed_anew_is_judged_alike(twin, ended, links, data):
    """The patient's own client says something else; both take it, or refuse it for the same reason."""
    typ = data.draw(st.sampled_from(TYPES))
    name, raw = links[typ]
    header = data.draw(altered(frames.parse(raw).header, every_header(ended)))
    frame = signed(header, f"obhut-sig-{typ.split()[0]}", signer_of(ended, raw))
    agree(twin, [("extend", {"chain": name, "raw": b64(frame)}), ("read", {"what": "statement", "raw": b64(frame)})])


def test_every_statement_in_every_other_chain_is_refused_for_the_same_reason(twin, links):
    """A link fits its own place only."""
    agree(
        twin,
        [("extend", {"chain": name, "raw": b64(raw)}) for name, _ in links.values() for _, raw in links.values()],
    )
