/**
 * Whom a patient lets act for her (PROTOCOL.md 2.2, 2.6, 5.12). The twin of `connectors/patient/appointing.py`.
 *
 * A delegate of the scope `manage` sees whom she granted what, ends grants, and hands on what it may read itself. So that
 * it can also withhold, it is given a grant of all stand-ins, under which there is nothing to read. One of the scope
 * `full` is given the key of the vault's key compartment, and reads by a grant that runs as long as the mandate.
 */

import type { Delegate } from "../accounts.ts";
import { lastMoment } from "../fhir_consent.ts";
import type { Record } from "../grants.ts";
import { account, type Card, newId } from "../identifiers.ts";
import { cameWith, FULL, PURPOSES } from "../lockout.ts";
import { type Kind, MOST_CHOSEN } from "../mandates.ts";
import { randomBytes } from "../primitives.ts";
import { Problem } from "../problems.ts";
import { type Grant, NO_END } from "../relations.ts";
import type { Bodies, Scope } from "../statements.ts";
import * as steps from "../steps.ts";
import { RootCompartment, type Vault } from "../vault.ts";
import { AccountWriter } from "./account_writer.ts";
import type { Client } from "./client.ts";
import { isStandIns, meet, put, SALT_BYTES, write } from "./sharing.ts";
import type { Side } from "./side.ts";

const CHOSEN = "chosen";

/**
 * Who is to act for the patient, as what, in what, and until which Unix second. `reads`: what one of scope `manage` is
 * granted with the mandate, all but what stays private; where it is nothing, grants of its own decide. One of scope `full`
 * reads everything.
 */
export type Appointment = {
  readonly card: Card;
  readonly until: number;
  readonly scope: Scope;
  readonly kind: Kind;
  readonly reads: ReadonlySet<number>;
};

/** How somebody acts for the patient: as named in chain and vault, and what was granted with that. */
export type Appointed = Delegate & { readonly kind: Kind; readonly reads: ReadonlySet<number> };

/** Those who are named now, those whose time has passed too. */
export async function appointed(client: Side): Promise<Appointed[]> {
  const { record, hub } = client;
  const vault = await client.vault();
  return delegates(record).map((one) => {
    const granted = cameWith(record, vault, one.to, hub.now).flatMap((grant) => [...steps.granted(vault, grant)]);
    const kind = (vault.mandates.get(one.to)?.kind ?? CHOSEN) as Kind;
    return { ...one, kind, reads: new Set(granted) };
  });
}

/** What somebody is granted with the mandate. */
function readable({ scope, reads }: Appointment): ReadonlySet<number> {
  return scope === FULL ? steps.EVERYTHING : reads;
}

/** What is kept from somebody by name; nothing where it is not said what is read. */
function kept({ scope, reads }: Appointment): ReadonlySet<number> {
  const isSaid = scope !== FULL && reads.size > 0;
  return new Set(isSaid ? [...steps.EVERYTHING].filter((category) => !reads.has(category)) : []);
}

/**
 * Let a person act for the patient. Running it again finishes what was begun; other words take the place of those that
 * hold. Throws `Problem`.
 *
 * Order: the kind of mandate into the vault, the statement, the relation, then what belongs to the scope: stand-ins, or
 * the key; and last the grant to read.
 */
export async function appoint(client: Client, wanted: Appointment): Promise<void> {
  await client.sync();
  await client.settle();
  check(client, wanted);
  const { card, until, scope, kind } = wanted;
  const name = String(card.account);
  const { fingerprint: fp } = await client.chains.account(name, card.fingerprint);
  let present = (await appointed(client)).find(({ to }) => to === name);
  if (present !== undefined && (await replaces(client, present, wanted))) {
    await dismiss(client, name);
    present = undefined;
  }
  if (present === undefined) {
    if (kind === CHOSEN && chosen(client, await client.vault()) >= MOST_CHOSEN) {
      throw new Problem("conflict", "five delegates act for you already: end one first");
    }
    const mandate = { kind, private: kept(wanted) };
    await client.changeVault((vault) => vault.withMandate(name, mandate));
    await byRoot(client, "delegate", { to: name, fp, scope, nb: 0, until });
  }
  await meet(client, name, card.fingerprint);
  await client.settle();
  if (scope === FULL) await handKey(client, name);
  else if ((await standIns(client, name)).length === 0) await grantStandIns(client, name, until);
  await letRead(client, wanted);
  await client.settle();
}

function check(client: Client, { card, until, scope }: Appointment): void {
  if (until <= client.hub.now || until >= NO_END) throw new Problem("value", "a delegate is named for a time to come");
  if (scope === FULL && card.account.domain !== account(client.account).domain) {
    throw new Problem("invalid", "a delegate of scope full needs an account at your own hub");
  }
}

/** Whether something else was agreed with somebody who is named; what was only begun is no reason. */
async function replaces(client: Client, present: Appointed, wanted: Appointment): Promise<boolean> {
  if (present.end !== wanted.until || present.scope !== wanted.scope || present.kind !== wanted.kind) return true;
  const named = (await client.vault()).mandates.get(present.to)?.private ?? new Set();
  const isSame = (one: ReadonlySet<number>, other: ReadonlySet<number>) =>
    one.size === other.size && [...one].every((category) => other.has(category));
  return !isSame(named, kept(wanted)) || (present.reads.size > 0 && !isSame(present.reads, readable(wanted)));
}

/** How many whom she chose herself may act now. */
function chosen(client: Client, { mandates }: Vault): number {
  const live = delegates(client.record).filter(({ nb, end }) => nb <= client.hub.now && client.hub.now < end);
  return live.filter(({ to }) => (mandates.get(to)?.kind ?? CHOSEN) === CHOSEN).length;
}

/** The key of the vault's key compartment, unless it was handed already. */
async function handKey(client: Client, name: string): Promise<void> {
  await client.anew(async () => {
    const held = await client.unsealed();
    const { root, handleKey, key, shared } = held.root;
    if (shared.includes(name)) return;
    const widened = new RootCompartment(root, handleKey, key, [...shared, name]);
    const { wraps } = await client.hub.vault(client.account);
    await client.lockVault({ ...held, root: widened }, { ...wraps, ...client.wrapsForDelegates(widened) });
  });
}

async function grantStandIns(client: Client, name: string, until: number): Promise<void> {
  await write(client, newId(), {
    oth: name,
    categories: new Set(),
    whole: true,
    grow: true,
    purposes: ["PATRQT"],
    nb: 0,
    until,
    consent: new Uint8Array(),
    salt: randomBytes(SALT_BYTES),
    rules: null,
    request: "",
  });
}

/** The grant to read that comes with the mandate and runs as long, unless there is one. */
async function letRead(client: Client, wanted: Appointment): Promise<void> {
  const [categories, counterpart] = [readable(wanted), String(wanted.card.account)];
  const held = cameWith(client.record, await client.vault(), counterpart, client.hub.now);
  if (categories.size === 0 || held.length > 0) return;
  const agreed = { patient: client.account, counterpart, categories, purposes: PURPOSES, start: "" };
  const rest = { end: lastMoment(wanted.until), policy: "", language: "", paper: null };
  await put(client, { ...agreed, ...rest }, { whole: true });
}

/**
 * A delegate no more. Its stand-ins and the grant that came with the mandate are withdrawn, the key of the vault is
 * another from then on, and what it may have seen is rotated. What it granted stays.
 */
export async function dismiss(client: Client, name: string): Promise<void> {
  await client.sync();
  const isNamed = delegates(client.record).some(({ to }) => to === name);
  const toRead = cameWith(client.record, await client.vault(), name, client.hub.now);
  const held = [...(await standIns(client, name)), ...toRead];
  if (!isNamed && held.length === 0) throw new Problem("not-found", "this person is no delegate");
  if (isNamed) await byRoot(client, "undelegate", { to: name });
  for (const { gid } of held) {
    await client.anew(() => client.post([steps.end(client.record, name, gid, client.keyring.signer, client.hub.now)]));
  }
  await client.settle();
}

/** The delegates that are named now, those whose time has passed too. */
export function delegates({ account: state }: Record): Delegate[] {
  return state.delegates.filter(({ until }) => until === null);
}

/** The live grants of stand-ins to a delegate. */
async function standIns(client: Client, name: string): Promise<Grant[]> {
  const { terms } = await client.vault();
  const live = client.record.relations.get(name)?.live(client.hub.now) ?? [];
  return live.filter(({ gid }) => isStandIns(terms.get(gid) ?? null));
}

/** Send a statement of her account chain that her root key signs. */
export async function byRoot<T extends "delegate" | "undelegate" | "close">(
  client: Client,
  typ: T,
  body: Bodies["acct"][T],
): Promise<void> {
  await client.anew(async () => {
    const { state, root } = await client.unsealed();
    const writer = new AccountWriter(state, client.hub.now);
    writer.add(root.root, ["root"], typ, body);
    await client.post(writer.written);
  });
}
