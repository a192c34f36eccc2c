"""A large export in sections, so that several processes read it at once.

The text is cut in front of elements, and each section is made a document of its own: `<HealthData>` before, unless it
is the first, `</HealthData>` after, unless it is the last. What stands inside well-formed documents is well formed in
a row, and holds the same elements: if each section can be read, the whole says what they say. If one cannot, a cut
fell into a comment or another element, or the export is broken: then nothing is known, and reading it in one piece
tells.
"""

from collections.abc import Iterable, Iterator

from connectors.wearables.apple_health import MAX_TOKEN
from connectors.wearables.intake import Taken, take_in
from fhir_profiles.problems import Problem

SECTION_BYTES = 1 << 19
_BEGIN, _END = b"<HealthData>", b"</HealthData>"
# As Apple indents what stands right below the root.
_ELEMENT = b"\n <"


class Indivisible(Exception):  # noqa: N818 - it is no fault: the export is read in one piece
    """The export cannot be read in sections."""


def cut(chunks: Iterable[bytes], size: int = SECTION_BYTES) -> Iterator[bytes]:
    """Cut a document into documents of about `size` bytes. Raises `Indivisible` where no place to cut comes."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        if len(held) < size:
            continue
        place = _last_element(held)
        if place > 0:
            yield bytes(held[:place]) + _END
            held[:place] = _BEGIN
        elif len(held) > MAX_TOKEN:
            raise Indivisible
    yield bytes(held)


def taken_from(section: bytes) -> Taken:
    """What a section says. Raises `Indivisible` where it is no document."""
    taken = Taken()
    try:
        take_in((section,), taken)
    except Problem:
        raise Indivisible from None
    return taken


def _last_element(text: bytearray) -> int:
    """Where the last element begins that may stand right below the root; -1 or 0 where there is none."""
    place = len(text)
    while (place := text.rfind(_ELEMENT, 0, place)) > 0:
        if text[place + len(_ELEMENT) : place + len(_ELEMENT) + 1].isalpha():
            break
    return place
