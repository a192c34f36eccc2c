"""The receipt on paper: tagged, in the reader's language, its code readable by machine, its lines within the page."""

import re

import pytest

from connectors.patient.receipt_pdf import paper
from connectors.patient.sheet_pdf import sheet
from connectors.patient.tagged_pdf import MARGIN, PAGE, Block, render, wrapped
from consent import receipts
from consent.keys import RecoveryCode
from consent.words import LANGUAGES
from tests.consent import world
from tests.consent.test_receipts import PAPER, sign


@pytest.fixture(scope="module")
def receipt():
    """A receipt of a consent that was signed in German."""
    client, practice = world.client(), world.organisation("praxis")
    gid, terms = sign(client, practice)
    return receipts.verify(receipts.make(client.hub.record, practice.account, gid, terms))


def shown(pdf):
    """The text of a PDF, in the order of its structure."""
    lines = re.findall(rb"\((.*?)(?<!\\)\) Tj", pdf, re.DOTALL)
    return b" ".join(lines).decode("cp1252").replace("\\(", "(").replace("\\)", ")")


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_says_who_sees_what_until_when_and_how_to_check_it(receipt, language):
    """Counterpart, grant and mark are on it in each language; nothing was lost on the way to its encoding."""
    text = shown(paper(receipt, language))
    assert receipt.counterpart in text and receipt.gid in text
    assert receipt.mark.replace(" ", "") in text.replace(" ", "")
    assert "?" not in text.replace("Wofür?", "").replace("Wie lange?", "")


def test_a_receipt_of_a_consent_on_paper_needs_no_computer():
    """It names the desk and the scan, and sends her to her sheet instead of to a command."""
    client, practice = world.client(), world.organisation("praxis")
    gid, terms = sign(client, practice, paper=PAPER)
    text = shown(paper(receipts.verify(receipts.make(client.hub.record, practice.account, gid, terms)), "en"))
    assert f"signed on paper, recorded at the desk of {PAPER.desk}" in text and PAPER.scan[:20] in text
    assert "may see:" in text
    assert "with the recovery sheet" in text and "obhut patient withdraw" not in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sheet_has_the_code_and_says_how_to_take_back(language):
    """Nothing of it is lost on the way to its encoding."""
    code = RecoveryCode.generate()
    text = shown(sheet("p-a@hub.example", code, language))
    assert code == RecoveryCode.parse(re.search(r"Code: (\S+ \S+)", text).group(1))
    assert len(str(code).split("-")) == 14 and "p-a@hub.example" in text
    assert "?" not in text.replace("Falsches?", "")


def test_it_is_tagged_and_names_its_language(receipt):
    """Every piece of content belongs to an element; the figure has words; headings are headings."""
    pdf = paper(receipt, "de")
    assert b"/MarkInfo <</Marked true>>" in pdf and b"/Lang (de)" in pdf and b"/DisplayDocTitle true" in pdf
    assert b"/S /H1" in pdf and b"/S /H2" in pdf and b"/S /Figure" in pdf and b"/Alt (" in pdf
    pieces = len(re.findall(rb"/MCID \d+>>\s*BDC", pdf))
    assert pieces == pdf.count(b"EMC") == len(re.findall(rb"/Type /MCR", pdf)) > 10


def test_the_signed_text_keeps_its_own_language(receipt):
    """An English paper of a German consent marks the German paragraphs as German."""
    pdf = paper(receipt, "en")
    assert b"/Lang (en)" in pdf and pdf.count(b"/Lang (de)") >= 5
    assert paper(receipt, "de").count(b"/Lang (de)") == 1


def test_the_same_receipt_gives_the_same_paper(receipt):
    """No clock and no chance is in it."""
    assert paper(receipt, "de") == paper(receipt, "de")


def test_lines_stay_within_the_page_and_lose_nothing():
    """Long words are broken, none is dropped; a long text goes on on the next page."""
    text = "Ein " + "Donaudampfschifffahrt" * 12 + " fährt."
    lines = list(wrapped(text, "F1", 10.5, PAGE[0] - 2 * MARGIN))
    assert len(lines) > 2 and "".join(lines).replace(" ", "") == text.replace(" ", "")
    pdf = render("t", "de", [Block("P", "Wort " * 3000)])
    assert b"/Count 4>>" in pdf
    heights = [float(y) for y in re.findall(rb"1 0 0 1 \d+ ([\d.]+) Tm", pdf)]
    assert min(heights) >= MARGIN and max(heights) <= PAGE[1] - MARGIN


def test_parentheses_and_backslashes_are_text():
    """What would end a string of PDF is shown, not obeyed."""
    assert rb"a \(b\) \\ c" in render("t", "de", [Block("P", "a (b) \\ c")])
