"""Sealing: what is refused before it is sealed, and what the sizes tell."""

import pytest

from consent import envelope
from consent.primitives import Rejected
from consent.sealing import handle
from tests.consent import world
from tests.consent.readers import read, reader
from tests.consent.world import permit_of


@pytest.fixture(scope="module")
def home():
    """A patient whose practice writes and whose hospital reads."""
    client = world.client()
    client.doctor, client.house = world.organisation("praxis"), world.organisation("klinik")
    client.own = client.permit(client.doctor)
    client.grant(client.house, [1])
    return client


@pytest.mark.parametrize("lines", [[b""], [b"{\n}"], [b"{}", b""], [b"{}\n"]])
def test_resource_over_several_lines_is_not_sealed(home, lines):
    """Its readers could not tell where it ends: better the sender hears of it."""
    with pytest.raises(Rejected, match="count"):
        home.sealed(home.doctor, home.own, 1, lines)


def test_more_than_a_mebibyte_is_not_sealed(home):
    """A frame that nobody would take is not made."""
    with pytest.raises(Rejected, match="limits"):
        home.sealed(home.doctor, home.own, 1, [b"x" * (1024 * 1024 + 17 * 1024)])


def test_sizes_of_similar_envelopes_are_equal(home):
    """Padding hides small differences of length."""
    frames = [envelope.parse(home.sealed(home.doctor, home.own, 1, [b"x" * size])) for size in (1, 100, 200, 254)]
    assert len({len(frame.ciphertext) for frame in frames}) == 1


def test_time_of_sealing_is_kept_by_the_hour(home):
    """The header tells the hour, not the second."""
    assert envelope.parse(home.sealed(home.doctor, home.own, 1, [b"{}"], at=7201)).tb == 7200


def test_handle_tells_nothing_without_the_key():
    """The same resource has one handle in a stream, another elsewhere and under another key."""
    names = {
        handle(s, n, k) for s in ("a", "b") for n in ("Observation/1", "Observation/2") for k in (b"k" * 32, b"l" * 32)
    }
    assert len(names) == 8
    assert handle("a", "Observation/1", b"k" * 32) == handle("a", "Observation/1", b"k" * 32)


def test_neither_sealed_nor_open_content_shows(home):
    """The repr of envelope, stamp, permit, reader and plaintext shows no content."""
    bid = home.write(home.doctor, home.own, 1, [b'{"resourceType":"Device","id":"very-secret"}'])
    frame, stamp = home.hub.envelopes[bid]
    opened = read(home.hub, home.house, bid, home.now)
    assert opened.resources[0][1]["id"] == "very-secret"
    shown = repr(opened) + repr(frame) + repr(envelope.parse_stamp(stamp)) + repr(reader(home.hub, home.house))
    assert "very-secret" not in shown
    assert repr(frame.wk)[2:20] not in shown
    assert permit_of(home.hub, home.own)
