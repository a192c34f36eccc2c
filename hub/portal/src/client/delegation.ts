/**
 * How a delegate of scope `manage` acts for a patient, without the keys of her vault (PROTOCOL.md 2.6, 5.12). The twin of
 * `connectors/patient/delegation.py`.
 *
 * It sees whom she granted what, ends grants, and hands on what it may read itself; it withholds by the stand-ins that it
 * was given (`appointing.ts`).
 */

import { type Agreement, build, consentId, lastMoment, seconds } from "../fhir_consent.ts";
import type { Record } from "../grants.ts";
import { newId } from "../identifiers.ts";
import { randomBytes, utf8 } from "../primitives.ts";
import { Problem } from "../problems.ts";
import { within } from "../purposes.ts";
import type { Cover, Grant } from "../relations.ts";
import { CATEGORIES, IN_USE, STAND_IN } from "../sets.ts";
import * as steps from "../steps.ts";
import type { Terms } from "../vault.ts";
import type { Client } from "./client.ts";
import { fetchFor } from "./representative.ts";
import { checkLaw, SALT_BYTES } from "./sharing.ts";

/** A stream whose seeds the delegate holds, and how far the grant reaches by which it does; `rules`: its finer rules. */
type Place = {
  readonly index: number;
  readonly first: number;
  readonly until: number;
  readonly grows: boolean;
  readonly purposes: readonly string[];
  readonly rules: unknown;
};

/** By category and lane. */
type Places = ReadonlyMap<string, Place>;

/** What somebody was granted, as a delegate sees it; `categories`: null where its own keys do not tell. */
export type Seen = { readonly to: string; readonly grant: Grant; readonly categories: ReadonlySet<number> | null };

/** A relative's client that acts for a patient. `sync` first; every method that talks throws `Problem`. */
export class Deputy {
  readonly client: Client;
  readonly account: string;

  constructor(client: Client, patient: string) {
    this.client = client;
    this.account = patient;
  }

  /** All of the patient's chains. */
  get record(): Record {
    return this.client.chains.record(this.account);
  }

  /** What this device reads; it tells when anything changed. */
  get reading() {
    return this.client.reading;
  }

  /** Fetch everything of the patient that a delegate sees. Throws `Problem(forbidden)` for who is none now. */
  async sync(): Promise<void> {
    await this.client.catchUp();
    await fetchFor(this.client, this.account);
  }

  /** As `sync`: who manages has no keys for what is owed. */
  catchUp(): Promise<void> {
    return this.sync();
  }

  /** All by which somebody reads now: neither stand-ins nor an author's own set. */
  readable(): Seen[] {
    const { record, client } = this;
    return record.liveGrants(client.hub.now).flatMap(([{ oth, permits }, grant]): Seen[] => {
      const categories = this.#granted(grant);
      const isOwn = [...grant.cover.keys()].every((set) => permits.has(set));
      return isOwn || categories?.size === 0 ? [] : [{ to: oth, grant, categories }];
    });
  }

  /** Emergencies that are open now: which house declared each, and until which Unix second. */
  async emergencies(): Promise<{ readonly house: string; readonly until: number }[]> {
    const { db, hub } = this.client;
    const rows = (await db.getAll("declared")).filter(({ acc, until }) => acc === this.account && until > hub.now);
    return rows.map(({ from: house, until }) => ({ house, until }));
  }

  /** End one grant. The rotation waits for the patient's own client: a delegate who manages has no keys for it. */
  async withdraw(to: string, gid: string): Promise<void> {
    const { client } = this;
    await this.#anew(async () => {
      if (!this.readable().some((one) => one.to === to && one.grant.gid === gid)) {
        throw new Problem("not-found", "there is no such grant any more");
      }
      await client.post([steps.end(this.record, to, gid, client.keyring.signer, client.hub.now)]);
    });
  }

  // --- what it holds ----------------------------------------------------------------------------------------------

  /** By set the streams that are held by the grants to this delegate that are live. */
  #places(): ReadonlyMap<string, Places> {
    const { client, account, record } = this;
    const { granted } = client.reading;
    const found = new Map<string, Map<string, Place>>();
    for (const grant of granted.grants(account)) {
      const { agreed, stated: rules } = granted.terms(account, grant);
      for (const [set, { from: first, mask }] of grant.cover) {
        if (record.author(set) === client.account) continue;
        const held = found.get(set) ?? new Map<string, Place>();
        found.set(set, held);
        for (const index of indicesIn(mask)) {
          const category = granted.category(account, set, index);
          if (category === undefined) continue;
          const name = nameOf(category, agreed?.categories.has(category) ? IN_USE : STAND_IN);
          const { purpose: purposes, until, grow } = grant.rules.body;
          held.set(name, further(held.get(name), { index, first, until, grows: grow === 1, purposes, rules }));
        }
      }
    }
    return found;
  }

  /** The categories of anybody's grant, told by the stand-ins in its masks; null where they are not known. */
  #granted({ cover }: Grant): ReadonlySet<number> | null {
    const places = this.#places();
    for (const [set, { mask }] of cover) {
      const withheld = ALL.map((category) => places.get(set)?.get(nameOf(category, STAND_IN))?.index);
      if (withheld.some((index) => index === undefined)) continue;
      return new Set(ALL.filter((category) => ((mask >>> (withheld[category] ?? 0)) & 1) === 0));
    }
    return null;
  }

  /** What can be handed on: categories, for which purposes, and until which Unix second at the longest; null for nothing. */
  holds(): { readonly categories: ReadonlySet<number>; readonly purposes: readonly string[]; readonly until: number } | null {
    const own = this.client.reading.granted.agreed(this.account);
    if (own.length === 0) return null;
    return {
      categories: new Set(own.flatMap(({ categories }) => [...categories])),
      purposes: [...new Set(own.flatMap(({ purposes }) => purposes))],
      until: Math.max(...own.map(({ until }) => until)),
    };
  }

  // --- granting ---------------------------------------------------------------------------------------------------

  /**
   * Hand on some of what this delegate may read itself, no longer than it may and under the same finer rules. Throws
   * `Problem(forbidden)` for more than that, and for somebody with whom the patient has not dealt herself.
   */
  async grant(counterpart: string, categories: ReadonlySet<number>, purposes: readonly string[], end: string): Promise<void> {
    const { client, account: patient } = this;
    const gid = newId();
    await this.#anew(async () => {
      if (!this.record.relations.has(counterpart)) {
        throw new Problem("forbidden", "she has not dealt with this party yet: the first contact is her own to make");
      }
      const { now } = client.hub;
      const used = this.#toHandOn(counterpart, categories, purposes);
      const longest = Math.min(...[...used.values()].flat().map(({ until }) => until));
      const last = end || lastMoment(longest);
      const agreed: Agreement = {
        ...{ patient, counterpart, categories, purposes, start: "", end: last, policy: "", language: "", paper: null },
      };
      const [, until] = seconds(agreed);
      if (until <= now || until > longest) throw new Problem("forbidden", "you can grant no longer than you may read yourself");
      await checkLaw(client.hub, agreed);
      const terms: Terms = {
        ...{ oth: counterpart, categories, whole: false, purposes: [...purposes].sort(), nb: 0, until, request: "" },
        grow: [...used.values()].flat().every(({ grows }) => grows),
        consent: utf8(JSON.stringify(build(agreed, consentId(gid), now))),
        salt: randomBytes(SALT_BYTES),
        rules: rulesOf(used, categories),
      };
      const { signer } = client.keyring;
      const held = (set: string, epoch: number, mask: number) => this.#seeds(set, epoch, mask);
      await client.post([steps.handOn(this.record, held, gid, terms, coverOf(used), signer, now)]);
    });
  }

  /** By set sixteen streams, in the order of categories. Throws `Problem(forbidden)`. */
  #toHandOn(counterpart: string, categories: ReadonlySet<number>, purposes: readonly string[]): Used {
    const lanes = ALL.map((category) => nameOf(category, categories.has(category) ? IN_USE : STAND_IN));
    const used = new Map(
      [...this.#places()].flatMap(([set, held]): [string, Place[]][] => {
        const found = lanes.flatMap((lane) => held.get(lane) ?? []);
        return found.length === lanes.length && this.record.author(set) !== counterpart ? [[set, found]] : [];
      }),
    );
    if (used.size === 0) throw new Problem("forbidden", "you can hand on only what was granted to you");
    const read = [...used.values()].flatMap((places) => places.filter((_, category) => categories.has(category)));
    if (!read.every((place) => purposes.every((purpose) => within(purpose, place.purposes)))) {
      throw new Problem("forbidden", "you can hand on only for the purposes for which you may read yourself");
    }
    return used;
  }

  #seeds(set: string, epoch: number, mask: number): readonly (readonly [index: number, seed: Uint8Array])[] {
    const { granted } = this.client.reading;
    const found = indicesIn(mask).map((index) => {
      const [seed, category] = [granted.seed(this.account, set, epoch, index), granted.category(this.account, set, index)];
      if (seed === undefined || category === undefined) {
        throw new Problem("busy", "not all keys have come here yet; try again", null, { reason: "seed" });
      }
      return { category, index, seed };
    });
    return found.sort((a, b) => a.category - b.category).map(({ index, seed }) => [index, seed] as const);
  }

  /** Bring all up to date, and do a step; do it anew after each race that it lost. */
  async #anew(step: () => Promise<void>): Promise<void> {
    await this.client.reading.refresh();
    await this.client.anew(async () => {
      await this.sync();
      await step();
    });
    await this.client.reading.refresh();
  }
}

type Used = ReadonlyMap<string, readonly Place[]>;

const ALL: readonly number[] = Array.from({ length: CATEGORIES }, (_, category) => category);

function indicesIn(mask: number): number[] {
  return Array.from({ length: 2 * CATEGORIES }, (_, index) => index).filter((index) => ((mask >>> index) & 1) === 1);
}

function nameOf(category: number, lane: number): string {
  return `${category} ${lane}`;
}

function coverOf(used: Used): Cover {
  return new Map(
    [...used].map(([set, places]) => {
      const from = Math.max(...places.map(({ first }) => first));
      return [set, { from, mask: places.reduce((mask, { index }) => (mask | (1 << index)) >>> 0, 0) }];
    }),
  );
}

/** The finer rules by which the delegate reads all of this itself. Throws `Problem(forbidden)`. */
function rulesOf(used: Used, categories: ReadonlySet<number>): unknown {
  const all = [...used.values()].flatMap((places) => [...categories].map((category) => places[category]?.rules ?? null));
  if (new Set(all.map((rules) => JSON.stringify(rules))).size > 1) {
    throw new Problem("forbidden", "these categories were granted to you under different rules: hand them on one by one");
  }
  return all[0] ?? null;
}

/** Of two grants of the same stream the one that reaches further. */
function further(one: Place | undefined, other: Place): Place {
  if (one === undefined) return other;
  const more = other.until - one.until || Number(other.grows) - Number(one.grows) || one.first - other.first;
  return more > 0 ? other : one;
}
