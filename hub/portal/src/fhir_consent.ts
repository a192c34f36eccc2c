/**
 * FHIR Consent in and out: R4, and the R5 shape on import.
 *
 * `read` brings a Consent into the plain form that `compile` of `policy.ts` takes, `fhir_export.ts` brings it back;
 * `checkWritten` adds the rules for what is written here. `build` makes the Consent that a patient signs for one
 * counterpart, `proposed` the one by which a practice asks for it, `agreement` reads either back.
 * https://hl7.org/fhir/R4/consent.html, https://hl7.org/fhir/R5/consent.html
 */

import { type Name, NAMES } from "./categories.ts";
import { FOREVER, localTime, period, SECOND, utcTime } from "./dates.ts";
import { VERIFIED_BY, write } from "./fhir_export.ts";
import { account, binaryId } from "./identifiers.ts";
import { isObject, type Json } from "./policy.ts";
import { base64, hex, Rejected, utf8 } from "./primitives.ts";
import { type Problem } from "./problems.ts";
import * as provisions from "./provisions.ts";
import { checkTree, codings, dates, entries, mapping, member, type Plain } from "./provisions.ts";
import { reference, refused, text } from "./provisions.ts";
import { known } from "./purposes.ts";
import { NO_END } from "./relations.ts";
import { template, text as textOf } from "./template.ts";
import type { Language } from "./words.ts";

/** Before the hash of a file in base64url: its name by RFC 6920. */
export const SCAN = "ni:///sha-256;";
const NOT_ABOUT_ACCESS: readonly unknown[] = ["adr", "treatment"];

/**
 * That a consent was signed on paper, and who recorded it.
 *
 * `desk`: its account. `date`: when, FHIR dateTime. `scan`: the signed paper by its SHA-256, a URI of RFC 6920; `title`
 * and `mediaType` of that file, which itself lies sealed in her record.
 */
export type Paper = {
  readonly desk: string;
  readonly date: string;
  readonly scan: string;
  readonly title: string;
  readonly mediaType: string;
};

/**
 * What one patient allows one counterpart: these categories, for these purposes, in this time.
 *
 * `patient` and `counterpart` are accounts; `categories` indices of `NAMES`; `purposes` codes of v3-ActReason; `start`
 * and `end` FHIR dates or dateTimes, a date meaning the whole day in Berlin, "" for open. `policy` is the URI of the
 * template whose text was shown, `language` in which; both "" where there was none. `paper`: where it was signed on
 * paper, at a desk.
 */
export type Agreement = {
  readonly patient: string;
  readonly counterpart: string;
  readonly categories: ReadonlySet<number>;
  readonly purposes: readonly string[];
  readonly start: string;
  readonly end: string;
  readonly policy: string;
  readonly language: string;
  readonly paper: Paper | null;
};

/** The time as Unix seconds, first and first after, a grant's `nb` and `until`; open ends: 0 and 2^53 - 1. */
export function seconds({ start, end }: Agreement): readonly [nb: number, until: number] {
  const [first, after] = period(start || null, end || null);
  return [Math.max(0, Math.ceil(first / SECOND)), after === FOREVER ? NO_END : Math.floor(after / SECOND)];
}

/** The FHIR id of a grant's Consent: the grant's 16 bytes in hexadecimal digits, as FHIR ids know no underscore. */
export function consentId(gid: string): string {
  return hex(binaryId(gid));
}

/** The last moment before `until` as a FHIR dateTime, whose own second counts as within; empty for no end. */
export function lastMoment(until: number): string {
  return until === NO_END ? "" : utcTime(until - 1);
}

/**
 * The R4 Consent that the patient signs: an opt-in list for this counterpart, which names nothing that is withheld.
 *
 * Amendments keep `id`, so that the newer one replaces the elder. `signed`: Unix seconds. Its source is the paper, where
 * it was signed on paper, else the text as it was shown. Throws `Problem(unprocessable)` for terms that permit nothing
 * or name an unknown purpose or party, `Problem` for a template that is not known here.
 */
export function build(terms: Agreement, id: string, signed: number): Plain {
  const form = { ...formOf(terms, id, "active", signed), performer: [terms.patient] };
  const paper = terms.paper && fromPaper(terms.paper, terms.patient);
  const shown = terms.policy ? { source: [{ attachment: shownText(terms) }] } : {};
  return inLanguage(write({ ...form, ...(paper ?? shown) }), terms);
}

/** The R4 Consent of status `proposed` by which a counterpart asks the patient. Throws as `build`. */
export function proposed(terms: Agreement, id: string, asked: number): Plain {
  return inLanguage(write(formOf(terms, id, "proposed", asked)), terms);
}

/** Read back what `build` or `proposed` made. Throws `Problem(unprocessable)` for one that says more or else. */
export function agreement(consent: Json): Agreement {
  const form = checkWritten(consent);
  const root = form["provision"] as Plain;
  const permits = (root["provision"] ?? []) as Plain[];
  if (form["template"] !== "OPT-IN" || root["type"] !== "deny" || !isOf(root, "type", "period", "provision")) {
    throw refused("provision", "Only an opt-in list for one party is understood here; write the rules as one.");
  }
  const [permit = {}] = permits;
  const elements = ["type", "actor", "purpose", "class"];
  const [actors, purposes, named] = ["actor", "purpose", "class"].map((name) => (permit[name] ?? []) as string[]);
  const isOne = permits.length === 1 && isOf(permit, ...elements) && elements.every((one) => one in permit);
  const [counterpart] = actors ?? [];
  if (!isOne || actors?.length !== 1 || counterpart === undefined) {
    const remedy = "State one permission: one actor, purposes and categories, nothing else.";
    throw refused("provision.provision", remedy);
  }
  const categories = (named ?? []).map((name) => NAMES.indexOf(name as Name));
  if (categories.includes(-1)) throw refused("provision.provision[0].class", "Only categories can be granted here.");
  const { start = "", end = "" } = (root["period"] ?? {}) as { readonly start?: string; readonly end?: string };
  const found = {
    patient: form["patient"] as string,
    counterpart,
    categories: new Set(categories),
    purposes: purposes ?? [],
    start,
    end,
    ...policyOf(consent),
    paper: paperOf(form),
  };
  check(found);
  return found;
}

function isOf(plain: Plain, ...elements: readonly string[]): boolean {
  return Object.keys(plain).every((element) => elements.includes(element));
}

/**
 * An R4 or R5 Consent in plain form.
 *
 * `mandated`: references of those who are known to speak for the patient; whether a Consent that others gave is
 * effective is left to the mandates that a decision knows. Throws `Problem(unprocessable)` with path and remedy for
 * what cannot be understood as written.
 */
export function read(consent: Json, mandated: readonly string[] = []): Plain {
  if (consent["resourceType"] !== "Consent") throw refused("resourceType", "This is not a Consent.");
  for (const element of ["modifierExtension", "implicitRules"]) {
    if (element in consent) throw refused(element, "This may change the meaning and is not understood; remove it.");
  }
  if (codings(member(consent, "scope"), "scope").some((coding) => NOT_ABOUT_ACCESS.includes(coding["code"]))) {
    const remedy = "This Consent is not about access to data; use the scope patient-privacy or research.";
    throw refused("scope", remedy);
  }
  const isR5 = "decision" in consent || "subject" in consent;
  const [whose, when] = isR5 ? ["subject", "date"] : ["patient", "dateTime"];
  const patient = reference(consent[whose as string], whose as string);
  const form: Plain = {
    id: text(consent, "id"),
    status: text(consent, "status"),
    dateTime: text(consent, when as string),
    patient,
    ...lineage(consent, isR5),
    ...given(consent, patient, mandated, isR5),
  };
  if (isOptIn(consent)) form["template"] = "OPT-IN";
  const root = isR5 ? rootOfR5(consent) : rootOfR4(consent);
  return Object.keys(root).length > 0 ? { ...form, provision: root } : form;
}

/**
 * `read`, and what is asked of an R4 Consent written here: types stated, alternating, three rules deep at most.
 *
 * Throws `Problem(unprocessable)`.
 */
export function checkWritten(consent: Json): Plain {
  const form = read(consent);
  if (!("type" in mapping(member(consent, "provision"), "provision"))) {
    throw refused("provision.type", "State permit or deny on the root.");
  }
  checkTree(form["provision"] as Plain, "provision");
  return form;
}

/** The root's own type, else that of the policy; a Consent that has neither never applies. */
function rootOfR4(consent: Json): Plain {
  const plain = "provision" in consent ? provisions.rule(consent["provision"], "provision", 1) : {};
  if ("type" in plain) return plain;
  const codes = codings(member(consent, "policyRule"), "policyRule").map((coding) => coding["code"]);
  if (codes.includes("OPTOUT")) return { ...plain, type: "deny" };
  return codes.includes("OPTIN") ? { ...plain, type: "permit" } : plain;
}

/** R5 states its decision once; each level of provisions is an exception to the one above. */
function rootOfR5(consent: Json): Plain {
  if (!("decision" in consent)) return {};
  if (consent["decision"] !== "permit" && consent["decision"] !== "deny") {
    throw refused("decision", "The decision is permit or deny.");
  }
  const plain: Plain = { type: consent["decision"] };
  const grantees = entries(consent, "grantee");
  if (grantees.length > 0) plain["actor"] = grantees.map((one, i) => reference(one, `grantee[${i}]`));
  if ("period" in consent) plain["period"] = dates(consent["period"], "period");
  const exceptions = entries(consent, "provision");
  if (exceptions.length > 0) {
    plain["provision"] = exceptions.map((one, i) => provisions.rule(one, `provision[${i}]`, 2));
  }
  alternate(plain);
  return plain;
}

function alternate(plain: Plain): void {
  for (const child of (plain["provision"] ?? []) as Plain[]) {
    child["type"] ??= plain["type"] === "deny" ? "permit" : "deny";
    alternate(child);
  }
}

/**
 * Who gave it, how that was verified, and with what.
 *
 * It is effective as the word of the patient or of one who may speak for her, unless the last verification found it
 * void. Of others their mandates tell.
 */
function given(consent: Json, patient: string, mandated: readonly string[], isR5: boolean): Plain {
  const element = isR5 ? "grantor" : "performer";
  const performer = entries(consent, element).map((one, i) => reference(one, `${element}[${i}]`));
  const verified = entries(consent, "verification").map((one, i) => verification(one, `verification[${i}]`));
  const source = sources(consent);
  const isHers = performer.length === 0 || performer.some((one) => one === patient || mandated.includes(one));
  const isVoid = verified.at(-1)?.["verified"] === false;
  return {
    ...(performer.length > 0 ? { performer } : {}),
    ...(verified.length > 0 ? { verification: verified } : {}),
    ...(source.length > 0 ? { source } : {}),
    ...(isVoid ? { legal: false } : isHers ? { legal: true } : {}),
  };
}

function verification(one: unknown, path: string): Plain {
  const found = mapping(one, path);
  if (typeof found["verified"] !== "boolean") throw refused(`${path}.verified`, "Say true or false.");
  const plain: Plain = { verified: found["verified"] };
  if ("verifiedWith" in found) plain["with"] = reference(found["verifiedWith"], `${path}.verifiedWith`);
  const [by] = verifiers(found, path).filter((each) => each !== undefined && each !== null);
  if (by !== undefined) plain["by"] = reference(by, `${path}.verifiedBy`);
  const date = found["verificationDate"];
  const last = Array.isArray(date) && date.length > 0 ? date.at(-1) : date; // R5 has a list of them
  if (last === undefined || last === null) return plain;
  return { ...plain, date: text({ verificationDate: last }, "verificationDate", path) };
}

/** Who verified: R5's element, which R4 carries as an extension. */
function verifiers(found: Json, path: string): unknown[] {
  const extensions = entries(found, "extension", path).map((one, i) => mapping(one, `${path}.extension[${i}]`));
  const named = extensions.filter((one) => one["url"] === VERIFIED_BY);
  return [found["verifiedBy"], ...named.map((one) => member(one, "valueReference"))];
}

function sources(consent: Json): Plain[] {
  const elements = [
    ["attachment", "sourceAttachment"],
    ["reference", "sourceReference"],
  ] as const;
  return elements.flatMap(([name, element]) => {
    const value = element in consent ? consent[element] : [];
    return (Array.isArray(value) ? value : [value]).map((one, i) => {
      const place = `${element}[${i}]`;
      return { [name]: name === "reference" ? reference(one, place) : { ...mapping(one, place) } };
    });
  });
}

function isOptIn(consent: Json): boolean {
  return entries(consent, "category").some((concept, i) =>
    codings(concept, `category[${i}]`).some(
      ({ system, code }) => system === provisions.OPT_IN_SYSTEM && code === provisions.OPT_IN_CODE,
    ),
  );
}

/** Policy and controller: where both are stated, the newest record of the same replaces the elder ones. */
function lineage(consent: Json, isR5: boolean): Plain {
  const element = isR5 ? "controller" : "organization";
  const policies = isR5 ? [member(consent, "policyBasis")] : entries(consent, "policy");
  const name = isR5 ? "url" : "uri";
  const uris = policies.map((one) => (isObject(one) ? one[name] : null)).filter((uri) => typeof uri === "string");
  const controllers = entries(consent, element).map((one, i) => reference(one, `${element}[${i}]`));
  return {
    ...(uris.length > 0 ? { policy: uris } : {}),
    ...(controllers.length > 0 ? { controller: controllers } : {}),
  };
}

function formOf(terms: Agreement, id: string, status: string, when: number): Plain {
  check(terms);
  const time = timeOf(terms);
  const permit = {
    type: "permit",
    actor: [terms.counterpart],
    purpose: [...terms.purposes],
    class: [...terms.categories].sort((a, b) => a - b).map((index) => NAMES[index]),
  };
  const period = Object.keys(time).length > 0 ? { period: time } : {};
  return {
    id,
    status,
    dateTime: localTime(when),
    patient: terms.patient,
    template: "OPT-IN",
    provision: { type: "deny", ...period, provision: [permit] },
    ...(terms.policy ? { policy: [terms.policy] } : {}),
  };
}

function timeOf({ start, end }: Agreement): { readonly start?: string; readonly end?: string } {
  return { ...(start ? { start } : {}), ...(end ? { end } : {}) };
}

function inLanguage(consent: Plain, { language }: Agreement): Plain {
  return language ? { ...consent, language } : consent;
}

/** The text as it was shown when this was signed, so that the Consent proves by itself what was consented to. */
function shownText(terms: Agreement): Plain {
  const found = template(terms.policy);
  const { counterpart: who, categories: what, purposes: why, language } = terms;
  const shown = textOf(found, { who, what, why, until: seconds(terms)[1] }, language);
  return {
    contentType: "text/plain; charset=utf-8",
    language,
    data: base64(utf8(shown)),
    url: found.uri,
    title: found.title[language as Language],
  };
}

/** URI and language of the template that a Consent names; empty texts where it names none. */
function policyOf(consent: Json): { readonly policy: string; readonly language: string } {
  const [policy] = (lineage(consent, false)["policy"] ?? []) as string[];
  const { language } = consent;
  if (policy === undefined) return { policy: "", language: "" };
  return { policy, language: typeof language === "string" ? language : "" };
}

/** Source and verification of a consent that was signed on paper before the desk's eyes. */
function fromPaper({ desk, date, scan, title, mediaType }: Paper, patient: string): Plain {
  return {
    source: [{ attachment: { contentType: mediaType, url: scan, title } }],
    verification: [{ verified: true, by: desk, with: patient, date }],
  };
}

/** Back from `fromPaper`; null without any verification. Throws `Problem(unprocessable)` for another one. */
function paperOf(form: Plain): Paper | null {
  const verified = (form["verification"] ?? []) as Plain[];
  const one = verified.at(-1);
  if (one === undefined) return null;
  const attached = ((form["source"] ?? []) as Plain[]).find((each) => "attachment" in each)?.["attachment"] ?? {};
  const { url: scan, title, contentType: mediaType } = attached as Plain;
  const found = { desk: one["by"], date: one["date"], scan, title, mediaType };
  const isWhole = Object.values(found).every((each) => typeof each === "string" && each !== "");
  if (verified.length > 1 || !one["verified"] || !isWhole) {
    const remedy = "Only a consent on paper is verified here: by a desk, with a scan as its source.";
    throw refused("verification", remedy);
  }
  const paper = found as Paper;
  if (!paper.scan.startsWith(SCAN) || one["with"] !== form["patient"]) {
    const remedy = "A consent on paper is verified with the patient, and names its scan by a hash.";
    throw refused("verification", remedy);
  }
  asAccount(paper.desk, refused("verification.verifiedBy", "A desk is named by its account, name@hub."));
  return paper;
}

/** Throws the problem where this is no account. */
function asAccount(name: string, problem: Problem): void {
  try {
    account(name);
  } catch (error) {
    throw error instanceof Rejected ? problem : error;
  }
}

function check(terms: Agreement): void {
  const { categories, purposes, patient, counterpart } = terms;
  if (categories.size === 0 || purposes.length === 0) {
    throw refused("provision.provision[0]", "Name at least one category and one purpose.");
  }
  if ([...categories].some((index) => NAMES[index] === undefined)) {
    throw refused("provision.provision[0].class", "A category is one of the sixteen.");
  }
  if (!purposes.every(known)) {
    const remedy = "This purpose is not known; use a code of v3-ActReason.";
    throw refused("provision.provision[0].purpose", remedy);
  }
  dates(timeOf(terms), "provision.period");
  const problem = refused("provision.provision[0].actor", "A party is named by its account, name@hub.");
  for (const name of [patient, counterpart]) asAccount(name, problem);
}
