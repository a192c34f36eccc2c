// What the portal's twin says of consents: rules, decisions, words. The same is asked of Python in `twin_consents.py`.
//
// Sets travel as sorted lists, and times in microseconds as text: JSON has no integers of that size here.

import * as consent from "../../hub/static/portal/consent.js";

const { dates, decide, facts, fhirConsent, fhirExport, finerRules, policy } = consent;
const { projection, state: states, template, words } = consent;

const TIMES = new Set(["period", "dataPeriod", "clinical", "recorded", "at", "declared", "ofAge"]);
const SETS = new Set([
  ...["actors", "roles", "actions", "purposes", "classes", "codes", "labels", "authors", "related", "depends", "actor"],
  ...["aliases", "blocks", "hides", "private", "withheld", "notActions", "hidden", "reaches"],
]);

const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const time = (value) => (value === null ? null : Array.isArray(value) ? value.map(time) : String(BigInt(value)));
const timed = (value) => (value === null ? null : Array.isArray(value) ? value.map(timed) : Number(value));

/** Rules, items and the like as Python's JSON has them. */
function dumped(value) {
  if (value instanceof Set) return [...value].sort();
  if (Array.isArray(value)) return value.map(dumped);
  if (typeof value !== "object" || value === null) return value;
  const member = ([name, one]) => [snake(name), TIMES.has(name) ? time(one) : dumped(one)];
  const found = Object.fromEntries(Object.entries(value).map(member));
  if ("data" in found) found.data.sort();
  return found;
}

/** The other way. */
function loaded(value) {
  if (Array.isArray(value)) return value.map(loaded);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => {
      const name = camel(key);
      if (name === "legal" && typeof one === "object" && one !== null) return [name, floor(one)];
      return [name, TIMES.has(name) ? timed(one) : SETS.has(name) && Array.isArray(one) ? new Set(one) : loaded(one)];
    }),
  );
}

function floor(table) {
  const rows = (row) => new Map(Object.entries(row).map(([letter, classes]) => [letter, new Set(classes)]));
  return new Map(Object.entries(table).map(([role, row]) => [role, rows(row)]));
}

function agreed({ categories, paper, ...rest }) {
  return { ...rest, categories: new Set(categories), paper: paper && loaded(paper) };
}

function agreement({ categories, paper, ...rest }) {
  return { ...rest, categories: [...categories].sort((a, b) => a - b), paper: paper && dumped(paper) };
}

function told({ categories, confidentiality, ...rest }) {
  return { ...rest, categories: [...categories].sort((a, b) => a - b), confidentiality: [...confidentiality].sort() };
}

const WORDS = {
  rule: words.rule,
  categories: words.categories,
  purposes: words.purposes,
  day: words.day,
  moment: words.moment,
  until: words.until,
  on_paper: words.onPaper,
};

export const answers = {
  interval: ({ text }) => time(dates.interval(text)),
  closed_to: ({ house }) => [...consent.floor.closedTo(house)],
  closed: ({ house, person, action }) => [...consent.floor.categoriesClosed(consent.floor.rolesOf(house, person), action)],
  standing_template: ({ house }) => consent.standing.templateOf(house),
  last_day: ({ second, days }) => dates.lastDay(second, days),
  compile: ({ form }) => dumped(policy.compile(form)),
  decide({ state, requests, items }) {
    const given = states.state(loaded(state));
    const asked = requests.map(loaded);
    const made = decide.decideAll(given, asked, items.map(loaded));
    const bases = made.verdicts.map(({ permit, basis: { rule, by, path, when } }) => [permit, rule, by, path, time(when)]);
    const reasons = ["en", "de"].map((language) => decide.reason(made, language));
    const until = asked.map((request) => time(new decide.Decider(given, request).until));
    return { decision: made.decision, kept: made.kept, verdicts: bases, reasons, until };
  },
  facts: ({ resource, authors = [] }) => dumped(facts.facts(resource, authors)),
  finer({ rules, resources, authors }) {
    const decider = finerRules.decider(finerRules.read(rules));
    return resources.map((resource) => decider.verdict(facts.facts(resource, authors)).permit);
  },
  hiding: ({ rules, references }) => finerRules.hiding(rules, references),
  up_to: ({ confidentiality }) => finerRules.upTo(confidentiality),
  both: ({ one, other }) => finerRules.both(one, other),
  since: ({ day, rules }) => finerRules.since(day, rules),
  only_since: ({ rules }) => finerRules.onlySince(rules),
  consent: ({ consent: given, mandated = [] }) => fhirConsent.read(given, mandated),
  written: ({ consent: given }) => fhirConsent.checkWritten(given),
  agreement: ({ consent: given }) => agreement(fhirConsent.agreement(given)),
  seconds: ({ terms }) => fhirConsent.seconds(agreed(terms)),
  build: ({ terms, name, second }) => fhirConsent.build(agreed(terms), name, second),
  proposed: ({ terms, name, second }) => fhirConsent.proposed(agreed(terms), name, second),
  export: ({ form }) => fhirExport.write(form),
  project({ consents, counterpart, now, plain = false, wholes = [], roles = [] }) {
    const made = (plain ? projection.projectPlain : projection.project)(consents, counterpart, now, wholes, roles);
    return made.map((one) => [agreement(one.agreed), one.rules]);
  },
  refused({ forms, counterpart, purposes, now, wholes }) {
    const actor = new Set([counterpart, ...wholes]);
    return [...projection.refusedPlain(forms, { actor, purposes }, now)].sort((a, b) => a - b);
  },
  templates: () => template.templates().map(told),
  template: ({ name }) => told(template.template(name)),
  text: ({ name, who, what, why, until, language }) =>
    template.text(template.template(name), { who, what, why, until }, language),
  words: ({ what, given, language }) => WORDS[what](...given, language),
};
