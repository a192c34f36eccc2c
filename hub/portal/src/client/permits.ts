/**
 * Who may write: the patient lets a counterpart add to her record, and ends that (PROTOCOL.md 5.6 and 5.10).
 *
 * The twin of `connectors/patient/permits.py`.
 */

import type { Record } from "../grants.ts";
import { newId } from "../identifiers.ts";
import { randomBytes } from "../primitives.ts";
import { extend, type Grant, NO_END, type RelationState } from "../relations.ts";
import * as steps from "../steps.ts";
import type { Written } from "../steps.ts";
import type { Vault } from "../vault.ts";
import type { Side } from "./side.ts";
import { Problem } from "../problems.ts";
import { isOwn, meet, SALT_BYTES } from "./sharing.ts";

/** For which an author is released its own writing; in its house it reads that as its own record. */
const PURPOSES = ["TREAT"];

/**
 * Let a counterpart write into her record. Returns the set; where it may already, nothing changes.
 *
 * The order makes a closed tab harmless: relation, a spare set that all growing grants cover, the author's own grant of
 * it, and with that the permit. The same call again finishes what was begun.
 */
export async function permit(client: Side, counterpart: string, fingerprint = ""): Promise<string> {
  await client.sync();
  await meet(client, counterpart, fingerprint);
  await client.settle();
  return client.anew(() => giveSet(client, counterpart));
}

/** Own grant and permit in one request: whom another device's author has overtaken gets neither, and another set. */
async function giveSet(client: Side, counterpart: string): Promise<string> {
  const { keyring, hub } = client;
  const [permitted] = permittedIn(client.record, client.record.relation(counterpart));
  const set = permitted ?? (await begun(client, counterpart)) ?? (await spare(client));
  const written = await ownGrant(client, counterpart, set);
  if (permitted === undefined) {
    const { record } = client;
    const granted = written.reduce((state, { frame }) => extend(state, frame, record.accounts), record.relation(counterpart));
    const after = record.with({ relations: new Map(record.relations).set(counterpart, granted) });
    written.push(steps.permit(after, counterpart, set, keyring.signer, hub.now));
  }
  if (written.length > 0) await client.post(written);
  await client.settle();
  return set;
}

/**
 * End what `permit` gave: no deposit from that commit on; what was written stays. Throws `Problem(not-found)`.
 *
 * What is owed then closes the set; the author's own grant of it ends. The same call again finishes what was begun.
 */
export async function unpermit(client: Side, counterpart: string): Promise<void> {
  await client.sync();
  const { record, keyring, hub } = client;
  const relation = record.relations.get(counterpart);
  const sets = relation === undefined ? [] : permittedIn(record, relation);
  const own = relation === undefined ? [] : ownGrants(relation, await client.vault(), hub.now);
  if (sets.length + own.length === 0 || counterpart === client.account) {
    throw new Problem("not-found", "this counterpart may not write");
  }
  for (const set of sets) {
    await client.anew(() => client.post([steps.unpermit(client.record, counterpart, set, keyring.signer, hub.now)]));
  }
  for (const { gid } of own) {
    await client.anew(() => client.post([steps.end(client.record, counterpart, gid, keyring.signer, hub.now)]));
  }
  await client.settle();
}

/** The counterparts that may write now. */
export function writers({ record, account }: Side): string[] {
  const others = [...record.relations.values()].filter(({ oth }) => oth !== account);
  return others.filter((relation) => permittedIn(record, relation).length > 0).map(({ oth }) => oth).sort();
}

function permittedIn(record: Record, relation: RelationState): string[] {
  return [...relation.permits.keys()].filter((set) => relation.permitted(set) && !record.set(set).closed);
}

/** The live grants by which an author is given its own sets. */
function ownGrants(relation: RelationState, { terms }: Vault, now: number): Grant[] {
  return relation.live(now).filter(({ gid }) => isOwn(terms.get(gid) ?? null));
}

/** The set of an own grant whose permit a closed tab left out. */
async function begun(client: Side, counterpart: string): Promise<string | undefined> {
  const vault = await client.vault();
  const { record, hub } = client;
  const sets = ownGrants(record.relation(counterpart), vault, hub.now).flatMap(({ cover }) => [...cover.keys()]);
  return sets.find((set) => record.author(set) === null && !record.set(set).closed);
}

/** An open set that nobody writes to or is about to; a new block of sets where none is left. */
async function spare(client: Side): Promise<string> {
  const [found] = unused(client, await client.vault());
  if (found !== undefined) return found;
  await client.changeVault((held) => steps.newSets(held));
  await client.settle();
  const [made] = unused(client, await client.vault());
  if (made === undefined) throw new Problem("internal", "there is no set to write into");
  return made;
}

function unused({ record, hub }: Side, vault: Vault): string[] {
  const relations = [...record.relations.values()];
  const own = relations.flatMap((relation) => ownGrants(relation, vault, hub.now));
  const given = new Set(own.flatMap(({ cover }) => [...cover.keys()]));
  const open = [...record.sets].filter(([set, state]) => vault.sets.has(set) && !state.closed && !given.has(set));
  return open.map(([set]) => set).filter((set) => record.author(set) === null).sort();
}

/** The author's own grant of its set, unless it has it. */
async function ownGrant(client: Side, counterpart: string, set: string): Promise<Written[]> {
  const { keyring, hub } = client;
  const relation = client.record.relation(counterpart);
  const vault = await client.vault();
  if (ownGrants(relation, vault, hub.now).some(({ cover }) => cover.has(set))) return [];
  const kept = [...vault.terms].filter(([, terms]) => terms.oth === counterpart && isOwn(terms)).map(([gid]) => gid);
  const gid = kept.find((one) => !relation.grants.has(one)) ?? newId();
  const terms = vault.terms.get(gid) ?? {
    oth: counterpart,
    categories: steps.EVERYTHING,
    whole: true,
    grow: false,
    purposes: PURPOSES,
    nb: 0,
    until: NO_END,
    consent: new Uint8Array(),
    salt: randomBytes(SALT_BYTES),
    rules: null,
    request: "",
  };
  if (!vault.terms.has(gid)) await client.changeVault((held) => held.withTerms(gid, terms));
  const held = await client.vault();
  return [steps.ownGrant(client.record, held, gid, set, terms, keyring.signer, hub.now)];
}
