"""Pages that the hub makes itself, without script: their language, their words, their policy."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from flask import Response, render_template, request

from hub.context import hub
from hub.portal.views import file

LANGUAGES = {"de": "Deutsch", "en": "English"}

POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action {}; frame-ancestors 'none'"

Words = Mapping[str, str]


@cache
def _all_words(name: str) -> Mapping[str, Words]:
    """The words of a page by language, from the file of its name beside this one."""
    found: Mapping[str, Words] = json.loads((files("hub") / f"{name}.json").read_bytes())
    return found


@dataclass(frozen=True, slots=True)
class PlainPage:
    """A page in one language; `name` is that of its template and of its words."""

    name: str
    language: str

    @property
    def words(self) -> Words:
        """What it says."""
        return _all_words(self.name)[self.language]

    def answer(self, status: int = 200, *, forms: bool = False, **values: object) -> Response:
        """The page. Nothing runs in it; with `forms` it may send them to this hub."""
        html = render_template(
            f"{self.name}.html", title=hub().config.title, language=self.language, languages=LANGUAGES,
            words=self.words, style=file("portal.css"), icon=file("icon.svg"), here=request.path, **values,
        )  # fmt: skip
        policy = POLICY.format("'self'" if forms else "'none'")
        headers = {"Content-Security-Policy": policy, "Vary": "Accept-Language", "Content-Language": self.language}
        return Response(html, status, headers, content_type="text/html; charset=utf-8")


def plain_page(name: str) -> PlainPage:
    """The page, in German or English: as `lang` asks, or as the browser would have it."""
    asked = request.args.get("lang", "")
    language = asked if asked in LANGUAGES else request.accept_languages.best_match(LANGUAGES) or "de"
    return PlainPage(name, language)
