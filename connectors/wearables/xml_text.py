"""From Apple's bytes to XML that a strict parser takes: without DOCTYPE, without characters that XML forbids.

iOS 16 writes a DOCTYPE that is not well formed, and apps leave control characters in names. A lenient parser answers
the first by finding no records at all, so the stream is mended here and parsed strictly after. Both are done chunk by
chunk; what is cut by the end of a chunk waits for the next.
"""

import re
from collections.abc import Iterable, Iterator

from fhir_profiles.problems import Problem

DOCTYPE_LIMIT = 1 << 20
_FORBIDDEN = bytes(code for code in range(32) if code not in b"\t\n\r")
_REFERENCE = re.compile(rb"&#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}));")
_LONGEST_REFERENCE = 11
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
# A DOCTYPE ends at `>`, or with an internal subset at `]>`; what stands inside the subset need not be well formed.
_DOCTYPE_END = re.compile(rb"<!DOCTYPE[^\[>]*(?:>|\[.*?\]\s*>)", re.DOTALL)
_ROOT = re.compile(rb"<[A-Za-z_]")
_COMMENT = re.compile(rb"<!--.*?(?:-->|\Z)", re.DOTALL)


def mended(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same document, fit for a strict parser.

    Raises `Problem(invalid)` for a DOCTYPE that declares entities, one without end, and for UTF-16.
    """
    return without_forbidden(without_doctype(chunks))


def without_doctype(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Take the DOCTYPE out; it stands before the root element or nowhere."""
    source = iter(chunks)
    head = b""
    for chunk in source:
        head += chunk
        if head.startswith(_UTF16):
            raise Problem("invalid", "The export is not in UTF-8.")
        rest = _after_prolog(head)
        if rest is not None:
            yield rest
            break
        if len(head) > DOCTYPE_LIMIT:
            raise Problem("invalid", "The head of the export has no end.")
    else:
        raise Problem("invalid", "The export ends before its data begin.")
    yield from source


def _after_prolog(head: bytes) -> bytes | None:
    """`head` without its DOCTYPE, or None while more is needed to tell."""
    # Comments are blanked at equal length, so that places found in one count in the other.
    bare = _COMMENT.sub(lambda match: b" " * len(match[0]), head)
    start = bare.find(b"<!DOCTYPE")
    root = _ROOT.search(bare)
    if start < 0:
        return head if root else None
    if root and root.start() < start:
        return head
    end = _DOCTYPE_END.match(head, start)
    if b"<!ENTITY" in (head[start:] if end is None else end[0]):
        raise Problem("invalid", "The export declares XML entities, which no export of Apple Health does.")
    return None if end is None else head[:start] + head[end.end() :]


def without_forbidden(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Take out control characters, and numeric references to them."""
    held = b""
    for chunk in chunks:
        data = held + chunk.translate(None, _FORBIDDEN)
        held = b""
        last = data.rfind(b"&", max(0, len(data) - _LONGEST_REFERENCE))
        if last >= 0 and b";" not in data[last:]:
            data, held = data[:last], data[last:]
        yield _REFERENCE.sub(_allowed, data) if b"&#" in data else data
    if held:
        yield held


def _allowed(reference: re.Match[bytes]) -> bytes:
    code = int(reference[1], 16) if reference[1] else int(reference[2])
    forbidden = (code < 32 and code not in (9, 10, 13)) or 0xD800 <= code < 0xE000 or code in (0xFFFE, 0xFFFF)
    return b"" if forbidden else reference[0]
