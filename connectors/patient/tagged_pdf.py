"""A tagged PDF of headings, paragraphs and a figure: what a screen reader needs is in it, and nothing else.

Language, title, structure tree and reading order are there. The fonts are the standard Helvetica, which every reader
has and which is not embedded: so it is tagged PDF 1.7, and not PDF/UA, which asks for embedded fonts.
https://opensource.adobe.com/dc-acrobat-sdk-docs/pdfstandards/PDF32000_2008.pdf, 14.7 and 14.8
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.resources import files
from io import BytesIO
from typing import Any

PAGE = (595, 842)
MARGIN = 60
_ENCODING = "cp1252"
_STYLES = {"H1": ("F2", 20), "H2": ("F2", 13), "P": ("F1", 10.5)}
_LEADING = 1.4
_BEFORE = {"H1": 0.0, "H2": 14.0, "P": 5.0, "Figure": 12.0}
_MODULE = 3.2
"""Points of one module of a QR code: a code of 60 modules is 6.8 cm wide."""

# By font, of the characters 32 … 255 in WinAnsiEncoding, in thousandths of the size, from Adobe's font metrics.
_ADVANCES: Mapping[str, list[int]] = json.loads((files("connectors.patient") / "helvetica.json").read_bytes())


@dataclass(frozen=True)
class Block:
    """A heading (`H1`, `H2`), a paragraph (`P`), or a `Figure`: dark modules of a code, `text` saying what it shows.

    `language` where it is another than the document's.
    """

    tag: str
    text: str
    modules: Sequence[Sequence[int]] = field(default=(), repr=False)
    language: str = ""


def render(title: str, language: str, blocks: Sequence[Block]) -> bytes:
    """The PDF. `language`: a tag of BCP 47. The same blocks give the same bytes."""
    return _Document(title, language).made(blocks)


def wrapped(text: str, font: str, size: float, width: float) -> Iterator[str]:
    """Lines of at most `width` points; a word that is longer is broken."""
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if _width(longer, font, size) <= width:
                line = longer
                continue
            if line:
                yield line
            while _width(word, font, size) > width:
                fits = next(n for n in range(len(word), 0, -1) if _width(word[:n], font, size) <= width)
                yield word[:fits]
                word = word[fits:]  # noqa: PLW2901 - what is left of it
            line = word
        yield line


def _width(text: str, font: str, size: float) -> float:
    return sum(_ADVANCES[font][code - 32] for code in text.encode(_ENCODING, "replace") if code >= 32) * size / 1000


class _Document:
    """A PDF while it is made: pages with their content, and the structure that names each piece of it."""

    def __init__(self, title: str, language: str) -> None:
        self._pdf: Any = import_module("pydyf")  # it comes without types
        self._file = self._pdf.PDF()
        self._file.info["Title"] = self._pdf.String(title)
        self._root = self._added({"Type": "/StructTreeRoot"})
        self._body = self._added({"Type": "/StructElem", "S": "/Document", "P": self._root.reference})
        self._fonts = {
            name: self._added(
                {"Type": "/Font", "Subtype": "/Type1", "BaseFont": f"/{base}", "Encoding": "/WinAnsiEncoding"}
            ).reference
            for name, base in (("F1", "Helvetica"), ("F2", "Helvetica-Bold"))
        }
        self._file.catalog |= {
            "Lang": self._pdf.String(language),
            "MarkInfo": self._pdf.Dictionary({"Marked": "true"}),
            "ViewerPreferences": self._pdf.Dictionary({"DisplayDocTitle": "true"}),
            "StructTreeRoot": self._root.reference,
        }
        self._elements: list[Any] = []
        self._parents: list[list[Any]] = []  # by page: the element of each piece of content
        self._page: Any = None
        self._content: Any = None
        self._y = 0.0

    def made(self, blocks: Sequence[Block]) -> bytes:
        self._turn()
        for block in blocks:
            if block.tag == "Figure":
                self._figure(block)
            else:
                self._text(block)
        self._body["K"] = self._pdf.Array(element.reference for element in self._elements)
        self._root["K"] = self._body.reference
        numbers = [
            part
            for page, elements in enumerate(self._parents)
            for part in (page, self._pdf.Array(element.reference for element in elements))
        ]
        self._root["ParentTree"] = self._pdf.Dictionary({"Nums": self._pdf.Array(numbers)})
        out = BytesIO()
        self._file.write(out)
        return out.getvalue()

    def _added(self, values: dict[str, Any]) -> Any:
        made = self._pdf.Dictionary(values)
        self._file.add_object(made)
        return made

    def _turn(self) -> None:
        """A new page."""
        self._content = self._pdf.Stream()
        self._file.add_object(self._content)
        self._page = self._pdf.Dictionary(
            {
                "Type": "/Page",
                "Parent": self._file.pages.reference,
                "MediaBox": self._pdf.Array([0, 0, *PAGE]),
                "Contents": self._content.reference,
                "Resources": self._pdf.Dictionary({"Font": self._pdf.Dictionary(self._fonts)}),
                "StructParents": len(self._parents),
                "Tabs": "/S",
            }
        )
        self._file.add_page(self._page)
        self._parents.append([])
        self._y = PAGE[1] - MARGIN

    def _element(self, block: Block) -> Any:
        values = {"Type": "/StructElem", "S": f"/{block.tag}", "P": self._body.reference, "K": self._pdf.Array()}
        element = self._added(values | ({"Lang": self._pdf.String(block.language)} if block.language else {}))
        self._elements.append(element)
        return element

    def _begin(self, element: Any, tag: str) -> None:
        """What is drawn from here belongs to the element."""
        here = self._parents[-1]
        place = {"Type": "/MCR", "Pg": self._page.reference, "MCID": len(here)}
        element["K"].append(self._pdf.Dictionary(place))
        self._content.begin_marked_content(tag, f"<</MCID {len(here)}>>")
        here.append(element)

    def _text(self, block: Block) -> None:
        font, size = _STYLES[block.tag]
        leading, element, open_ = size * _LEADING, self._element(block), False
        self._y -= _BEFORE[block.tag]
        for line in wrapped(block.text, font, size, PAGE[0] - 2 * MARGIN):
            if self._y - leading < MARGIN:
                if open_:
                    self._content.end_marked_content()
                self._turn()
                open_ = False
            if not open_:
                self._begin(element, block.tag)
                open_ = True
            self._y -= leading
            self._line(line, font, size)
        self._content.end_marked_content()

    def _line(self, line: str, font: str, size: float) -> None:
        self._content.begin_text()
        self._content.set_font_size(font, size)
        self._content.set_text_matrix(1, 0, 0, 1, MARGIN, round(self._y, 2))
        self._content.show_text_string(line.encode(_ENCODING, "replace"))
        self._content.end_text()

    def _figure(self, block: Block) -> None:
        side = len(block.modules) * _MODULE
        self._y -= _BEFORE["Figure"]
        if self._y - side < MARGIN:
            self._turn()
        element = self._element(block)
        box = self._pdf.Array([MARGIN, round(self._y - side, 2), MARGIN + round(side, 2), round(self._y, 2)])
        element["Alt"] = self._pdf.String(block.text)
        element["A"] = self._pdf.Dictionary({"O": "/Layout", "BBox": box})
        self._begin(element, block.tag)
        for row, modules in enumerate(block.modules):
            for column, dark in enumerate(modules):
                if dark:
                    x, y = MARGIN + column * _MODULE, self._y - (row + 1) * _MODULE
                    self._content.rectangle(round(x, 2), round(y, 2), _MODULE, _MODULE)
        self._content.fill()
        self._content.end_marked_content()
        self._y -= side
