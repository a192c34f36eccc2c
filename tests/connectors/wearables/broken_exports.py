"""Exports that are broken somewhere, as text and as bytes: what a strict parser refuses, and what it still takes."""

from collections.abc import Iterator
from random import Random

from connectors.wearables.apple_health import MAX_DEPTH
from connectors.wearables.generator import DOCTYPE
from tests.connectors.wearables.exports import WATCH, document, record

WEIGHT = record("BodyMass", "80.5", "2026-10-01 07:00:00 +0200", unit="kg", device=WATCH)
WHOLE = document(
    WEIGHT,
    "<!-- a - comment --><?app data?><Me a = \"1\"\tb='&quot;&#228;\r\n'/>&amp;<![CDATA[<&]]>]] >",
    f"<Correlation>{WEIGHT.replace('80.5', '81')}</Correlation><Workout><a></a ></Workout>",
)
"""Takes every way of the parser."""

_SPLICES = (
    "< > & \" ' = / ? ! - -- --> ]]> ]] ; # &# &#x &amp; &lt; &#0; &#11; &#xB; &#x0000000B; &#xFFFE; &#xD800; "
    "&#x110000; &#99999999999; &x; &AMP; <a> </a> <a/> <a_b='1'_b='2'/> <a_b='1'c='2'/> <a_b/> <a_b=1/> <a_b='<'/> "
    "<1/> <-/> <a:b/> <\u00e9/> <\u00d7/> <\u0300/> <a\u0300/> <?xml?> <?XML_a?> <?a?> <?a_b?> <?a?b?> <?_a?> "
    "<!--x--y--> <!---> <!----> <![CDATA[]]> <![cdata[]]> <!ELEMENT> <!DOCTYPE> <!DOCTYPE_x> <!ENTITY> <HealthData> "
    "</HealthData> <Record/> <Record> </Record> <?xml_version='1.0'?> \u000b \u0000 \u007f \u0085 \ufeff \ufffe "
    "\uffff \u2028 \U0001f4f1 <ExportDate_value='x'/> </Correlation> <Correlation> _ </a_> <_a/> <a_/> <a/_>"
)
SPLICES = _SPLICES.split(" ")
PROLOGS = (
    "",
    "\ufeff",
    " ",
    "\n",
    "<?xml version='1.0'?>",
    "<?xml version='1.0' encoding='ISO-8859-1'?>",
    "<?xml version='1.0' encoding='1'?>",
    "<?xml version='1.0' standalone='yes'?>",
    "<?xml version='1.0' standalone='maybe'?>",
    "<?xml standalone='yes' version='1.0'?>",
    "<?xml version='2.5'?>",
    "<?xml version='1 0'?>",
    "<?xml version=1.0?>",
    "<?xml version='1.0'encoding='x'?>",
    "<?xml  version = '1.0'\n?>",
    "<?xml encoding='UTF-8'?>",
    "<?xml ?>",
    "<?xml?>",
    "<?xmlx version='1.0'?>",
    " <?xml version='1.0'?>",
    "<!-- c --><?p?>",
    "<!-- <!DOCTYPE HealthData [ -->",
    "<!DOCTYPE HealthData>",
    "<!DOCTYPE HealthData [ ] >",
    "<!DOCTYPE HealthData []><!DOCTYPE HealthData []>",
    "<!DOCTYPE HealthData [<!ENTITY a 'b'>]>",
    "<!DOC\u000bTYPE HealthData>",
    "x",
    DOCTYPE,
)
DOCUMENTS = (
    "<HealthData><Record></HealthData>",
    "<HealthData><Record type='x'/>",
    "<HealthData>&undefined;</HealthData>",
    "<HealthData></HealthData><HealthData/>",
    "<HealthData></HealthData>x",
    "<HealthData></HealthData><!-- x --> <?y?>\n",
    "<HealthData></HealthData>\ufeff",
    "<HealthData/>",
    "<HealthData",
    "<HealthData>",
    "<!-- <HealthData > --><gpx/>",
    "<!-- <HealthData > --><Record/>",
    "<!-- <HealthData > --><Workout/>",
    "<HealthData>" + "<a>" * (MAX_DEPTH - 1) + "</a>" * (MAX_DEPTH - 1) + "</HealthData>",
    "<HealthData>" + "<a>" * MAX_DEPTH + "</a>" * MAX_DEPTH + "</HealthData>",
    "<HealthData>" + "<Record type='a'>" * 3 + "</Record>" * 3 + "</HealthData>",
    f"<HealthData><Record type='{'x' * (12 << 20)}'/></HealthData>",
    f"<HealthData>{' ' * (6 << 20)}</HealthData>",
    f"<HealthData>{'x&amp;' * (1 << 20)}</HealthData>",
    f"<HealthData>&{'x' * (6 << 20)};</HealthData>",
)
_NOT_UTF8 = b"\xff \xfe\xff \xc3 \xed\xa0\x80 \xf4\x90\x80\x80 \xc0\xaf \xef\xbf\xbe"
BYTES = (*_NOT_UTF8.split(), b"\xc3\x0b\xbc")
"""The last is an umlaut once its control character is gone."""


def spliced(seed: int, count: int) -> Iterator[bytes]:
    """The whole document with something put into it, taken out of it, or cut off it; once or twice."""
    random = Random(seed)
    for _ in range(count):
        data = (random.choice(("", "", DOCTYPE)) + WHOLE.partition("?>")[2]).encode()
        for _ in range(random.randrange(1, 3)):
            data = _changed(random, data)
        yield data


def _changed(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    way = random.random()
    if way < 0.6:
        return data[:at] + random.choice(SPLICES).replace("_", " ").encode() + data[at:]
    if way < 0.7:
        return data[:at] + random.choice(BYTES) + data[at:]
    if way < 0.9:
        return data[:at] + data[at + random.randrange(1, 5) :]
    return data[:at]
