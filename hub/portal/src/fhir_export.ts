/**
 * A consent in plain form as a FHIR Consent, R4.
 *
 * What is written is read back as the same form (`read` of `fhir_consent.ts`). https://hl7.org/fhir/R4/consent.html
 */

import { BY_TYPE, type Name, NAMES, SYSTEM } from "./categories.ts";
import { ACCOUNT_SYSTEM, CONFIDENTIALITY_SYSTEM, SENSITIVITY_SYSTEM } from "./facts.ts";
import { account } from "./identifiers.ts";
import { CONFIDENTIALITY } from "./items.ts";
import { compile } from "./policy.ts";
import { Rejected } from "./primitives.ts";
import * as provisions from "./provisions.ts";
import { checkTree, entries, mapping, member, type Plain, refused, text } from "./provisions.ts";
import { systemOf } from "./purposes.ts";

const SCOPE = { system: "http://terminology.hl7.org/CodeSystem/consentscope", code: "patient-privacy" };
const DOCUMENT = { system: "http://loinc.org", code: "59284-0", display: "Consent Document" };
const OPT_IN = { system: provisions.OPT_IN_SYSTEM, code: provisions.OPT_IN_CODE };
const RULES = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const RECIPIENT = { system: "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", code: "IRCP" };
/** R5's `Consent.verification.verifiedBy` in R4 (https://hl7.org/fhir/versions.html#extensions). */
export const VERIFIED_BY = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Consent.verification.verifiedBy";
const ACTIONS: readonly string[] = ["access", "collect", "use", "disclose", "correct"];
const WRITTEN: readonly string[] = [
  ...["id", "status", "dateTime", "patient", "policy", "controller", "performer", "verification", "source", "template"],
  ...["legal", "provision"],
];

/**
 * The R4 Consent of a plain form; one without an id is given it by whoever keeps it.
 *
 * Throws `Problem(unprocessable)` with path and remedy for what R4 cannot say, and as `compile` for what is no plain
 * form.
 */
export function write(form: Plain): Plain {
  check(form);
  const sources = entries(form, "source").map((one, i) => source(one, `source[${i}]`));
  if (sources.length > 1) throw refused("source", "R4 has room for one source; keep the one that was signed.");
  const root = form["provision"] as Plain;
  const isListed = form["template"] === "OPT-IN";
  const opens = isListed || root["type"] === "permit";
  const consent: Plain = {
    resourceType: "Consent",
    id: form["id"] || [],
    status: text(form, "status"),
    scope: { coding: [SCOPE] },
    category: [{ coding: [DOCUMENT] }, ...(isListed ? [{ coding: [OPT_IN] }] : [])],
    patient: party(form["patient"], "patient"),
    dateTime: text(form, "dateTime"),
    performer: parties(form, "performer"),
    organization: parties(form, "controller"),
    ...sources[0],
    policy: words(form, "policy").map((uri) => ({ uri })),
    policyRule: { coding: [{ system: RULES, code: opens ? "OPTIN" : "OPTOUT" }] },
    verification: entries(form, "verification").map((one, i) => verification(one, `verification[${i}]`)),
    provision: provision(root, "provision"),
  };
  const isStated = (value: unknown) => !Array.isArray(value) || value.length > 0;
  return Object.fromEntries(Object.entries(consent).filter(([, value]) => isStated(value)));
}

function check(form: Plain): void {
  const [unknown] = Object.keys(form).filter((element) => !WRITTEN.includes(element));
  if (unknown !== undefined) {
    throw refused(unknown, "This has no place in a FHIR Consent; state policy and controller for a lineage.");
  }
  if ((mapping(member(form, "provision"), "provision")["type"] ?? null) === null) {
    throw refused("provision.type", "State permit or deny on the root.");
  }
  compile({ ...form, id: form["id"] || "not given yet" });
  checkTree(form["provision"] as Plain, "provision");
  text(form, "patient");
}

/** A list of words that `compile` has checked. */
function words(plain: Plain, element: string): readonly string[] {
  return (plain[element] ?? []) as string[];
}

function provision(plain: Plain, path: string): Plain {
  const written: Plain = { type: plain["type"] };
  for (const element of ["period", "dataPeriod"]) if (element in plain) written[element] = plain[element];
  if ("actor" in plain) written["actor"] = actors(plain, path);
  else if ("role" in plain) throw refused(`${path}.role`, "FHIR asks for a party beside each role; name the actors.");
  for (const element of ["action", "code"]) {
    if (element in plain) written[element] = words(plain, element).map((code) => ({ coding: [coding(element, code)] }));
  }
  for (const element of ["securityLabel", "purpose", "class"]) {
    if (element in plain) written[element] = words(plain, element).map((code) => coding(element, code));
  }
  if ("data" in plain) {
    written["data"] = (plain["data"] as [string, string][]).map(([meaning, reference], i) => {
      return { meaning, reference: party(reference, `${path}.data[${i}]`) };
    });
  }
  if ("provision" in plain) {
    const children = plain["provision"] as Plain[];
    written["provision"] = children.map((child, i) => provision(child, `${path}.provision[${i}]`));
  }
  return written;
}

function actors(plain: Plain, path: string): Plain[] {
  const roles = words(plain, "role").map((code) => ({ code }));
  const role = { coding: roles.length > 0 ? roles : [RECIPIENT] };
  return words(plain, "actor").map((name, i) => ({ role, reference: party(name, `${path}.actor[${i}]`) }));
}

function coding(element: string, code: string): Plain {
  const bar = code.lastIndexOf("|");
  if (bar > 0) return { system: code.slice(0, bar), code: code.slice(bar + 1) };
  const found = systemFor(element, code);
  return found ? { system: found, code } : { code };
}

/** The system of a code that stands alone in plain form. */
function systemFor(element: string, code: string): string {
  if (element === "purpose") return systemOf(code);
  if (element === "securityLabel") return CONFIDENTIALITY.has(code) ? CONFIDENTIALITY_SYSTEM : SENSITIVITY_SYSTEM;
  if (element === "action") return ACTIONS.includes(code) ? provisions.ACTION_SYSTEM : "";
  if (element !== "class") return "";
  if (NAMES.includes(code as Name)) return SYSTEM;
  return BY_TYPE.has(code) ? provisions.RESOURCE_TYPES : code.includes(":") ? provisions.URI_SYSTEM : "";
}

/**
 * A Reference whose text (`referenceText` of `facts.ts`) is `name`. A person's name is her `Patient.id`.
 *
 * Throws `Problem(unprocessable)` for what is no reference.
 */
export function party(name: unknown, path: string): Plain {
  if (typeof name !== "string" || !name || name.startsWith("#") || name.includes("/_history/")) {
    throw refused(path, "Name the party or thing by an account, a reference or an identifier.");
  }
  const parsed = accountOf(name);
  if (parsed !== null) {
    const identifier = { system: ACCOUNT_SYSTEM, value: String(parsed) };
    return parsed.isPerson ? { reference: `Patient/${parsed.local}`, identifier } : { identifier };
  }
  const bar = name.lastIndexOf("|");
  if (bar > 0) return { identifier: { system: name.slice(0, bar), value: name.slice(bar + 1) } };
  return name.includes("/") || name.includes(":") ? { reference: name } : { identifier: { value: name } };
}

function accountOf(name: string) {
  try {
    return account(name);
  } catch (error) {
    if (error instanceof Rejected) return null;
    throw error;
  }
}

function parties(form: Plain, element: string): Plain[] {
  return words(form, element).map((one, i) => party(one, `${element}[${i}]`));
}

function verification(given: unknown, path: string): Plain {
  const one = mapping(given, path);
  if (typeof one["verified"] !== "boolean") throw refused(`${path}.verified`, "Say true or false.");
  const written: Plain = { verified: one["verified"] };
  if ("with" in one) written["verifiedWith"] = party(one["with"], `${path}.with`);
  if ("by" in one) written["extension"] = [{ url: VERIFIED_BY, valueReference: party(one["by"], `${path}.by`) }];
  if ("date" in one) written["verificationDate"] = text(one, "date", path);
  return written;
}

function source(given: unknown, path: string): Plain {
  const one = mapping(given, path);
  if ("reference" in one) return { sourceReference: party(one["reference"], `${path}.reference`) };
  return { sourceAttachment: { ...mapping(one["attachment"], `${path}.attachment`) } };
}
