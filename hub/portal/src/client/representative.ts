/**
 * A delegate acts for a patient from her own device. The twin of `connectors/patient/representative.py`.
 *
 * One of scope `full` does all that the patient's own client does, but for what needs her root key (PROTOCOL.md 5.12).
 */

import type { AccountState, Delegate } from "../accounts.ts";
import { FULL } from "../lockout.ts";
import { Rejected } from "../primitives.ts";
import { Problem } from "../problems.ts";
import type { Scope } from "../statements.ts";
import * as vaults from "../vault.ts";
import type { Client } from "./client.ts";
import { getState, setState } from "./database.ts";
import { Side } from "./side.ts";
import type { Stored } from "./stored.ts";

/** For which a representative reads what a grant would open: as somebody of the family. */
const PURPOSE = "FAMRQT";

/** For whom somebody acts, in what, and until which Unix second. */
export type Mandate = { readonly patient: string; readonly scope: Scope; readonly until: number };

/** All for whom this account acts now, as far as their chains are held here. */
export function mandates(client: Client): Mandate[] {
  return [...client.chains.accounts.keys()].flatMap((patient): Mandate[] => {
    const found = live(client, patient);
    return found === null ? [] : [{ patient, scope: found.scope, until: found.end }];
  });
}

function live({ chains, account, hub, state }: Client, patient: string): Delegate | null {
  try {
    const found = chains.accounts.get(patient)?.delegate(account, hub.now);
    return found?.fp === state.fingerprint && chains.accounts.get(patient)?.closed === false ? found : null;
  } catch (error) {
    if (error instanceof Rejected) return null;
    throw error;
  }
}

/** By which this account acts for a patient now. Throws `Problem(forbidden)`. */
function delegation(client: Client, patient: string): Delegate {
  const found = live(client, patient);
  if (found === null) throw new Problem("forbidden", "she has not named you a delegate, or your time has ended");
  return found;
}

/** Take in everything of the patient that a delegate sees. Throws `Problem(forbidden)` for who is none now. */
export async function fetchFor(client: Client, patient: string): Promise<Delegate> {
  const { chains, hub } = client;
  delegation(client, patient);
  await chains.refresh("acct", patient);
  const found = delegation(client, patient);
  for (const name of await hub.counterparts(patient)) {
    await chains.account(name);
    await chains.refresh("acct", name);
    await chains.refresh("rel", patient, name);
  }
  for (const set of await hub.sets(patient)) await chains.refresh("set", patient, set);
  return found;
}

/** Be a delegate of a patient no more, of whichever scope. Throws `Problem(forbidden)` for who is none. */
export async function resign(client: Client, patient: string): Promise<void> {
  await fetchFor(client, patient);
  await new Representative(client, patient).resign();
}

/** The client of a delegate of scope `full`, for one patient. `sync` first; what talks throws `Problem`. */
export class Representative extends Side {
  readonly #client: Client;

  constructor(client: Client, patient: string) {
    super(patient, client.keyring, client.db, client.hub, client.chains);
    this.#client = client;
  }

  get reading() {
    return this.#client.reading;
  }

  /** As far as it was granted to this delegate with the mandate. */
  get stored(): readonly Stored[] {
    return this.reading.of(this.account, { role: "", purpose: PURPOSE, closed: new Set() });
  }

  /** As of a client; `Problem(forbidden)` for who is no delegate of this scope now. */
  async sync(): Promise<void> {
    await this.#client.sync();
    const { scope } = await fetchFor(this.#client, this.account);
    if (scope !== FULL) throw new Problem("forbidden", "she lets you manage her grants: this is for the scope full");
  }

  async catchUp(): Promise<void> {
    await this.sync();
    await this.settle();
  }

  /** Give the mandate back. */
  async resign(): Promise<void> {
    const body = { to: this.keyring.account };
    await this.anew(() => this.post([{ frame: this.signAccount(this.state, "undelegate", body), blob: null }]));
  }

  /** As it was handed here; another one where the patient has changed it, and handed it to this delegate again. */
  protected async key(sealed: Uint8Array, { vault }: AccountState): Promise<Uint8Array> {
    const { db, safe } = this.#client;
    const name = `vault-key ${this.account}`;
    const locked = await getState<Uint8Array>(db, name);
    const kept = locked && (await safe.unlock(locked));
    if (kept !== null && this.#opens(kept, sealed, vault[0])) return kept;
    const key = await this.#handed();
    await setState(db, name, await safe.lock(key));
    return key;
  }

  async #handed(): Promise<Uint8Array> {
    const wrap = (await this.hub.vault(this.account)).wraps[this.keyring.account];
    if (wrap === undefined) throw new Problem("forbidden", "the key of her vault has not been handed to you yet");
    for (const box of (await this.#client.vault()).readingKeys.values()) {
      try {
        return vaults.unwrapByBox(wrap, this.account, this.keyring.account, box);
      } catch (error) {
        if (!(error instanceof Rejected)) throw error; // else it was sealed to another of the reading keys
      }
    }
    throw new Problem("forbidden", "the vault's key was sealed to a reading key that you do not hold", null, { reason: "key" });
  }

  #opens(key: Uint8Array, sealed: Uint8Array, version: number): boolean {
    try {
      vaults.unseal(sealed, this.account, version, key);
      return true;
    } catch (error) {
      if (error instanceof Rejected) return false;
      throw error;
    }
  }
}
