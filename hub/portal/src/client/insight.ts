/**
 * What would change: `preview.ts` over the record as it is opened in the page. The twin of `connectors/patient/insight.py`.
 */

import type { Decider } from "../decide.ts";
import { facts } from "../facts.ts";
import { decider, finer, type FinerRules, read } from "../finer_rules.ts";
import type { Record } from "../grants.ts";
import { unreached } from "../hidden.ts";
import type { Json } from "../policy.ts";
import { type Entry, granting, type Preview, withdrawing } from "../preview.ts";
import { Problem } from "../problems.ts";
import { holds, isEmergency, latest, reaches, type Stretch, stretches, termsOf } from "../who.ts";
import type { Vault } from "../vault.ts";
import type { Side } from "./side.ts";
import type { Offer } from "./offers.ts";
import type { Told } from "./overview.ts";
import { referenceOf, type Stored } from "./stored.ts";

/** What a counterpart would see if an offer were signed, in the place of the grant `replaced`, if any. */
export async function ifGranted(client: Side, offer: Offer, replaced = ""): Promise<Preview> {
  const { to, categories, whole, rules = null } = offer;
  const vault = await client.vault();
  const live = liveOf(client, to).filter(({ gid }) => gid !== replaced);
  return granting(entries(client, vault, to, live, rules), live, to, categories, whole);
}

/** What a counterpart would no longer see if a grant were ended. */
export async function ifWithdrawn(client: Side, { to, gid, policy }: Told): Promise<Preview> {
  const live = liveOf(client, to);
  const effect = policy?.withdrawn ?? "delete";
  return withdrawing(entries(client, await client.vault(), to, live, null), live, to, [gid], effect);
}

function liveOf({ record, hub }: Side, counterpart: string): Stretch[] {
  const relation = record.relations.get(counterpart);
  const now = Math.max(hub.now, latest(record));
  return relation === undefined ? [] : stretches(record, relation).filter((one) => holds(one, now));
}

/** All of the record; of each resource it is said which live grants' finer rules leave it out; or the `fresh` ones do. */
function entries(
  client: Side,
  vault: Vault,
  counterpart: string,
  live: readonly Stretch[],
  fresh: FinerRules | null,
): Entry[] {
  const ruled = ruledOf(vault, live);
  const added = fresh === null ? null : decider(read(fresh));
  const hides = new Set(vault.hidesFrom(counterpart));
  const places = placesOf(client.record);
  return client.stored.flatMap((one): Entry[] => {
    const { category, epoch, author, resource } = one;
    const place = places.get(one.stream);
    if (place === undefined) return [];
    const withheld = new Set(ruled.filter(([, rules]) => !permits(rules, one)).map(([gid]) => gid));
    const hidden = hides.has(referenceOf(one)) || (added !== null && !permits(added, one));
    return [{ type: String(resource["resourceType"]), category, ...place, epoch, author, withheld, hidden }];
  });
}

/** The finer rules of those of these grants that have any, as far as they are known here. */
function ruledOf(vault: Vault, live: readonly Stretch[]): (readonly [gid: string, rules: Decider])[] {
  return live.flatMap(({ gid, rules }): (readonly [string, Decider])[] => {
    const terms = termsOf(vault, rules);
    const kept = terms === null ? null : finer(terms);
    return kept === null ? [] : [[gid, decider(read(kept))]];
  });
}

/**
 * Who reads an entry, or would if it were not `hidden`. `wrote`: its author, from whom nothing of that is hidden;
 * `bound`: what is hidden stands in the rules of all its grants.
 */
export type Reader = {
  readonly account: string;
  readonly hidden: boolean;
  readonly wrote: boolean;
  readonly bound: boolean;
};

/** Who reads an entry by what is granted now, but in an emergency; those whom other rules keep from it are left out. */
export async function readersOf(client: Side, entry: Stored): Promise<Reader[]> {
  const vault = await client.vault();
  const { record, account: me, hub } = client;
  const place = placesOf(record).get(entry.stream);
  if (place === undefined) return [];
  const loose = new Set(unreached(record, vault, hub.now));
  return [...record.relations.keys()].sort().flatMap((account): Reader[] => {
    const reaching = liveOf(client, account).filter((one) => {
      return !isEmergency(one) && reaches(one, place.set, place.index, entry.epoch);
    });
    const ruled = new Map(ruledOf(vault, reaching));
    const reads = reaching.some(({ gid }) => {
      const rules = ruled.get(gid);
      return rules === undefined || permits(rules, entry);
    });
    const hidden = vault.hidesFrom(account).includes(referenceOf(entry));
    if (account === me || reaching.length === 0 || !(reads || hidden)) return [];
    const bound = !reaching.some(({ gid }) => loose.has(gid));
    return [{ account, hidden, wrote: account === entry.author, bound }];
  });
}

/** Where each stream lies. */
function placesOf({ sets }: Record): ReadonlyMap<string, { readonly set: string; readonly index: number }> {
  const all = [...sets].flatMap(([set, { ids }]) => [...ids].map(([stream, index]) => [stream, { set, index }] as const));
  return new Map(all);
}

/** What a counterpart's gateway would say of a resource; none is permitted whose facts cannot be told. */
function permits(rules: Decider, { resource, author }: Stored): boolean {
  try {
    return rules.verdict(facts(resource as Json, [author])).permit;
  } catch (error) {
    if (error instanceof Problem) return false;
    throw error;
  }
}
