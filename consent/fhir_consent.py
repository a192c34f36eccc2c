"""FHIR Consent in and out: R4, and the R5 shape on import.

`read` brings a Consent into the plain form that `consent.policy.compile` takes, `consent.fhir_export` brings it back;
`check_written` adds the rules for what is written here. `build` makes the Consent that a patient signs for one
counterpart, `proposed` the one by which a practice asks for it, `agreement` reads either back.
https://hl7.org/fhir/R4/consent.html, https://hl7.org/fhir/R5/consent.html
"""

import base64
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from consent import categories
from consent.dates import FOREVER, ZONE, period
from consent.fhir_export import VERIFIED_BY, write
from consent.identifiers import account
from consent.primitives import Rejected, unb64
from consent.provisions import (
    OPT_IN_CODE,
    OPT_IN_SYSTEM,
    check_tree,
    codings,
    dates,
    entries,
    mapping,
    reference,
    refused,
    rule,
    text,
)
from consent.purposes import known
from consent.relations import NO_END
from consent.template import template

SCAN = "ni:///sha-256;"
"""Before the hash of a file in base64url: its name by RFC 6920."""
_NOT_ABOUT_ACCESS = ("adr", "treatment")


@dataclass(frozen=True, slots=True)
class Paper:
    """That a consent was signed on paper, and who recorded it.

    `desk`: its account. `date`: when, FHIR dateTime. `scan`: the signed paper by its SHA-256, a URI of RFC 6920;
    `title` and `media_type` of that file, which itself lies sealed in her record.
    """

    desk: str
    date: str
    scan: str
    title: str
    media_type: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """What one patient allows one counterpart: these categories, for these purposes, in this time.

    `patient` and `counterpart` are accounts; `categories` indices of `consent.categories.NAMES`; `purposes` codes of
    v3-ActReason; `start` and `end` FHIR dates or dateTimes, a date meaning the whole day in Berlin, "" for open.
    `policy` is the URI of the template whose text was shown, `language` in which; both "" where there was none.
    `paper`: where it was signed on paper, at a desk.
    """

    patient: str
    counterpart: str
    categories: frozenset[int]
    purposes: tuple[str, ...]
    start: str = ""
    end: str = ""
    policy: str = ""
    language: str = ""
    paper: Paper | None = None

    def seconds(self) -> tuple[int, int]:
        """The time as Unix seconds, first and first after, a grant's `nb` and `until`; open ends: 0 and 2^53 - 1."""
        start, end = period(self.start or None, self.end or None)
        return max(0, -(-start // 1_000_000)), NO_END if end == FOREVER else end // 1_000_000


def consent_id(gid: str) -> str:
    """The FHIR id of a grant's Consent: the grant's 16 bytes in hexadecimal digits, as FHIR ids know no underscore."""
    return unb64(gid, 16).hex()


def last_moment(until: int) -> str:
    """The last moment before `until` as a FHIR dateTime, whose own second counts as within; empty for no end."""
    return "" if until == NO_END else datetime.fromtimestamp(until - 1, UTC).isoformat()


def build(terms: Agreement, id_: str, signed: datetime) -> dict[str, Any]:
    """The R4 Consent that the patient signs: an opt-in list for this counterpart, which names nothing that is withheld.

    Amendments keep `id_`, so that the newer one replaces the elder. Its source is the paper, where it was signed on
    paper, else the text as it was shown. Raises `Problem(unprocessable)` for terms that permit nothing or name an
    unknown purpose or party, `Problem` for a template that is not known here.
    """
    form = _form(terms, id_, "active", signed) | {"performer": [terms.patient]}
    if terms.paper:
        form |= _from_paper(terms.paper, terms.patient)
    elif terms.policy:
        form |= {"source": [{"attachment": _shown(terms)}]}
    return _in_language(write(form), terms)


def proposed(terms: Agreement, id_: str, asked: datetime) -> dict[str, Any]:
    """The R4 Consent of status `proposed` by which a counterpart asks the patient. Raises as `build`."""
    return _in_language(write(_form(terms, id_, "proposed", asked)), terms)


def agreement(consent: Mapping[str, Any]) -> Agreement:
    """Read back what `build` or `proposed` made. Raises `Problem(unprocessable)` for one that says more or else."""
    form = check_written(consent)
    root = form["provision"]
    permits = root.get("provision", [])
    if form.get("template") != "OPT-IN" or root["type"] != "deny" or root.keys() - {"type", "period", "provision"}:
        raise refused("provision", "Only an opt-in list for one party is understood here; write the rules as one.")
    if len(permits) != 1 or permits[0].keys() != {"type", "actor", "purpose", "class"} or len(permits[0]["actor"]) != 1:
        raise refused("provision.provision", "State one permission: one actor, purposes and categories, nothing else.")
    named, time = permits[0]["class"], root.get("period", {})
    if not categories.INDEX.keys() >= set(named):
        raise refused("provision.provision[0].class", "Only categories can be granted here.")
    chosen = frozenset(categories.INDEX[name] for name in named)
    purposes = tuple(permits[0]["purpose"])
    found = Agreement(
        form["patient"], permits[0]["actor"][0], chosen, purposes, time.get("start", ""), time.get("end", ""),
        *_policy(consent), _paper(form),
    )  # fmt: skip
    _check(found)
    return found


def read(consent: Mapping[str, Any], mandated: Collection[str] = ()) -> dict[str, Any]:
    """An R4 or R5 Consent in plain form.

    `mandated`: references of those who are known to speak for the patient; whether a Consent that others gave is
    effective is left to the mandates that a decision knows. Raises `Problem(unprocessable)` with path and remedy for
    what cannot be understood as written.
    """
    if consent.get("resourceType") != "Consent":
        raise refused("resourceType", "This is not a Consent.")
    for element in ("modifierExtension", "implicitRules"):
        if element in consent:
            raise refused(element, "This may change the meaning and is not understood; remove it.")
    if any(coding.get("code") in _NOT_ABOUT_ACCESS for coding in codings(consent.get("scope", {}), "scope")):
        raise refused("scope", "This Consent is not about access to data; use the scope patient-privacy or research.")
    is_r5 = "decision" in consent or "subject" in consent
    whose, when = ("subject", "date") if is_r5 else ("patient", "dateTime")
    patient = reference(consent.get(whose), whose)
    form: dict[str, Any] = {
        "id": text(consent, "id"),
        "status": text(consent, "status"),
        "dateTime": text(consent, when),
        "patient": patient,
        **_lineage(consent, is_r5),
        **_given(consent, patient, mandated, is_r5),
    }
    if _is_opt_in(consent):
        form["template"] = "OPT-IN"
    if root := _root_r5(consent) if is_r5 else _root_r4(consent):
        form["provision"] = root
    return form


def check_written(consent: Mapping[str, Any]) -> dict[str, Any]:
    """`read`, and what is asked of an R4 Consent written here: types stated, alternating, three rules deep at most.

    Raises `Problem(unprocessable)`.
    """
    form = read(consent)
    if "type" not in mapping(consent.get("provision", {}), "provision"):
        raise refused("provision.type", "State permit or deny on the root.")
    check_tree(form["provision"], "provision")
    return form


def _root_r4(consent: Mapping[str, Any]) -> dict[str, Any]:
    """The root's own type, else that of the policy; a Consent that has neither never applies."""
    plain = rule(consent["provision"], "provision", 1) if "provision" in consent else {}
    if "type" not in plain:
        codes = [coding.get("code") for coding in codings(consent.get("policyRule", {}), "policyRule")]
        if "OPTIN" in codes or "OPTOUT" in codes:
            plain["type"] = "deny" if "OPTOUT" in codes else "permit"
    return plain


def _root_r5(consent: Mapping[str, Any]) -> dict[str, Any]:
    """R5 states its decision once; each level of provisions is an exception to the one above."""
    if "decision" not in consent:
        return {}
    if consent["decision"] not in ("permit", "deny"):
        raise refused("decision", "The decision is permit or deny.")
    plain: dict[str, Any] = {"type": consent["decision"]}
    if grantees := entries(consent, "grantee"):
        plain["actor"] = [reference(one, f"grantee[{i}]") for i, one in enumerate(grantees)]
    if "period" in consent:
        plain["period"] = dates(consent["period"], "period")
    if exceptions := entries(consent, "provision"):
        plain["provision"] = [rule(one, f"provision[{i}]", 2) for i, one in enumerate(exceptions)]
    _alternate(plain)
    return plain


def _alternate(plain: dict[str, Any]) -> None:
    for child in plain.get("provision", []):
        child.setdefault("type", "permit" if plain["type"] == "deny" else "deny")
        _alternate(child)


def _given(consent: Mapping[str, Any], patient: str, mandated: Collection[str], is_r5: bool) -> dict[str, Any]:
    """Who gave it, how that was verified, and with what.

    It is effective as the word of the patient or of one who may speak for her, unless the last verification found it
    void. Of others their mandates tell.
    """
    element = "grantor" if is_r5 else "performer"
    given: dict[str, Any] = {}
    performers = [reference(one, f"{element}[{i}]") for i, one in enumerate(entries(consent, element))]
    verified = [_verification(one, f"verification[{i}]") for i, one in enumerate(entries(consent, "verification"))]
    if performers:
        given["performer"] = performers
    if verified:
        given["verification"] = verified
    if sources := list(_sources(consent)):
        given["source"] = sources
    if verified and not verified[-1]["verified"]:
        given["legal"] = False
    elif not performers or any(one == patient or one in mandated for one in performers):
        given["legal"] = True
    return given


def _verification(one: Any, path: str) -> dict[str, Any]:
    given = mapping(one, path)
    if not isinstance(given.get("verified"), bool):
        raise refused(f"{path}.verified", "Say true or false.")
    plain: dict[str, Any] = {"verified": given["verified"]}
    if "verifiedWith" in given:
        plain["with"] = reference(given["verifiedWith"], f"{path}.verifiedWith")
    if by := [one for one in _verifiers(given, path) if one is not None]:
        plain["by"] = reference(by[0], f"{path}.verifiedBy")
    date = given.get("verificationDate")
    last = date[-1] if isinstance(date, list) and date else date  # R5 has a list of them
    return plain if last is None else plain | {"date": text({"verificationDate": last}, "verificationDate", path)}


def _verifiers(given: Mapping[str, Any], path: str) -> Iterator[Any]:
    """Who verified: R5's element, which R4 carries as an extension."""
    yield given.get("verifiedBy")
    for i, one in enumerate(entries(given, "extension", path)):
        if mapping(one, f"{path}.extension[{i}]").get("url") == VERIFIED_BY:
            yield one.get("valueReference", {})


def _sources(consent: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, element in (("attachment", "sourceAttachment"), ("reference", "sourceReference")):
        value = consent.get(element, [])
        for i, one in enumerate(value if isinstance(value, list) else [value]):
            place = f"{element}[{i}]"
            yield {name: reference(one, place) if name == "reference" else dict(mapping(one, place))}


def _is_opt_in(consent: Mapping[str, Any]) -> bool:
    return any(
        coding.get("system") == OPT_IN_SYSTEM and coding.get("code") == OPT_IN_CODE
        for i, concept in enumerate(entries(consent, "category"))
        for coding in codings(concept, f"category[{i}]")
    )


def _lineage(consent: Mapping[str, Any], is_r5: bool) -> dict[str, Any]:
    """Policy and controller: where both are stated, the newest record of the same replaces the elder ones."""
    element = "controller" if is_r5 else "organization"
    policies = [consent.get("policyBasis", {})] if is_r5 else entries(consent, "policy")
    name = "url" if is_r5 else "uri"
    uris = [one[name] for one in policies if isinstance(one, Mapping) and isinstance(one.get(name), str)]
    controllers = [reference(one, f"{element}[{i}]") for i, one in enumerate(entries(consent, element))]
    return ({"policy": uris} if uris else {}) | ({"controller": controllers} if controllers else {})


def _form(terms: Agreement, id_: str, status: str, when: datetime) -> dict[str, Any]:
    _check(terms)
    time = {edge: value for edge, value in (("start", terms.start), ("end", terms.end)) if value}
    permit = {
        "type": "permit",
        "actor": [terms.counterpart],
        "purpose": list(terms.purposes),
        "class": [categories.NAMES[index] for index in sorted(terms.categories)],
    }
    return {
        "id": id_,
        "status": status,
        "dateTime": when.astimezone(ZONE).isoformat(timespec="seconds"),
        "patient": terms.patient,
        "template": "OPT-IN",
        "provision": {"type": "deny"} | ({"period": time} if time else {}) | {"provision": [permit]},
        **({"policy": [terms.policy]} if terms.policy else {}),
    }


def _in_language(consent: dict[str, Any], terms: Agreement) -> dict[str, Any]:
    return consent | ({"language": terms.language} if terms.language else {})


def _shown(terms: Agreement) -> dict[str, Any]:
    """The text as it was shown when this was signed, so that the Consent proves by itself what was consented to."""
    found = template(terms.policy)
    until = terms.seconds()[1]
    shown = found.text(terms.counterpart, terms.categories, terms.purposes, until, terms.language)
    return {
        "contentType": "text/plain; charset=utf-8",
        "language": terms.language,
        "data": base64.b64encode(shown.encode()).decode(),
        "url": found.uri,
        "title": found.title[terms.language],
    }


def _policy(consent: Mapping[str, Any]) -> tuple[str, str]:
    """URI and language of the template that a Consent names; empty texts where it names none."""
    uris, language = _lineage(consent, is_r5=False).get("policy", []), consent.get("language")
    return (uris[0], language if isinstance(language, str) else "") if uris else ("", "")


def _from_paper(paper: Paper, patient: str) -> dict[str, Any]:
    """Source and verification of a consent that was signed on paper before the desk's eyes."""
    return {
        "source": [{"attachment": {"contentType": paper.media_type, "url": paper.scan, "title": paper.title}}],
        "verification": [{"verified": True, "by": paper.desk, "with": patient, "date": paper.date}],
    }


def _paper(form: Mapping[str, Any]) -> Paper | None:
    """Back from `_from_paper`; None without any verification. Raises `Problem(unprocessable)` for another one."""
    verified = form.get("verification", [])
    if not verified:
        return None
    one = verified[-1]
    source: Mapping[str, Any] = next((x["attachment"] for x in form.get("source", []) if "attachment" in x), {})
    said = (one.get("by"), one.get("date"), *(source.get(name) for name in ("url", "title", "contentType")))
    if len(verified) > 1 or not one["verified"] or not all(isinstance(each, str) and each for each in said):
        raise refused("verification", "Only a consent on paper is verified here: by a desk, with a scan as its source.")
    desk, date, scan, title, media_type = map(str, said)
    if not scan.startswith(SCAN) or one.get("with") != form["patient"]:
        raise refused("verification", "A consent on paper is verified with the patient, and names its scan by a hash.")
    try:
        account(desk)
    except Rejected as error:
        raise refused("verification.verifiedBy", "A desk is named by its account, name@hub.") from error
    return Paper(desk, date, scan, title, media_type)


def _check(terms: Agreement) -> None:
    if not terms.categories or not terms.purposes:
        raise refused("provision.provision[0]", "Name at least one category and one purpose.")
    if not all(0 <= index < len(categories.NAMES) for index in terms.categories):
        raise refused("provision.provision[0].class", "A category is one of the sixteen.")
    if not all(known(purpose) for purpose in terms.purposes):
        raise refused("provision.provision[0].purpose", "This purpose is not known; use a code of v3-ActReason.")
    time = {edge: value for edge, value in (("start", terms.start), ("end", terms.end)) if value}
    dates(time, "provision.period")
    for name in (terms.patient, terms.counterpart):
        try:
            account(name)
        except Rejected as error:
            raise refused("provision.provision[0].actor", "A party is named by its account, name@hub.") from error
