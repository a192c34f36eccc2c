"""What `obhut patient show` tells: who may see what, who may act for whom, and what is still to be done."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from connectors.patient import emergency, enrolment, permits, sharing
from connectors.patient.appointing import delegates
from connectors.patient.delegation import Deputy
from connectors.patient.reading import Reading
from connectors.patient.renewal import NOTICE_SECONDS
from connectors.patient.side import Side
from consent import guardians, steps
from consent.categories import NAMES
from consent.grants import Record
from consent.pending import pending_since
from consent.relations import Grant
from consent.who import desk_of
from consent.words import EN, on_paper

ALARM_SECONDS = 7 * 24 * 3600
"""After so long a rotation that is pending is told with more than a date (PROTOCOL.md 5.11)."""


def overview(client: Side, reading: Reading | None = None) -> dict[str, Any]:
    """Of the patient herself. `reading`: where others have granted her anything."""
    shown = [
        _grant(oth, grant, steps.granted(client.vault, grant), terms.whole if terms else None)
        | {"desk": desk_of(client.vault, grant.rules)}
        for oth, grant, terms in sharing.granted(client)
    ]
    acts_for = [
        {"patient": acc, "scope": found.scope, "until": found.end}
        for acc, state in client.chains.accounts.items()
        for found in state.delegates
        if found.to == client.account and found.live(state.last, client.now)
    ]
    return {
        "account": client.account, "card": str(enrolment.card(client)), "grants": shown,
        "writers": permits.writers(client), **_standing(client.record, client.now),
        "reads": _reads(client, reading) if reading else [], "acts_for": acts_for, "hidden": list(client.vault.hides),
        "hidden_from": {oth: list(hides) for oth, hides in sorted(client.vault.hidden_from.items())},
        "held_back": [
            {
                "to": one.oth, "by": one.by, "categories": [NAMES[c] for c in sorted(one.categories)],
                "refuses": one.refuses,
            }
            for one in guardians.held_back(client.record, client.vault, client.now)
        ],
        "notices": _notices(client, [client.account, *(str(one["patient"]) for one in acts_for)]),
    }  # fmt: skip


def _reads(client: Side, reading: Reading) -> list[dict[str, Any]]:
    return [
        {"from": acc, **{name: told[name] for name in ("grant", "categories", "purposes", "until")}}
        for (acc, oth), relation in client.chains.relations.items()
        if oth == client.account != acc
        for grant in relation.live(client.now)
        if (told := _grant(acc, grant, reading.agreed(acc, grant), None))["categories"]
    ]


def for_another(deputy: Deputy) -> dict[str, Any]:
    """Of a patient, as her delegate sees it. `categories` is None where the delegate's own keys do not tell."""
    record = deputy.record
    grants = [_grant(oth, grant, deputy.granted(grant), None) for oth, grant in deputy.readable()]
    notices = _notices(deputy.client, [deputy.account])
    return {"account": deputy.account, "grants": grants, "notices": notices, **_standing(record, deputy.now)}


def _notices(client: Side, patients: Collection[str]) -> list[dict[str, Any]]:
    """Emergencies that were declared of these patients, but for those that she has reviewed."""
    found = [one for patient in patients for one in emergency.declared(client, patient) if not one.verdict]
    return [{**one.json(), "open": one.until > client.now} for one in sorted(found, key=lambda one: one.at)]


def _grant(party: str, grant: Grant, categories: frozenset[int] | None, whole: bool | None) -> dict[str, Any]:
    names = None if categories is None else [NAMES[c] for c in sorted(categories)]
    return {
        "grant": grant.gid, "to": party, "categories": names, "purposes": list(grant.purposes), "until": grant.until,
        "whole": whole, "by": grant.rules.by[0], "emergency": grant.emergency,
    }  # fmt: skip


def _standing(record: Record, now: int) -> dict[str, Any]:
    """Delegates, and since when a rotation is pending."""
    named = [{"to": one.to, "scope": one.scope, "until": one.end, "live": now < one.end} for one in delegates(record)]
    return {"delegates": named, "rotation_pending_since": pending_since(record, now)}


def lines(told: dict[str, Any], now: int) -> list[str]:
    """The same in words."""
    words = [f"account   {told['account']}"]
    words += [f"card      {told['card']}"] if "card" in told else []
    for one in told["grants"]:
        what = ", ".join(one["categories"]) if one["categories"] is not None else "categories that you do not see"
        by = f", by {one['by']}" if one["by"] != told["account"] else ""
        by += f", {on_paper(one['desk'], EN)}" if one.get("desk") else ""
        if one["emergency"]:
            words.append(f"emergency {emergency_line(one)}{by}")
        else:
            words.append(f"granted   {one['to']}: {what} ({', '.join(one['purposes'])}){by}  {one['grant']}")
        if "card" in told and one["by"] == told["account"] and one["until"] <= now + NOTICE_SECONDS:
            words.append(f"ends      {_day(one['until'])}; obhut patient renew {one['grant']}")
    words += [_held_back(one) for one in told.get("held_back", [])]
    words += [f"hidden    {one}" for one in told.get("hidden", [])]
    words += [f"hidden    {one} from {oth}" for oth, hides in told.get("hidden_from", {}).items() for one in hides]
    words += [f"may write {one}" for one in told.get("writers", [])]
    for one in told["delegates"]:
        words.append(
            f"delegate  {one['to']}: {one['scope']} until {_day(one['until'])}{'' if one['live'] else ', over'}"
        )
    for one in told.get("reads", []):
        words.append(f"may read  {one['from']}: {', '.join(one['categories'])} ({', '.join(one['purposes'])})")
    words += [f"acts for  {one['patient']} until {_day(one['until'])}" for one in told.get("acts_for", [])]
    words += [_notice(one, told["account"]) for one in told["notices"]]
    if (since := told["rotation_pending_since"]) is not None:
        late = " for more than seven days: former readers could open what is written now" if _late(since, now) else ""
        words.append(f"pending   rotation since {_day(since)}{late}; obhut patient settle")
    return words


def emergency_line(one: dict[str, Any]) -> str:
    """What somebody may see once an emergency is declared, in words."""
    what = ", ".join(one["categories"]) if one["categories"] is not None else "categories that you do not see"
    span, *roles = one["emergency"]
    return f"{one['to']}: {what}, when declared by {' or '.join(roles)}, for {span // 60} minutes"


def _held_back(one: dict[str, Any]) -> str:
    """What does not open although a guardian granted it, in a sentence."""
    what = ", ".join(one["categories"])
    said = "refuses this party" if one["refuses"] else "does not grant it"
    return f"held back {one['to']}: {what}; one guardian grants it, and {one['by']} {said}: the narrower holds"


def _notice(one: dict[str, Any], account: str) -> str:
    who = f"{one['person']}, {one['role']}" if one["person"] else one["role"]
    whose = "" if one["patient"] == account else f" for {one['patient']}"
    state = f"open until {_day(one['until'])}" if one["open"] else "over"
    next_step = "; obhut patient emergency review" if not whose else ""
    return f"notice    emergency declared{whose} by {who} of {one['house']} at {_day(one['at'])}, {state}{next_step}"


def _late(since: int, now: int) -> bool:
    return now - since > ALARM_SECONDS


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().isoformat(timespec="minutes")
