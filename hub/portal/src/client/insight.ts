/**
 * What would change: `preview.ts` over the record as it is opened in the page. The twin of `connectors/patient/insight.py`.
 */

import type { Decider } from "../decide.ts";
import { facts } from "../facts.ts";
import { decider, finer, type FinerRules, read } from "../finer_rules.ts";
import type { Record } from "../grants.ts";
import type { Json } from "../policy.ts";
import { type Entry, granting, type Preview, withdrawing } from "../preview.ts";
import { Problem } from "../problems.ts";
import { holds, latest, type Stretch, stretches, termsOf } from "../who.ts";
import type { Vault } from "../vault.ts";
import type { Client } from "./client.ts";
import type { Offer } from "./offers.ts";
import type { Told } from "./overview.ts";
import type { Stored } from "./stored.ts";

/** What a counterpart would see if an offer were signed, in the place of the grant `replaced`, if any. */
export async function ifGranted(client: Client, offer: Offer, replaced = ""): Promise<Preview> {
  const { to, categories, whole, rules = null } = offer;
  const vault = await client.vault();
  const live = liveOf(client, to).filter(({ gid }) => gid !== replaced);
  return granting(entries(client, vault, live, rules), live, to, categories, whole);
}

/** What a counterpart would no longer see if a grant were ended. */
export async function ifWithdrawn(client: Client, { to, gid, policy }: Told): Promise<Preview> {
  const live = liveOf(client, to);
  const effect = policy?.withdrawn ?? "delete";
  return withdrawing(entries(client, await client.vault(), live, null), live, to, [gid], effect);
}

function liveOf({ record, hub }: Client, counterpart: string): Stretch[] {
  const relation = record.relations.get(counterpart);
  const now = Math.max(hub.now, latest(record));
  return relation === undefined ? [] : stretches(record, relation).filter((one) => holds(one, now));
}

/** All of the record; of each resource it is said which live grants' finer rules leave it out; or the `fresh` ones do. */
function entries(client: Client, vault: Vault, live: readonly Stretch[], fresh: FinerRules | null): Entry[] {
  const ruled = live.flatMap(({ gid, rules }): (readonly [gid: string, rules: Decider])[] => {
    const terms = termsOf(vault, rules);
    const kept = terms === null ? null : finer(terms);
    return kept === null ? [] : [[gid, decider(read(kept))]];
  });
  const added = fresh === null ? null : decider(read(fresh));
  const hides = new Set(vault.hides);
  const places = placesOf(client.record);
  return client.reading.stored.flatMap((one): Entry[] => {
    const { category, epoch, author, resource } = one;
    const place = places.get(one.stream);
    if (place === undefined) return [];
    const type = String(resource["resourceType"]);
    const withheld = new Set(ruled.filter(([, rules]) => !permits(rules, one)).map(([gid]) => gid));
    const hidden = hides.has(`${type}/${resource["id"]}`) || (added !== null && !permits(added, one));
    return [{ type, category, ...place, epoch, author, withheld, hidden }];
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
