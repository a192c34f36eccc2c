"""What a narrative may hold: one XHTML `div` of formatting, nothing that acts (https://hl7.org/fhir/R4/narrative.html)."""

from typing import Any, Final
from xml.parsers import expat

TAGS: Final = frozenset(
    """
    a abbr acronym address area b bdo big blockquote br caption center cite code col colgroup dd del dfn div dl dt em
    font h1 h2 h3 h4 h5 h6 hr i img ins kbd li map ol p pre q s samp small span strike strong sub sup table tbody td
    tfoot th thead tr tt u ul var
    """.split()  # noqa: SIM905 - a list of sixty strings would fill the screen
)
_XHTML = "http://www.w3.org/1999/xhtml"
_ADDRESSES = frozenset({"href", "src", "cite", "longdesc", "usemap"})
_SCHEMES = frozenset({"http", "https", "mailto", "tel", "data", "urn", "cid", "ftp"})


class _NotAllowedError(Exception):
    pass


def finding(text: str) -> str | None:
    """The invariant that a narrative breaks, with a sentence, or `None`."""
    content, root = False, ""

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal content, root
        namespace, _, tag = name.rpartition(" ")
        if namespace not in {"", _XHTML} or tag not in TAGS or not all(_allowed(*each) for each in attributes.items()):
            raise _NotAllowedError
        content, root = content or tag == "img", root or tag

    def characters(data: str) -> None:
        nonlocal content
        content = content or not data.isspace()

    def doctype(*_: Any) -> None:
        raise _NotAllowedError

    parser = expat.ParserCreate("utf-8", " ")
    parser.UseForeignDTD(True)  # leaves XHTML's named entities alone instead of failing at them
    parser.StartElementHandler = start
    parser.CharacterDataHandler = characters
    parser.SkippedEntityHandler = lambda *_: characters("&")
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = parser.ProcessingInstructionHandler = doctype
    parser.ExternalEntityRefHandler = lambda *_: 1
    try:
        parser.Parse(text.strip().encode(), True)
    except (expat.ExpatError, UnicodeEncodeError):
        return "txt-1: the narrative must be well-formed XHTML"
    except _NotAllowedError:
        return "txt-1: the narrative may hold formatting only"
    if root != "div":
        return "txt-1: the narrative must be one XHTML div"
    return None if content else "txt-2: the narrative must have content"


def _allowed(name: str, value: str) -> bool:
    local = name.rpartition(" ")[2].lower()
    if local in _ADDRESSES:
        scheme, colon, _ = "".join(value.split()).partition(":")
        return not colon or scheme.lower() in _SCHEMES or not scheme.isalnum()
    return not local.startswith("on")
