/**
 * Code hierarchies as data: what a purpose, a label of sensitivity or an action lies below.
 *
 * A rule on a code covers what lies below it, never what lies above: consent to research covers each kind of research,
 * consent to one project does not cover research.
 */

export const PURPOSE_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
export const PROJECT_SYSTEM = "https://fhir.obhut.org/CodeSystem/project";

/** What is told of a read in a declared emergency: code of v3-ActReason. */
export const BREAK_THE_GLASS = "BTG";

/** http://terminology.hl7.org/CodeSystem/v3-ActReason, the branch PurposeOfUse. */
const CHILDREN_OF_PURPOSE = {
  HMARKT: "",
  HOPERAT:
    "CAREMGT DONAT FRAUD GOV HACCRED HCOMPL HDECD HDIRECT HDM HLEGAL HOUTCOMS HPRGRP HQUALIMP HSYSADMIN HTEST " +
    "LABELING MEMADMIN METAMGT MILCDM PATADMIN PATSFTY PERFMSR RECORDMGT SYSDEV TRAIN",
  HPAYMT: "CLMATTCH COVAUTH COVERAGE REMITADV",
  COVERAGE: "ELIGDTRM ELIGVER ENROLLM MILDCRG",
  HRESCH: "BIORCH CLINTRCH DSRCH POARCH TRANSRCH",
  CLINTRCH: "CLINTRCHNPC CLINTRCHPC PRECLINTRCH",
  PATRQT: "FAMRQT PWATRNY SUPNWK",
  PUBHLTH: "DISASTER THREAT",
  TREAT: "CLINTRL COC ETREAT POPHLTH",
  ETREAT: "BTG ERTREAT",
};
/** http://terminology.hl7.org/CodeSystem/v3-ActCode, InformationSensitivityPolicy; PCF puts ETHUD below ETH. */
const CHILDREN_OF_LABEL = {
  SPI: "BH",
  BH: "COGN DVD EMOTDIS MH PSY PSYTHPN SUD",
  SUD: "ETHUD OPIOIDUD",
  ETH: "ETHUD OPIOIDUD",
};
/** http://terminology.hl7.org/CodeSystem/consentaction: the words of a Consent, above the words of a request. */
const CHILDREN_OF_ACTION = {
  access: "read search",
  collect: "create",
  correct: "update delete",
  disclose: "export",
};

/** A research project's own purpose begins so; no code of v3-ActReason does. Each lies below HRESCH. */
export const PROJECT_PREFIX = "PROJ";

/** Code → those right above it. */
type Parents = ReadonlyMap<string, readonly string[]>;

function parentsOf(children: { readonly [code: string]: string }): Parents {
  const parents = new Map<string, readonly string[]>(Object.keys(children).map((code) => [code, []]));
  for (const [parent, codes] of Object.entries(children)) {
    for (const code of codes.split(" ").filter(Boolean)) parents.set(code, [...(parents.get(code) ?? []), parent]);
  }
  return parents;
}

export const PURPOSES = parentsOf(CHILDREN_OF_PURPOSE);
export const LABELS = parentsOf(CHILDREN_OF_LABEL);
export const ACTIONS = parentsOf(CHILDREN_OF_ACTION);

function upwards(parents: Parents, code: string): string[] {
  return [code, ...(parents.get(code) ?? []).flatMap((parent) => upwards(parents, parent))];
}

/** The code system of a purpose: v3-ActReason, or Obhut's own of research projects. */
export function systemOf(purpose: string): string {
  return purpose.startsWith(PROJECT_PREFIX) ? PROJECT_SYSTEM : PURPOSE_SYSTEM;
}

/** Whether this is a purpose of use that a request may state. */
export function known(purpose: string): boolean {
  return PURPOSES.has(purpose) || (purpose.startsWith(PROJECT_PREFIX) && purpose.length > PROJECT_PREFIX.length);
}

/** The purpose and all that it lies below: a rule that names one of these covers it. */
export function purposesAbove(purpose: string): ReadonlySet<string> {
  const isProject = !PURPOSES.has(purpose) && known(purpose);
  return new Set(isProject ? [purpose, ...upwards(PURPOSES, "HRESCH")] : upwards(PURPOSES, purpose));
}

/** Whether `purpose` is one of the granted purposes or lies below one. */
export function within(purpose: string, granted: Iterable<string>): boolean {
  const above = purposesAbove(purpose);
  return [...granted].some((one) => above.has(one));
}

/** The label of sensitivity and all that it lies below. Confidentiality has no hierarchy: R does not include N. */
export function labelsAbove(label: string): ReadonlySet<string> {
  return new Set(upwards(LABELS, label));
}

/** The action of a request and the word of a Consent that covers it. */
export function actionsAbove(action: string): ReadonlySet<string> {
  return new Set(upwards(ACTIONS, action));
}

/** What may be done to data by consent. All else (appoint others, manage consent, read the log) is her own. */
export const DATA_ACTIONS: ReadonlySet<string> = new Set([...ACTIONS.keys(), "use"]);

/** What standing access reaches: looking and adding, not passing on and not deleting. */
export const CARE_ACTIONS: ReadonlySet<string> = new Set(
  ["read", "search", "access", "create", "collect", "update", "use"], //
);

/** What emergency access reaches. */
export const READING: ReadonlySet<string> = new Set(["read", "search", "access"]);
