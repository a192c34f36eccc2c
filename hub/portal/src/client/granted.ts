/**
 * What other patients granted to this account: seeds, Consents and finer rules from their bundles; what of it may be shown
 * now; and what may not any more, which is forgotten. The twin of `connectors/gateway/granted.py`, its keystore and its
 * consents.
 *
 * What was handed here lies locked up as the safe's secrets are. A grant for emergencies opens nothing here: a gateway
 * declares those.
 */

import type { Decider } from "../decide.ts";
import { parse as parseEnvelope } from "../envelope.ts";
import { facts } from "../facts.ts";
import { type Agreement, agreement } from "../fhir_consent.ts";
import { decider, read, readersOf } from "../finer_rules.ts";
import { type OpenedBundle, openBundle } from "../opening.ts";
import type { Json } from "../policy.ts";
import { b64, Rejected, unb64, utf8, utf8Text } from "../primitives.ts";
import { Problem } from "../problems.ts";
import { within } from "../purposes.ts";
import type { Readers } from "../readers.ts";
import type { Bundle, Grant, RelationState } from "../relations.ts";
import type { Client } from "./client.ts";
import { isTheirs } from "./side.ts";
import type { Stored } from "./stored.ts";

/**
 * What may be shown under a grant: of the agreed categories what the finer rules permit, or all where there are none; to
 * these readers, or to all who read for its purposes.
 */
export type Terms = {
  readonly agreed: Agreement | null;
  readonly rules: Decider | null;
  readonly readers: Readers | null;
  readonly stated: unknown;
};

/**
 * Who reads: in which role, for which purpose (a code of v3-ActReason), and the categories, by number, that the law closes
 * to her.
 */
export type Reader = { readonly role: string; readonly purpose: string; readonly closed: ReadonlySet<number> };

/** What a patient agreed to: categories, purposes, and the first Unix second after. */
export type Agreed = {
  readonly categories: ReadonlySet<number>;
  readonly purposes: readonly string[];
  readonly until: number;
};

/** A stream that a grant covers: from which epoch on, which category it carries. */
type Covered = { readonly grant: Grant; readonly stream: string; readonly from: number; readonly category: number };

/** What is held of one stream: which category it carries, and its seeds by epoch. */
type Seeds = { readonly category: number; readonly byEpoch: Map<number, Uint8Array> };

/**
 * What one patient handed to this account: which bundles were opened, seeds by set and index, and by the hash that grants
 * name them by Consents and finer rules.
 */
type Held = {
  readonly opened: Set<string>;
  readonly seeds: Map<string, Seeds>;
  readonly agreements: Map<string, { readonly consent: Uint8Array; readonly rules: unknown }>;
};

const NOTHING: Terms = { agreed: null, rules: null, readers: null, stated: null };

export class Granted {
  readonly #client: Client;
  readonly #held = new Map<string, Held>();
  readonly #terms = new Map<string, Terms>();
  /** What of each patient was covered when she was last looked at. */
  readonly #looked = new Map<string, string>();

  constructor(client: Client) {
    this.#client = client;
  }

  /** What was handed here before this page started. */
  async load(): Promise<void> {
    const { db, safe } = this.#client;
    for (const patient of await db.getAllKeys("handed")) {
      const locked = await db.get("handed", patient);
      if (locked !== undefined) this.#held.set(patient, parse(await safe.unlock(locked)));
    }
  }

  /** Those who grant something now, or from a later moment on. */
  get patients(): string[] {
    const all = this.#client.chains.relationsWith(this.#client.account).map(({ acc }) => acc);
    return all.filter((patient) => this.grants(patient).length > 0).sort();
  }

  /** A patient's grants that have not ended, but those for emergencies; none of a closed account. */
  grants(patient: string): Grant[] {
    const { chains, hub } = this.#client;
    const relation = this.#relation(patient);
    if (relation === undefined || chains.accounts.get(patient)?.closed !== false) return [];
    return relation.live(hub.now).filter(({ rules }) => rules.body.em.length === 0);
  }

  #relation(patient: string): RelationState | undefined {
    const { chains, account } = this.#client;
    return chains.accounts.has(patient) ? chains.record(patient).relations.get(account) : undefined;
  }

  // --- what was handed --------------------------------------------------------------------------------------------

  /** A seed, if it was handed out and is not forgotten. */
  seed(patient: string, set: string, epoch: number, index: number): Uint8Array | undefined {
    return this.#held.get(patient)?.seeds.get(`${set} ${index}`)?.byEpoch.get(epoch);
  }

  /** Which category a stream carries, as the bundles told. */
  category(patient: string, set: string, index: number): number | undefined {
    return this.#held.get(patient)?.seeds.get(`${set} ${index}`)?.category;
  }

  /** What may be shown under a grant now: nothing while its Consent is not here or cannot be understood. */
  terms(patient: string, { rules }: Grant): Terms {
    const hash = rules.body.consent;
    const found = this.#held.get(patient)?.agreements.get(hash);
    if (found === undefined) return NOTHING;
    const name = `${patient} ${hash}`;
    const terms = this.#terms.get(name) ?? termsOf(found, patient, this.#client.account);
    this.#terms.set(name, terms);
    return terms;
  }

  // --- what may be shown ------------------------------------------------------------------------------------------

  /** The purposes for which a patient grants something now. */
  purposes(patient: string): string[] {
    const begun = this.#begun(patient).filter((grant) => this.terms(patient, grant).agreed !== null);
    return [...new Set(begun.flatMap(({ rules }) => rules.body.purpose))].sort();
  }

  /** What a patient agreed to, as far as it counts now. */
  agreed(patient: string): Agreed[] {
    return this.#begun(patient).flatMap((grant) => {
      const { agreed } = this.terms(patient, grant);
      const { purpose: purposes, until } = grant.rules.body;
      return agreed === null ? [] : [{ categories: agreed.categories, purposes, until }];
    });
  }

  /** Whether somebody may see an entry of a patient's record; made once for many entries. */
  shows(patient: string, { role, purpose, closed }: Reader): (entry: Stored) => boolean {
    const isFor = (grant: Grant) => {
      const readers = this.terms(patient, grant).readers;
      return within(purpose, grant.rules.body.purpose) && readers?.admits(purpose, role.trim().toLowerCase()) !== false;
    };
    const begun = this.#begun(patient).filter(isFor);
    const places = new Map<string, Covered[]>();
    for (const one of this.#covered(patient, begun)) {
      if (closed.has(one.category) || this.terms(patient, one.grant).agreed?.categories.has(one.category) !== true) continue;
      places.set(one.stream, [...(places.get(one.stream) ?? []), one]);
    }
    return (entry) => {
      const under = (places.get(entry.stream) ?? []).filter(({ from }) => from <= entry.epoch);
      return under.some(({ grant }) => permits(this.terms(patient, grant).rules, entry));
    };
  }

  #begun(patient: string): Grant[] {
    return this.grants(patient).filter(({ rules }) => rules.body.nb <= this.#client.hub.now);
  }

  /** All streams under these grants of which it is known what they carry, stand-ins too. */
  #covered(patient: string, grants: readonly Grant[]): Covered[] {
    if (grants.length === 0) return [];
    const { sets } = this.#client.chains.record(patient);
    return grants.flatMap((grant) =>
      [...grant.cover].flatMap(([set, { from, mask }]) =>
        [...(sets.get(set)?.ids ?? [])].flatMap(([stream, index]): Covered[] => {
          const category = ((mask >>> index) & 1) === 1 ? this.category(patient, set, index) : undefined;
          return category === undefined ? [] : [{ grant, stream, from, category }];
        }),
      ),
    );
  }

  // --- what comes and goes ----------------------------------------------------------------------------------------

  /** Forget what is not granted any more. Returns the patients of whom something went. */
  async forget(): Promise<ReadonlySet<string>> {
    const gone = new Set<string>();
    const related = this.#client.chains.relationsWith(this.#client.account).map(({ acc }) => acc);
    for (const patient of new Set([...related, ...this.#held.keys()])) if (await this.#forget(patient)) gone.add(patient);
    return gone;
  }

  /** Fetch what was handed anew. Returns the patients of whom something came. Throws `Problem`. */
  async fetch(): Promise<ReadonlySet<string>> {
    const come = new Set<string>();
    for (const patient of this.patients) if (await this.#fetch(patient)) come.add(patient);
    return come;
  }

  /** Forget what is not covered any more: seeds, Consents, and the envelopes that they open. Whether there was any. */
  async #forget(patient: string): Promise<boolean> {
    const grants = this.grants(patient);
    const covered = JSON.stringify(grants.map(({ gid, cover }) => [gid, [...cover].map(([set, { mask }]) => [set, mask])]));
    if (this.#looked.get(patient) === covered) return false;
    const held = this.#held.get(patient);
    const gone = [...(held?.seeds.keys() ?? [])].filter((name) => !isCovered(name, grants));
    for (const name of gone) held?.seeds.delete(name);
    if (gone.length > 0) held?.opened.clear(); // what is covered again one day is opened again
    if (held !== undefined && grants.length === 0) {
      this.#held.delete(patient);
      await this.#client.db.delete("handed", patient);
    } else if (held !== undefined && gone.length > 0) await this.#keep(patient, held);
    const isLess = (await this.#forgetEnvelopes(patient, grants)) || gone.length > 0;
    this.#looked.set(patient, covered);
    return isLess;
  }

  async #forgetEnvelopes(patient: string, grants: readonly Grant[]): Promise<boolean> {
    const { db, chains } = this.#client;
    const sets = grants.length > 0 ? chains.record(patient).sets : null;
    const { store, done } = db.transaction("envelopes", "readwrite");
    const rows = await store.getAll(IDBKeyRange.bound([patient], [patient, []]));
    const gone = rows.filter(({ set, str }) => {
      const index = sets?.get(set)?.ids.get(str);
      return sets === null || (index !== undefined && !isCovered(`${set} ${index}`, grants));
    });
    for (const { acc, str, pos } of gone) void store.delete([acc, str, pos]);
    await done;
    for (const { frame } of gone) await db.delete("objects", parseEnvelope(frame).header.bid);
    return gone.length > 0;
  }

  /** Fetch the chains of what is covered, and open the bundles that were not opened yet, oldest first. */
  async #fetch(patient: string): Promise<boolean> {
    const grants = this.grants(patient);
    const { chains } = this.#client;
    for (const set of new Set(grants.flatMap(({ cover }) => [...cover.keys()]))) {
      if (!chains.record(patient).sets.has(set)) await passing(chains.refresh("set", patient, set));
    }
    const held = this.#held.get(patient) ?? { opened: new Set(), seeds: new Map(), agreements: new Map() };
    const due = grants.flatMap((grant) => grant.bundles.map((bundle) => ({ grant, bundle })));
    const fresh = due.filter(({ bundle }) => !held.opened.has(bundle.link.body.lst));
    fresh.sort((a, b) => a.bundle.link.seq - b.bundle.link.seq);
    for (const { grant, bundle } of fresh) await passing(this.#open(patient, held, grant, bundle));
    if (fresh.length > 0) await this.#keep(patient, held);
    return fresh.length > 0;
  }

  async #open(patient: string, held: Held, grant: Grant, bundle: Bundle): Promise<void> {
    const relation = this.#relation(patient);
    if (relation === undefined) return;
    const { body } = bundle.link;
    const blob = await this.#client.hub.bundle(patient, body.lst);
    const opened = openBundle(bundle, blob, relation, (await this.#client.vault()).readingKeys);
    if (opened.salt.length > 0 && "consent" in body) held.agreements.set(body.consent, carried(opened));
    for (const { set, epoch, byIndex } of opened.seeds) {
      for (const [category, [index, seed]] of [...byIndex].entries()) {
        const name = `${set} ${index}`;
        if (!isCovered(name, [grant])) continue;
        const { byEpoch } = held.seeds.get(name) ?? { byEpoch: new Map<number, Uint8Array>() };
        held.seeds.set(name, { category, byEpoch: byEpoch.set(epoch, seed) });
      }
    }
    held.opened.add(body.lst);
  }

  async #keep(patient: string, held: Held): Promise<void> {
    this.#held.set(patient, held);
    await this.#client.db.put("handed", await this.#client.safe.lock(dump(held)), patient);
  }
}

/** What is another's fault, or hidden by the hub since, must not keep back what others granted. */
async function passing(step: Promise<void>): Promise<void> {
  await step.catch((error: unknown) => {
    if (!isTheirs(error)) throw error;
  });
}

function isCovered(name: string, grants: readonly Grant[]): boolean {
  const [set = "", index = ""] = name.split(" ");
  return grants.some(({ cover }) => (((cover.get(set)?.mask ?? 0) >>> Number(index)) & 1) === 1);
}

/** Consent and finer rules as they came; rules that nothing here can keep to permit nothing. */
function carried({ consent, rules }: OpenedBundle): { readonly consent: Uint8Array; readonly rules: unknown } {
  try {
    if (rules !== null) read(rules);
    return { consent, rules };
  } catch (error) {
    if (!(error instanceof Rejected)) throw error;
    return { consent: new Uint8Array(), rules: null };
  }
}

function termsOf({ consent, rules }: ReturnType<typeof carried>, patient: string, me: string): Terms {
  try {
    if (consent.length === 0) return NOTHING;
    const agreed = agreement(JSON.parse(utf8Text(consent, "consent")) as Json);
    if (agreed.patient !== patient || agreed.counterpart !== me) return NOTHING;
    return { agreed, rules: rules === null ? null : decider(read(rules)), readers: readersOf(rules), stated: rules };
  } catch (error) {
    if (error instanceof Problem || error instanceof Rejected || error instanceof SyntaxError) return NOTHING;
    throw error;
  }
}

const decided = new WeakMap<Decider, WeakMap<object, boolean>>();

/** What finer rules say of an entry; none is permitted whose facts cannot be told. */
function permits(rules: Decider | null, { resource, author }: Stored): boolean {
  if (rules === null) return true;
  const known = decided.get(rules) ?? new WeakMap<object, boolean>();
  decided.set(rules, known);
  let found = known.get(resource);
  if (found === undefined) known.set(resource, (found = verdict(rules, resource as Json, author)));
  return found;
}

function verdict(rules: Decider, resource: Json, author: string): boolean {
  try {
    return rules.verdict(facts(resource, [author])).permit;
  } catch (error) {
    if (error instanceof Problem) return false;
    throw error;
  }
}

// --- as it lies in its row ------------------------------------------------------------------------------------------

function dump({ opened, seeds, agreements }: Held): Uint8Array {
  const rows = [...seeds].map(([name, { category, byEpoch }]) => {
    return [name, category, [...byEpoch].map(([epoch, seed]) => [epoch, b64(seed)])];
  });
  const kept = [...agreements].map(([hash, { consent, rules }]) => [hash, b64(consent), rules]);
  return utf8(JSON.stringify({ opened: [...opened], seeds: rows, agreements: kept }));
}

type Dumped = {
  readonly opened: readonly string[];
  readonly seeds: readonly (readonly [name: string, category: number, byEpoch: readonly (readonly [number, string])[]])[];
  readonly agreements: readonly (readonly [hash: string, consent: string, rules: unknown])[];
};

function parse(dumped: Uint8Array): Held {
  const { opened, seeds, agreements }: Dumped = JSON.parse(utf8Text(dumped, "handed"));
  const seedsOf = (rows: readonly (readonly [number, string])[]) => new Map(rows.map(([at, seed]) => [at, unb64(seed)]));
  return {
    opened: new Set(opened),
    seeds: new Map(seeds.map(([name, category, byEpoch]) => [name, { category, byEpoch: seedsOf(byEpoch) }])),
    agreements: new Map(agreements.map(([hash, consent, rules]) => [hash, { consent: unb64(consent), rules }])),
  };
}
