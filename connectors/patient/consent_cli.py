"""`obhut patient templates · who · receipt · renew · reminders`: consent in plain words, its proof, its renewal."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from connectors.command_line import TAKES_ID, plainly
from connectors.patient import insight, paper, renewal
from connectors.patient.delegation_cli import FOR, with_keys
from connectors.patient.options import ACCOUNT, JSON, LANGUAGE, PAPER
from connectors.patient.receipt import receipt as receipt_of
from consent import authzen, identifiers, receipts, steps, told, words
from consent import template as templates_of
from consent.categories import NAMES
from consent.dates import interval
from consent.fhir_consent import Agreement
from consent.primitives import Rejected
from consent.template import Template
from fhir_profiles.problems import Problem

_NOBODY = ("Niemand sieht etwas.", "Nobody sees anything.", "Niemand sieht etwas.")
_HOLDS = (
    "Der Nachweis stimmt: Unterschriften, Kette und Einwilligung passen zusammen.",
    "The receipt holds: signatures, chain and consent fit together.",
    "Der Nachweis ist echt.",
)
_SIGNED = (
    "Unterschrieben von einem Gerät von {by} am {at}.",
    "Signed by a device of {by} on {at}.",
    "Unterschrieben hat: {by}. Wann: {at}.",
)
_REPLACED = (
    "Diese Einwilligung wurde später durch eine neuere ersetzt.",
    "A later consent has taken the place of this one.",
    "Es gibt eine neuere Einwilligung.",
)
_ENDED = ("Sie wurde am {} widerrufen.", "It was withdrawn on {}.", "Am {} wurde Nein gesagt.")
_KNOWN = (
    "Was nach dem {} geschah, sagt dieser Nachweis nicht.",
    "What happened after {} this receipt does not tell.",
    "Was nach dem {} war, steht hier nicht.",
)
_FITS = ("Er gehört zur Karte {}.", "It belongs to the card {}.", "Er gehört zu dieser Karte: {}.")
_COMPARE = (
    "Vergleichen Sie mit der Karte der Person: {}",
    "Compare with the person's card: {}",
    "Vergleichen Sie mit der Karte von der Person: {}",
)


@click.command()
@click.argument("name", default="", metavar="[TEMPLATE]")
@LANGUAGE
@JSON
@plainly
def templates(name: str, language: str, as_json: bool) -> None:
    """What is commonly allowed, to be signed as it is; with a TEMPLATE its full text."""
    found = [templates_of.template(name)] if name else templates_of.templates()
    for one in found:
        if as_json:
            click.echo(json.dumps(_described(one, language), ensure_ascii=False))
        elif name:
            click.echo(f"{one.title[language]}  ({one.uri})\n\n{_blank(one, language)}")
        else:
            click.echo(f"{one.id:<18}{one.title[language]}")


def _described(one: Template, language: str) -> dict[str, Any]:
    return {
        "id": one.id, "version": one.version, "uri": one.uri, "language": language, "title": one.title[language],
        "categories": [NAMES[c] for c in sorted(one.categories)], "purposes": one.purposes, "days": one.days,
        "whole": one.whole, "withdrawn": one.withdrawn, "text": _blank(one, language),
    }  # fmt: skip


def _blank(one: Template, language: str) -> str:
    """The text as it would be signed today, with a gap for the counterpart."""
    until = Agreement("", "", one.categories, one.purposes, end=one.end(datetime.now(UTC))).seconds()[1]
    return one.text("…", one.categories, one.purposes, until, language)


@click.command()
@ACCOUNT
@click.option("--at", "moment", default="", help="A FHIR date or dateTime, past or to come; else now.")
@click.option(
    "--authzen", "request", type=click.File("rb"), help="Answer a request of AuthZEN's Authorization API, a JSON file."
)
@LANGUAGE
@FOR
@JSON
@plainly
def who(directory: Path, moment: str, request: Any, language: str, patient: str, as_json: bool) -> None:
    """Who can see what, why, since when and until when: now, or at any moment of the past."""
    at = _second(moment) if moment else None
    with with_keys(directory, patient) as client:
        if request is not None:
            answer = authzen.answer(
                _json(request.read()), lambda time: insight.asked(client, at if time is None else time)
            )
            click.echo(json.dumps(answer, ensure_ascii=False))
            return
        found = insight.asked(client, at)
        if as_json:
            for one in found:
                readers = None if one.readers is None else one.readers.plain()
                click.echo(json.dumps(asdict(one) | {"category": NAMES[one.category], "readers": readers}))
            return
        lines = told.lines(found, language, client.account)
        click.echo("\n".join(lines) or _NOBODY[words.place(language)])


def _second(moment: str) -> int:
    """The last second of what a FHIR date or dateTime means: of a day its end."""
    return (interval(moment)[1] - 1) // 1_000_000


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise Problem("invalid", "the request is not JSON") from None


@click.command(context_settings=TAKES_ID)
@click.argument("gid", default="", metavar="[GRANT]")
@click.option(
    "--account", "directory", type=click.Path(path_type=Path, file_okay=False), help="Directory of the account."
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the FHIR Bundle into a file.")
@click.option("--pdf", type=click.Path(path_type=Path, dir_okay=False), help="Write it as a PDF to keep or print.")
@click.option(
    "--verify", "file", type=click.Path(path_type=Path, dir_okay=False), help="Check a receipt (FHIR), offline."
)
@click.option("--card", default="", help="With --verify: the patient's card, obhut:p-…@hub#…")
@LANGUAGE
@FOR
@JSON
@plainly
def receipt(
    gid: str, directory: Path | None, out: Path | None, pdf: Path | None, file: Path | None, card: str, language: str,
    patient: str, as_json: bool,
) -> None:  # fmt: skip
    """The receipt of a GRANT, as a FHIR Bundle on standard output, into a file, or as PDF; or --verify one.

    To verify needs no account and no hub: whoever has the patient's card can.
    """
    if file is not None:
        _verify(file, card, language, as_json)
        return
    if directory is None or not gid:
        raise Problem("invalid", "name the grant and --account DIRECTORY, or --verify FILE")
    with with_keys(directory, patient) as client:
        made = receipt_of(client, gid)
    if pdf is not None:
        from connectors.patient import receipt_pdf  # noqa: PLC0415 - only this command draws

        pdf.write_bytes(receipt_pdf.paper(receipts.verify(made), language))
    if out is not None:
        out.write_bytes(made)
    if pdf is None and out is None:
        click.echo(made)
    else:
        click.echo(" and ".join(str(path) for path in (out, pdf) if path is not None))


def _verify(file: Path, card: str, language: str, as_json: bool) -> None:
    try:
        data = file.read_bytes()
    except OSError:
        raise Problem("not-found", f"{file} cannot be read") from None
    try:
        parsed = identifiers.card(card) if card else None
    except Rejected:
        raise Problem("invalid", "this is not an Obhut card: it looks like obhut:p-…@hub.example#…") from None
    proven = receipts.verify(data, parsed)
    terms, signed = proven.terms, proven.signed
    if as_json:
        value = {
            "card": str(proven.card), "grant": proven.gid, "counterpart": proven.counterpart,
            "categories": [NAMES[c] for c in sorted(terms.categories)], "purposes": terms.purposes, "end": terms.end,
            "policy": terms.policy, "language": terms.language, "signed": signed.iat, "by": signed.by[0],
            "desk": terms.paper.desk if terms.paper else "", "position": signed.position,
            "replaced": proven.replaced, "ended": proven.ended, "known_until": proven.head.iat, "mark": proven.mark,
        }  # fmt: skip
        click.echo(json.dumps(value))
        return
    for line in _proven(proven, language, compared=parsed is not None):
        click.echo(line)


def _proven(proven: receipts.Receipt, language: str, compared: bool) -> list[str]:
    at, signed, terms = words.place(language), proven.signed, proven.terms
    rule = words.rule(proven.counterpart, terms.categories, terms.purposes, terms.seconds()[1], language)
    by = _SIGNED[at].format(by=signed.by[0], at=words.moment(signed.iat, language))
    lines = [_HOLDS[at], rule, by]
    if terms.paper:
        lines.append(f"{words.on_paper(terms.paper.desk, language)}: {terms.paper.title}, {terms.paper.scan}")
    if proven.replaced:
        lines.append(_REPLACED[at])
    if proven.ended is not None:
        lines.append(_ENDED[at].format(words.moment(proven.ended, language)))
    lines.append(_KNOWN[at].format(words.moment(proven.head.iat, language)))
    lines.append((_FITS if compared else _COMPARE)[at].format(proven.card))
    return [*lines, proven.mark]


@click.command(context_settings=TAKES_ID)
@ACCOUNT
@click.argument("gid", metavar="GRANT")
@click.option("--end", default="", help="FHIR date; else as long as it was first granted for, from today.")
@PAPER
@LANGUAGE
@FOR
@plainly
def renew(directory: Path, gid: str, end: str, scan: Path | None, language: str, patient: str) -> None:
    """Sign a grant once more before it ends: the same counterpart, categories and purposes."""
    with with_keys(directory, patient) as client:
        counterpart, agreed = renewal.renew(client, gid, end, paper=paper.recorded(client, scan))
        until = agreed.seconds()[1]
    click.echo(words.rule(counterpart, agreed.categories, agreed.purposes, until, language))


@click.command()
@ACCOUNT
@LANGUAGE
@FOR
@JSON
@plainly
def reminders(directory: Path, language: str, patient: str, as_json: bool) -> None:
    """What ends within seven days, and how to renew it."""
    with with_keys(directory, patient) as client:
        for counterpart, grant, terms in renewal.ending(client):
            opened, by = steps.granted(client.vault, grant), grant.rules.by[0]
            if as_json:
                names = [NAMES[c] for c in sorted(opened)]
                value = {"grant": grant.gid, "to": counterpart, "categories": names, "until": grant.until, "by": by}
                click.echo(json.dumps(value))
                continue
            click.echo(words.rule(counterpart, opened, grant.purposes, grant.until, language))
            click.echo(f"  obhut patient renew {grant.gid}" if terms else f"  {by}")
