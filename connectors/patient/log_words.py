"""The access log in plain words, German and English: who, when, what, why, on which basis, by a person or a program."""

from collections.abc import Mapping
from datetime import UTC, datetime

from connectors.patient.access_log import Entry
from connectors.patient.log_proof import Proof
from consent import words
from consent.categories import INDEX
from consent.log import Fault
from consent.statements import Statement
from consent.words import DE, EN

LANGUAGES = (EN, DE)
Pair = tuple[str, str]
"""English, German."""

TYPES: Mapping[str, Pair] = {
    "Observation": ("measured values or findings", "Messwerte oder Befunde"),
    "Patient": ("personal details", "Angaben zur Person"),
    "Condition": ("diagnoses", "Diagnosen"),
    "MedicationStatement": ("medicines", "Medikamente"),
    "MedicationRequest": ("prescriptions", "Verordnungen"),
    "AllergyIntolerance": ("allergies", "Allergien"),
    "Immunization": ("immunizations", "Impfungen"),
    "DiagnosticReport": ("reports of findings", "Befundberichte"),
    "DocumentReference": ("documents", "Dokumente"),
    "Procedure": ("procedures", "Behandlungen"),
    "Encounter": ("visits", "Besuche"),
}
STATEMENTS: Mapping[str, Pair] = {
    "grant": ("{who} allowed {oth} to read", "{who} hat {oth} das Lesen erlaubt"),
    "end": ("{who} withdrew what {oth} may read", "{who} hat {oth} eine Erlaubnis zum Lesen entzogen"),
    "permit": ("{who} allowed {oth} to write", "{who} hat {oth} das Schreiben erlaubt"),
    "unpermit": ("{who} ended that {oth} may write", "{who} hat {oth} das Schreiben entzogen"),
    "open": ("{who} began to deal with {oth}", "{who} ist mit {oth} in Verbindung getreten"),
    "keys": ("{who} handed {oth} new keys", "{who} hat {oth} neue Schlüssel gegeben"),
    "start": ("{who} made new keys", "{who} hat neue Schlüssel angelegt"),
    "epoch": ("{who} changed keys", "{who} hat Schlüssel gewechselt"),
    "create": ("{who} opened the account", "{who} hat das Konto eröffnet"),
    "device": ("{who} added a device", "{who} hat ein Gerät hinzugefügt"),
    "undevice": ("{who} removed a device", "{who} hat ein Gerät entfernt"),
    "reading": ("{who} made a new reading key", "{who} hat einen neuen Leseschlüssel angelegt"),
    "delegate": ("{who} named a representative", "{who} hat eine Vertretung benannt"),
    "undelegate": ("{who} ended a representation", "{who} hat eine Vertretung beendet"),
    "vault": ("{who} saved the sealed vault", "{who} hat den versiegelten Tresor gesichert"),
    "recovery": ("{who} replaced the recovery sheet", "{who} hat das Wiederherstellungsblatt ersetzt"),
    "root": ("{who} recovered the account", "{who} hat das Konto wiederhergestellt"),
    "close": ("{who} closed the account or a part of it", "{who} hat das Konto oder einen Teil davon geschlossen"),
}
ACTIONS: Mapping[str, Pair] = {
    "release": ("{who} was given {count} sealed packets{of}", "{who} hat {count} versiegelte Pakete erhalten{of}"),
    "read": ("{who} looked at {what}", "{who} hat {what} angesehen"),
    "nothing": ("{who} asked for {what} and was shown nothing", "{who} hat nach {what} gefragt und nichts gesehen"),
    "kept": (
        "{who} took {what} over into its own record, because: {kept}",
        "{who} hat {what} in die eigene Akte übernommen, Grund: {kept}",
    ),
    "read-unreadable": (
        "{who} reported something about your record that cannot be opened or does not hold",
        "{who} hat etwas über Ihre Akte gemeldet, das sich nicht öffnen lässt oder nicht stimmt",
    ),
    "refusal": (
        "{who} asked for something and was refused, because you have not allowed it",
        "{who} hat etwas angefragt und wurde abgewiesen, weil Sie es nicht erlaubt haben",
    ),
    "refused-emergency": (
        "{who} declared an emergency, and nothing was opened",
        "{who} hat einen Notfall erklärt, und nichts wurde geöffnet",
    ),
    "refused-deposit": (
        "{who} wanted to write and was refused ({reason})",
        "{who} wollte etwas schreiben und wurde abgewiesen ({reason})",
    ),
    "deposit": ("{who} wrote {count} sealed packets{of}", "{who} hat {count} versiegelte Pakete geschrieben{of}"),
    "deletion": (
        "{who} wrote {count} sealed packets, {deletes} of them to delete something{of}",
        "{who} hat {count} versiegelte Pakete geschrieben, davon {deletes}, um etwas zu löschen{of}",
    ),
    "message": ("{who} sent you a sealed message", "{who} hat Ihnen eine versiegelte Nachricht geschickt"),
    "vault": ("{who} fetched the sealed vault", "{who} hat den versiegelten Tresor geholt"),
    "sign-in": ("somebody signed in with the passphrase", "jemand hat sich mit dem Kennsatz angemeldet"),
    "recover": ("somebody used the recovery sheet", "jemand hat das Wiederherstellungsblatt benutzt"),
    "client": (
        "{who} signed in with a device for the first time",
        "{who} hat sich erstmals mit einem Gerät angemeldet",
    ),
    "passphrase": ("{who} set the passphrase", "{who} hat den Kennsatz gesetzt"),
    "objection": (
        "{who} objected to entry {entry} and told {to}",
        "{who} hat Eintrag {entry} beanstandet und es {to} mitgeteilt",
    ),
    "emergency": ("{who} declared an emergency", "{who} hat einen Notfall erklärt"),
    "swept": (
        "the hub removed the entries up to {last}, which were too old to be kept",
        "der Hub hat die Einträge bis {last} entfernt, weil ihre Aufbewahrungszeit vorbei ist",
    ),
}
OTHER: Pair = ("{who}: {action}", "{who}: {action}")
YOU: Pair = ("you", "Ihre Seite")
AT_A_DESK: Pair = ("you, at the desk of {desk}", "Ihre Seite, bei {desk},")
PURPOSE: Pair = ("for {purpose}", "für {purpose}")
AUTOMATED: Pair = ("by a program, no person looked", "durch ein Programm, ohne dass ein Mensch hinsah")
IN_PERSON: Pair = ("by a person", "durch einen Menschen")
CONSENT: Pair = ("by your consent of {day}", "aufgrund Ihrer Einwilligung vom {day}")
DELEGATED: Pair = (
    "by a consent of {day} that {by} gave for you",
    "aufgrund einer Einwilligung vom {day}, die {by} für Sie gegeben hat",
)
OWN: Pair = (
    "as what it wrote itself, by your permit of {day}",
    "als selbst Geschriebenes, nach Ihrer Erlaubnis vom {day}",
)
EMERGENCY: Pair = ("by your consent for emergencies of {day}", "aufgrund Ihrer Notfall-Einwilligung vom {day}")
NO_CONSENT: Pair = (
    "no consent of yours was in force then; a house may keep what it wrote itself or took over",
    "dafür galt gerade keine Einwilligung von Ihnen; was eine Stelle selbst schrieb oder übernahm, darf sie behalten",
)
FOR_YOU: Pair = ("for you, as your representative", "für Sie, als Ihre Vertretung")
OBJECTED: Pair = ("you objected: {text}", "von Ihnen beanstandet: {text}")
ANSWERED: Pair = ("answer: {text}", "Antwort: {text}")
NOT_ANSWERED: Pair = ("not answered yet", "noch keine Antwort")


def line(entry: Entry, account: str, language: str = "en") -> str:
    """An entry as one line: its number, the local time, and sentences."""
    said = _said(entry, account, language)
    named = entry.actor != account and said.startswith(who(entry, account, language))
    begins = said if named else said[0].upper() + said[1:]
    parts = [begins, *_why(entry, account, language)]
    return f"{entry.seq:>5}  {moment(entry.at)}  {'; '.join(parts)}."


def moment(seconds: int) -> str:
    """Local time, to the minute."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def _pick(pair: Pair, language: str) -> str:
    return pair[LANGUAGES.index(language)]


def _said(entry: Entry, account: str, language: str) -> str:
    detail = entry.detail
    pair = OTHER
    if entry.action == "statement":
        pair = STATEMENTS.get(str(detail.get("typ")), OTHER)
    else:
        pair = ACTIONS.get(_kind(entry), OTHER)
    return _pick(pair, language).format(
        who=who(entry, account, language), oth=detail.get("oth", ""), count=detail.get("count", ""),
        deletes=detail.get("deletes", ""), of=_of(entry, language), what=what(entry, language), kept=entry.kept,
        reason=detail.get("reason", ""), entry=detail.get("entry", ""), to=detail.get("to", ""),
        last=detail.get("last", ""), action=entry.action,
    )  # fmt: skip


def _kind(entry: Entry) -> str:
    if entry.action == "read" and (entry.kept or not entry.number):
        return "kept" if entry.kept else "nothing"
    if entry.action == "refusal" and entry.detail.get("what") == "emergency":
        return "refused-emergency"
    if entry.action == "refusal" and (entry.detail.get("reason") != "consent" or entry.detail.get("what") == "deposit"):
        return "refused-deposit"
    return "deletion" if entry.action == "deposit" and entry.detail.get("deletes") else entry.action


def who(entry: Entry, account: str, language: str) -> str:
    """The person and the organisation, by its name in the directory where it has one."""
    if entry.actor == account:
        return _pick(AT_A_DESK if entry.desk else YOU, language).format(desk=entry.desk)
    house = f"{entry.name} ({entry.actor})" if entry.name else entry.actor
    person = f"{entry.person} ({entry.role})" if entry.person and entry.role else entry.person
    return f"{person}, {house}" if person else house


def what(entry: Entry, language: str) -> str:
    """How many resources of which type."""
    name = _pick(TYPES[entry.what], language) if entry.what in TYPES else entry.what
    return f"{entry.number or ''} {name}".strip() if entry.what else ""


def _of(entry: Entry, language: str) -> str:
    return f": {words.categories([INDEX[name] for name in entry.categories], language)}" if entry.categories else ""


def _why(entry: Entry, account: str, language: str) -> list[str]:
    """Purpose, basis, and whether a person looked; what was said against it."""
    found = []
    if entry.purpose:
        purposes = words.purposes(entry.purpose.split(","), language)
        found.append(_pick(PURPOSE, language).format(purpose=purposes))
    if entry.action in ("release", "read") and entry.actor != account:
        found.append(basis(entry, account, language))
        found.append(_pick(IN_PERSON if not entry.automated else AUTOMATED, language))
    elif entry.action in ("statement", "vault") and entry.actor != account:
        found.append(_pick(FOR_YOU, language))
    if entry.objection:
        found.append(_pick(OBJECTED, language).format(text=entry.objection.rstrip(".")))
    if entry.answer:
        found.append(_pick(ANSWERED, language).format(text=entry.answer.rstrip(".")))
    elif entry.objection:
        found.append(_pick(NOT_ANSWERED, language))
    return found


def basis(entry: Entry, account: str, language: str) -> str:
    """On what it rested."""
    if not entry.basis:
        return _pick(NO_CONSENT, language)
    newest = entry.basis[0]
    pair = EMERGENCY if newest["emergency"] else CONSENT if newest["by"] == account else DELEGATED
    pair = OWN if newest["own"] else pair
    said = _pick(pair, language).format(day=words.day(newest["at"], language), by=newest["by"])
    return f"{said}, {words.on_paper(newest['desk'], language)}" if newest.get("desk") else said


# --- whether it is whole ------------------------------------------------------------------------------------------

WHOLE: Pair = (
    "The log is whole: {count} entries, from {first} to {last}; each names the one before it, signed by the hub.",
    "Das Protokoll ist vollständig: {count} Einträge, {first} bis {last}; jeder nennt den davor, der Hub bürgt dafür.",
)
BROKEN: Pair = (
    "THE LOG IS NOT WHOLE. {count} entries, from {first} to {last}:",
    "DAS PROTOKOLL IST NICHT VOLLSTÄNDIG. {count} Einträge, von {first} bis {last}:",
)
COMPARED: Pair = (
    "All {count} statements of your own chains stand in it: grants, withdrawals, permits, devices, keys.",
    "Alle {count} Erklärungen Ihrer eigenen Ketten stehen darin: Erlaubnisse, Widerrufe, Geräte, Schlüssel.",
)
UNKNOWN_KEY: Pair = (
    "The hub's key is believed as the file says it; with --account it is compared with the one that your device knows.",
    "Der Schlüssel des Hubs wird der Datei geglaubt; mit --account wird er mit dem verglichen, den Ihr Gerät kennt.",
)
BEGINS: Pair = (
    "What was before entry {seq} was too old to be kept and was removed; the log says so itself.",
    "Was vor Eintrag {seq} war, wurde nach Ende der Aufbewahrungszeit entfernt; das sagt das Protokoll selbst.",
)
_ASK: Pair = (
    ", as after a restore of the hub from a backup; ask its operator",
    ", etwa weil der Hub aus einer Sicherung wiederhergestellt wurde; fragen Sie dessen Betreiber",
)
FAULTS: Mapping[str, Pair] = {
    "altered": (
        "entry {first} is not what was written, or the one before it is not",
        "Eintrag {first} ist nicht, was geschrieben wurde, oder der davor ist es nicht",
    ),
    "missing": ("entries {first} to {last} are missing", "die Einträge {first} bis {last} fehlen"),
    "order": ("entry {first} does not stand in its place", "Eintrag {first} steht nicht an seiner Stelle"),
    "shortened": (
        "entries {first} to {last}, which the hub had signed, are gone: the log was shortened" + _ASK[0],
        "die Einträge {first} bis {last}, vom Hub unterschrieben, sind fort: das Protokoll wurde gekürzt" + _ASK[1],
    ),
    "replaced": (
        "the hub had signed another entry {first}: the log was exchanged up to there" + _ASK[0],
        "der Hub hatte einen anderen Eintrag {first} unterschrieben: das Protokoll wurde ausgetauscht" + _ASK[1],
    ),
    "early": (
        "entry {first} says that younger entries were removed than may be",
        "nach Eintrag {first} wurden jüngere Einträge entfernt, als erlaubt ist",
    ),
}
UNTOLD: Pair = (
    "the log says nothing of your statement {typ} (link {seq} of the chain {kind} {oth}) of {when}",
    "das Protokoll sagt nichts von Ihrer Erklärung {typ} (Glied {seq} der Kette {kind} {oth}) vom {when}",
)


def report(proof: Proof, language: str = "en") -> list[str]:
    """What a check has found, in sentences."""
    found = proof.entries
    first, last = (moment(found[0].at), moment(found[-1].at)) if found else ("", "")
    said = [_pick(WHOLE if proof.whole else BROKEN, language).format(count=len(found), first=first, last=last)]
    said += [f"  {_fault(fault, language)}" for fault in proof.faults]
    said += [f"  {_untold(link, language)}" for link in proof.untold]
    if not proof.untold:
        said.append(_pick(COMPARED, language).format(count=proof.compared))
    if found and found[0].seq > 1 and not any(fault.first == 1 for fault in proof.faults):
        said.append(_pick(BEGINS, language).format(seq=found[0].seq))
    return said if proof.known_key else [*said, _pick(UNKNOWN_KEY, language)]


def _fault(fault: Fault, language: str) -> str:
    return _pick(FAULTS[fault.kind], language).format(first=fault.first, last=fault.last)


def _untold(link: Statement, language: str) -> str:
    return _pick(UNTOLD, language).format(
        typ=link.typ, seq=link.seq, kind=link.kind, oth=link.oth, when=moment(link.iat)
    )
