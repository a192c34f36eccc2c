"""The answers of `consent.who` in plain sentences: who sees what, for what, since when, until when, and why not."""

from collections.abc import Iterable
from itertools import groupby

from consent import words
from consent.readers import ANY, Readers
from consent.who import Access
from consent.words import place

_GRANTED = (
    "{rule} Das gilt seit {since}{scope}. Grundlage: {basis}.",
    "{rule} This holds since {since}{scope}. Basis: {basis}.",
    "{rule}\nSeit wann? Seit {since}{scope}.\nWarum? {basis}.",
)
_BASIS = (
    ("Ihre Einwilligung", "your consent", "Sie haben Ja gesagt"),
    (
        "Einwilligung durch Ihre Vertretung {by}",
        "consent by your representative {by}",
        "Ihre Vertretung {by} hat Ja gesagt",
    ),
)
_SCOPE = (
    ", nur für das, was ab diesem Tag dazukam",
    ", only for what was added from that day on",
    ". Nur für neue Daten ab diesem Tag",
)
_FINER = (
    " Einzelnes ist davon ausgenommen.",
    " Some of it is left out.",
    "\nManches davon haben Sie aus-genommen.",
)
_NOT_FOR = (" Nicht für {why}.", " Not for {why}.", "\nNicht für {why}.")
_ROLES = {
    "only": (
        " Dort sieht das nur, wer in der Rolle {roles} fragt.",
        " There only who asks in the role of {roles} sees it.",
        "\nDort sehen das nur: {roles}.",
    ),
    "not": (
        " Wer dort in der Rolle {roles} fragt, sieht es nicht.",
        " Who asks there in the role of {roles} does not see it.",
        "\nDort sehen das nicht: {roles}.",
    ),
    "other": (
        " In der Rolle {roles} gelten dort andere Zwecke.",
        " In the role of {roles} other purposes count there.",
        "\nFür {roles} gelten andere Zwecke.",
    ),
}
_OWN = (
    "{who} sieht, was {who} selbst geschrieben hat.",
    "{who} sees what {who} wrote itself.",
    "{who} sieht das, was {who} selbst geschrieben hat.",
)
_EMERGENCY = (
    "Nur in einem erklärten Notfall: {rule}",
    "Only in a declared emergency: {rule}",
    "Nur im Notfall: {rule}",
)
_NOT_YET = (
    "Noch nicht, erst ab {since}: {rule}",
    "Not yet, only from {since}: {rule}",
    "Noch nicht. Erst ab {since}: {rule}",
)
_ENDED = {
    "withdrawn": (
        "{who} sieht nicht mehr: {what}. Die Einwilligung wurde am {at} widerrufen.",
        "{who} no longer sees: {what}. The consent was withdrawn on {at}.",
        "{who} sieht das nicht mehr:\n{what}\nAm {at} wurde Nein gesagt.",
    ),
    "expired": (
        "{who} sieht nicht mehr: {what}. Die Einwilligung war befristet bis {at}.",
        "{who} no longer sees: {what}. The consent was limited until {at}.",
        "{who} sieht das nicht mehr:\n{what}\nDie Zeit war vorbei: {at}.",
    ),
    "narrowed": (
        "{who} sieht nicht mehr: {what}. Die Einwilligung wurde am {at} geändert.",
        "{who} no longer sees: {what}. The consent was changed on {at}.",
        "{who} sieht das nicht mehr:\n{what}\nAm {at} haben Sie das geändert.",
    ),
    "closed": (
        "{who} sieht nicht mehr: {what}. Das Konto wurde am {at} geschlossen.",
        "{who} no longer sees: {what}. The account was closed on {at}.",
        "{who} sieht das nicht mehr:\n{what}\nDas Konto ist seit {at} zu.",
    ),
}  # fmt: skip
_NOTHING = ("{who} sieht nichts davon.", "{who} sees nothing of it.", "{who} sieht nichts davon.")


def lines(found: Iterable[Access], language: str, patient: str = "") -> list[str]:
    """A sentence or two for each counterpart, grant and reason; what was never granted is not said.

    `patient`: her account, so that what a representative signed is told as such.
    """
    said = (one for one in found if one.reason != "never" and (one.visible or not one.own))
    grouped = groupby(sorted(said, key=_key), key=_key)
    return [_line(list(group), language, patient) for _, group in grouped]


def _readers(readers: Readers, language: str) -> str:
    """Who alone of the counterpart sees it, and for which purposes nobody does."""
    columns = {
        role: {one for one, other in readers.admitted if other == role} for role in (ANY, *sorted(readers.roles))
    }
    others = columns.pop(ANY)
    barred = sorted(readers.purposes - others.union(*columns.values()))
    only = [role for role, column in columns.items() if column and not others]
    told = {
        "only": only,
        "not": [role for role, column in columns.items() if not column and not only],
        "other": [role for role, column in columns.items() if column and others],
    }
    said = [_NOT_FOR[place(language)].format(why=words.purposes(barred, language))] if barred else []
    said += [
        _ROLES[kind][place(language)].format(roles=words.row(roles, language)) for kind, roles in told.items() if roles
    ]
    return "".join(said)


def nothing(who: str, language: str) -> str:
    """The sentence for a counterpart that was never granted what was asked about."""
    return _NOTHING[place(language)].format(who=who)


def _key(one: Access) -> tuple[str, bool, bool, str, str, int, int]:
    return (one.counterpart, not one.visible, one.own, one.gid, one.reason, one.since, one.until)


def _line(group: list[Access], language: str, patient: str) -> str:
    one, at = group[0], place(language)
    what = {access.category for access in group}
    rule = words.rule(one.counterpart, what, one.purposes, one.until, language)
    if one.own:
        return _OWN[at].format(who=one.counterpart)
    if one.reason == "granted":
        basis = _BASIS[bool(patient) and one.by != patient][at].format(by=one.by)
        basis += f", {words.on_paper(one.desk, language)}" if one.desk else ""
        scope = "" if one.earlier else _SCOPE[at]
        granted = _GRANTED[at].format(rule=rule, since=words.day(one.since, language), scope=scope, basis=basis)
        return granted + (_FINER[at] if one.finer else "") + (_readers(one.readers, language) if one.readers else "")
    if one.reason == "emergency":
        return _EMERGENCY[at].format(rule=rule)
    if one.reason == "not-yet":
        return _NOT_YET[at].format(rule=rule, since=words.moment(one.since, language))
    when = words.moment(one.until, language)
    return _ENDED[one.reason][at].format(who=one.counterpart, what=words.categories(what, language), at=when)
