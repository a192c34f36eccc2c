"""Narratives: formatting passes, what acts does not, and no text makes the parser suffer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_profiles.narrative import finding


@pytest.mark.parametrize(
    "text",
    [
        '<div xmlns="http://www.w3.org/1999/xhtml">Größe</div>',
        "<div>&nbsp;</div>",
        '<div><table><tr><td><b>a</b></td></tr></table><img src="#x" alt=""/></div>',
        '<div><a href="https://example.org">x</a> <a href="Patient/1">y</a> <a name="z">z</a></div>',
    ],
)
def test_formatting_is_accepted(text):
    """Tables, links, images and XHTML's entities."""
    assert finding(text) is None


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("x", "txt-1"),
        ("<p>x</p>", "txt-1"),
        ("<div>x", "txt-1"),
        ("<div>x</div><div>y</div>", "txt-1"),
        ("<div><script>x</script></div>", "txt-1"),
        ("<div><SCRIPT>x</SCRIPT></div>", "txt-1"),
        ("<div><iframe/></div>", "txt-1"),
        ('<div onclick="x">x</div>', "txt-1"),
        ('<div><a href="javascript:x">x</a></div>', "txt-1"),
        ('<div><a href="java&#10;script:x">x</a></div>', "txt-1"),
        ('<div xmlns:s="http://www.w3.org/2000/svg"><s:a>x</s:a></div>', "txt-1"),
        ('<!DOCTYPE div [<!ENTITY a "b">]><div>&a;</div>', "txt-1"),
        ("<?x y?><div>x</div>", "txt-1"),
        ("<div> \n</div>", "txt-2"),
        ("<div/>", "txt-2"),
    ],
)
def test_what_acts_or_says_nothing_is_refused(text, key):
    """Scripts, handlers, foreign markup, document types, emptiness."""
    assert str(finding(text)).startswith(key)


@given(st.text(st.sampled_from("<>/div ao=\"'&;!-[]x\ud800")))
def test_any_text_gets_an_answer(text):
    """No exception comes out."""
    assert finding(text) is None or finding(text).startswith("txt-")
