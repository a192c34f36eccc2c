/**
 * Receipts: what a patient consented to, as a document that anybody can check offline (ISO/IEC TS 27560).
 *
 * A receipt is a FHIR Bundle of the signed Consent, a Provenance that carries the signed statement, the fields of
 * ISO/IEC TS 27560, and a proof: the chains by which all of it follows from the fingerprint on the patient's card.
 * `verify` replays the chains and makes the receipt anew from its proof: what differs anywhere is not proven and is
 * refused. Whether the Consent is valid FHIR beyond what is read of it is not checked here.
 * https://hl7.org/fhir/R4/provenance.html, https://w3id.org/dpv/guides/consent-27560
 */

import * as accounts from "./accounts.ts";
import { AccountState, byDevice } from "./accounts.ts";
import { NAMES } from "./categories.ts";
import type { Accounts } from "./chains.ts";
import { localTime, utcTime } from "./dates.ts";
import { type Agreement, agreement, consentId } from "./fhir_consent.ts";
import { same } from "./finer_rules.ts";
import type { Record } from "./grants.ts";
import { account, Card } from "./identifiers.ts";
import { isObject, type Json } from "./policy.ts";
import { b64, base64, broken, Rejected, stale, unb64, unbase64, utf8, utf8Text } from "./primitives.ts";
import { Problem } from "./problems.ts";
import * as relations from "./relations.ts";
import type { Grant, RelationState } from "./relations.ts";
import { parsePermit, type Statement, type StatementOf } from "./statements.ts";
import { salted } from "./steps.ts";
import { template } from "./template.ts";
import type { Terms } from "./vault.ts";
import { SENSITIVE } from "./words.ts";

export const SCHEMA = "ISO/IEC TS 27560:2023";
const PROOF = "proof";
const RECORD = "record";
const BASIS = "consent";
const SIGNATURE = {
  system: "urn:iso-astm:E1762-95:2013",
  code: "1.2.840.10065.1.12.1.7",
  display: "Consent Signature",
};
const AUTHOR = { system: "http://terminology.hl7.org/CodeSystem/provenance-participant-type", code: "author" };

type Link = StatementOf<"rel">;
type GrantLink = StatementOf<"rel", "grant">;
/** When (Unix seconds), what and by whom: given, changed, withdrawn. */
export type Event = readonly [at: number, state: string, by: string];

/**
 * What a receipt proves: terms, statement, and what became of the grant by the end of the chain that it carries.
 *
 * `card`: what the patient's card says, if this is hers; `signed`: the statement that names this Consent; `head`: the
 * chain's last statement, up to which everything of this relation is known; `ended`: the Unix second at which the grant
 * was ended, null if it was not by then; `replaced`: whether another Consent has taken the place of this one under the
 * same grant.
 */
export type Receipt = {
  readonly card: Card;
  readonly counterpart: string;
  readonly terms: Agreement;
  readonly grant: Grant;
  readonly signed: GrantLink;
  readonly head: Link;
  readonly consent: Uint8Array;
  readonly events: readonly Event[];
  readonly ended: number | null;
  readonly replaced: boolean;
};

/** One line by which a paper is held against a receipt: card, counterpart, and the statement's position. */
export function mark({ card, counterpart, signed: { seq, hash } }: Receipt): string {
  return `obhut-receipt:${card.account}#${card.fingerprint}/${counterpart}/${seq}/${hash}`;
}

/** The chains by which a receipt is proven, all binary as base64url. */
type Proof = {
  readonly patient: string;
  readonly counterpart: string;
  readonly grant: string;
  readonly consent: string;
  readonly salt: string;
  readonly accounts: { readonly [name: string]: readonly string[] };
  readonly relation: readonly string[];
};

// --- making ---------------------------------------------------------------------------------------------------------

/**
 * The receipt of a grant by its terms: the Consent that the patient signed. Returns the FHIR Bundle.
 *
 * Throws `Problem(not-found)` for terms that no statement of the grant names.
 */
export function make(record: Record, counterpart: string, gid: string, { salt, consent }: Terms): Uint8Array {
  const relation = record.relation(counterpart);
  if (naming(relation, gid, salt, consent).length === 0) {
    throw new Problem("not-found", "no statement of this grant names this Consent");
  }
  const proof = {
    v: 1,
    patient: record.account.acc,
    counterpart,
    grant: gid,
    consent: b64(consent),
    salt: b64(salt),
    accounts: cited(record, relation),
    relation: relation.frames.map((raw) => b64(raw)),
  };
  return utf8(JSON.stringify(bundle(proof, proven(proof))));
}

/** The account chains that the relation's statements cite, each as far as it is cited. */
function cited(record: Record, relation: RelationState): Proof["accounts"] {
  const needed = new Map<string, number>();
  const waiting = relation.links.flatMap(cites);
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [name, seq] = next;
    const known = needed.get(name) ?? -1;
    needed.set(name, Math.max(seq, known));
    waiting.push(...record.of(name).links.slice(known + 1, seq + 1).flatMap(cites));
  }
  const names = [...needed.keys()].sort();
  const upTo = (name: string) => record.of(name).frames.slice(0, (needed.get(name) ?? -1) + 1);
  return Object.fromEntries(names.map((name) => [name, upTo(name).map((raw) => b64(raw))]));
}

function cites(link: Statement): (readonly [name: string, seq: number])[] {
  const permitted = link.kind === "rel" && link.typ === "permit" ? [...parsePermit(unb64(link.body.prm)).cite] : [];
  return [...link.cite, ...permitted].map(([name, [seq]]) => [name, seq]);
}

function bundle(proof: object, receipt: Receipt): Json {
  const name = consentId(receipt.grant.gid);
  const parts = [
    JSON.parse(utf8Text(receipt.consent, "fhir")),
    provenance(receipt, name),
    binary(`${name}-${RECORD}`, fields(receipt)),
    binary(`${name}-${PROOF}`, proof),
  ];
  return { resourceType: "Bundle", type: "collection", entry: parts.map((resource) => ({ resource })) };
}

function provenance({ signed, card, terms }: Receipt, name: string): Json {
  const [signer] = byDevice(signed.by);
  const patient = { reference: `Patient/${card.account.local}` };
  const isHers = signer === terms.patient;
  const who = isHers ? patient : { display: signer };
  const when = utcTime(signed.iat).replace("+00:00", "Z");
  return {
    resourceType: "Provenance",
    id: `${name}-provenance`,
    target: [{ reference: `Consent/${name}` }],
    recorded: when,
    agent: [{ type: { coding: [AUTHOR] }, who, ...(isHers ? {} : { onBehalfOf: patient }) }],
    entity: [{ role: "source", what: { reference: `Binary/${name}-${PROOF}` } }],
    signature: [
      {
        type: [SIGNATURE],
        when,
        who,
        targetFormat: "application/fhir+json",
        sigFormat: "application/octet-stream",
        data: base64(signed.frame.raw),
      },
    ],
  };
}

function binary(id: string, value: object): Json {
  const data = base64(utf8(JSON.stringify(value)));
  return { resourceType: "Binary", id, contentType: "application/json", data };
}

/**
 * The fields of ISO/IEC TS 27560: header, processing, parties, events.
 *
 * In codes only: they must come out the same in every later version, so that a receipt stays provable. The words that
 * were shown are in the Consent.
 */
export function fields(receipt: Receipt): Json {
  const { terms, grant, signed, card, events, head } = receipt;
  return {
    schema_version: SCHEMA,
    record_id: consentId(grant.gid),
    receipt_id: signed.hash,
    pii_principal_id: terms.patient,
    pii_processing: {
      privacy_notice: terms.policy || null,
      language: terms.language || null,
      purposes: terms.purposes.map((code) => ({ purpose_type: code, lawful_basis: BASIS })),
      pii_information: [...terms.categories]
        .sort((a, b) => a - b)
        .map((index) => ({
          pii_type: NAMES[index],
          special_pii_category: true,
          sensitive_pii_category: SENSITIVE.has(index),
        })),
      pii_controllers: [terms.counterpart],
      collection_method: collected(receipt),
      processing_method: "reading what was opened, end-to-end encrypted on its way",
      storage_locations: [`sealed: hub ${card.account.domain}`, `opened: ${terms.counterpart}`],
      retention_period: terms.end || null,
      withdrawal_effect: effect(terms),
      recipient_third_parties: [],
      withdrawal_method: `obhut patient withdraw --to ${terms.counterpart} --grant ${grant.gid}`,
      privacy_rights: ["access", "rectification", "erasure", "restriction", "portability", "withdrawal"],
    },
    party_identification: [
      { party_id: terms.patient, party_role: "PII principal" },
      { party_id: terms.counterpart, party_role: "PII controller" },
    ],
    events: events.map(([at, state, by]) => ({
      event_time: localTime(at),
      event_type: "explicit",
      event_state: state,
      entity_id: by,
    })),
    validity_duration: terms.end || null,
    known_until: localTime(head.iat),
  };
}

function collected({ terms: { patient, paper }, signed: { by } }: Receipt): string {
  const [signer] = byDevice(by);
  const whose = signer === patient ? "the PII principal" : `${signer}, who acts for the PII principal`;
  const signed = `signed by a device of ${whose}`;
  return paper === null ? signed : `recorded from paper by ${paper.desk} (${paper.scan}), ${signed}`;
}

function effect({ policy }: Agreement): string {
  try {
    return policy ? template(policy).withdrawn : "delete";
  } catch (error) {
    if (error instanceof Problem) return "delete";
    throw error;
  }
}

// --- checking -------------------------------------------------------------------------------------------------------

/**
 * Check a receipt whole, offline: every signature, the chains, the Consent's salted hash, every word in it.
 *
 * `card`: the patient's, as she shows it; without it the caller must compare `card` of the receipt with hers. Throws
 * `Problem`: `invalid` for what is no receipt, `refused` where its words differ from what is proven; `Rejected` for
 * what does not hold: `fingerprint` for another card's, `signature` and the other words of the protocol for a chain.
 */
export function verify(receipt: Uint8Array, card: Card | null = null): Receipt {
  const given = parsed(() => JSON.parse(utf8Text(receipt, "fhir")));
  const proof = proofOf(given);
  const found = proven(proof);
  if (card !== null && String(found.card) !== String(card)) throw broken("fingerprint");
  if (!same(bundle(proof, found), given)) throw differs();
  return found;
}

function parsed(read: () => unknown): unknown {
  try {
    return read();
  } catch {
    throw noReceipt();
  }
}

function proofOf(given: unknown): Proof {
  const entries = isObject(given) && given["resourceType"] === "Bundle" ? given["entry"] : [];
  for (const entry of Array.isArray(entries) ? entries : []) {
    const { resource } = isObject(entry) ? entry : {};
    if (!isObject(resource) || resource["resourceType"] !== "Binary") continue;
    if (!String(resource["id"]).endsWith(`-${PROOF}`)) continue;
    const value = parsed(() => JSON.parse(utf8Text(unbase64(String(resource["data"])), "fhir")));
    if (!isObject(value)) break;
    if (!isProof(value)) throw differs();
    return value;
  }
  throw noReceipt();
}

function isProof(value: Json): value is Proof & Json {
  const { patient, counterpart, grant, consent, salt, accounts: chains, relation } = value;
  const isTexts = (one: unknown) => Array.isArray(one) && one.every((text) => typeof text === "string");
  const isText = [patient, counterpart, grant, consent, salt].every((one) => typeof one === "string");
  return isText && isTexts(relation) && isObject(chains) && Object.values(chains).every(isTexts);
}

function differs(): Problem {
  return new Problem("refused", "this receipt does not hold: it says something else than what was signed");
}

function noReceipt(): Problem {
  return new Problem("invalid", "this is no receipt: it is a FHIR Bundle that `obhut patient receipt` writes");
}

/** Replay the chains of a proof. Throws `Rejected`, and `Problem` for a Consent that is not the one that was signed. */
function proven(proof: Proof): Receipt {
  const { patient, counterpart, grant: gid } = proof;
  const known = replayed(proof.accounts);
  const relation = relations.replay(proof.relation.map((raw) => unb64(raw)), patient, counterpart, known);
  const consent = unb64(proof.consent);
  const [signed] = naming(relation, gid, unb64(proof.salt, 16), consent);
  const grant = relation.grants.get(gid);
  const head = relation.links.at(-1);
  const hers = known.get(patient);
  if (signed === undefined || grant === undefined || head === undefined || hers === undefined) throw differs();
  const resource = parsed(() => JSON.parse(utf8Text(consent, "fhir")));
  if (!isObject(resource)) throw differs();
  const terms = agreement(resource);
  const isIt = terms.patient === patient && terms.counterpart === counterpart && resource["id"] === consentId(gid);
  if (!isIt) throw differs();
  const card = new Card(account(patient), hers.fingerprint);
  const events = eventsOf(relation, gid);
  const ended = grant.ended ? (events.at(-1)?.[0] ?? null) : null;
  const replaced = grant.rules.body.consent !== signed.body.consent;
  return { card, counterpart, terms, grant, signed, head, consent, events, ended, replaced };
}

/** The account chains; a link that cites another account waits until that one has been replayed so far. */
function replayed(frames: Proof["accounts"]): Accounts {
  const known = new Map<string, AccountState>();
  const left = new Map(Object.entries(frames).map(([name, chain]) => [name, chain.map((raw) => unb64(raw))]));
  while (left.size > 0) {
    let moved = false;
    for (const [name, chain] of [...left]) {
      const raw = chain[0];
      if (raw === undefined) throw differs();
      try {
        known.set(name, accounts.extend(known.get(name) ?? new AccountState(name), raw, known));
      } catch (error) {
        if (error instanceof Rejected && error.kind === "stale") continue;
        throw error;
      }
      moved = true;
      chain.shift();
      if (chain.length === 0) left.delete(name);
    }
    if (!moved) throw stale();
  }
  return known;
}

/** The statements of a grant that name this Consent; the first of them is the one that it was signed by. */
function naming(relation: RelationState, gid: string, salt: Uint8Array, consent: Uint8Array): GrantLink[] {
  const named = salted(salt, consent);
  const grants = relation.links.filter((link) => link.typ === "grant");
  return grants.filter((link) => link.body.gid === gid && link.body.consent === named);
}

/** What only hands out further keys is no event. */
function eventsOf(relation: RelationState, gid: string): Event[] {
  const found: Event[] = [];
  let consent = "";
  for (const link of relation.links) {
    if ((link.typ !== "grant" && link.typ !== "end") || link.body.gid !== gid) continue;
    const [by] = byDevice(link.by);
    if (link.typ === "end") {
      found.push([link.iat, "withdrawn", by]);
    } else if (link.body.consent !== consent) {
      found.push([link.iat, consent ? "changed" : "given", by]);
      consent = link.body.consent;
    }
  }
  return found;
}
