/**
 * The patient's side: who has the keys of her vault and signs for her, and the one way in which anything is written.
 *
 * What is to be sent is kept first; sending the same bytes again is harmless. So whatever a closed tab leaves half done,
 * the next start finishes. The twin of `connectors/patient/side.py`.
 */

import type { AccountState } from "../accounts.ts";
import type { Record } from "../grants.ts";
import { amend } from "../hidden.ts";
import { type Ended, owed, owedAfter } from "../owed.ts";
import { broken } from "../primitives.ts";
import { blobHash } from "../rules.ts";
import { type Bodies, parse, sign, type Statement } from "../statements.ts";
import * as steps from "../steps.ts";
import type { Written } from "../steps.ts";
import * as vaults from "../vault.ts";
import { Vault } from "../vault.ts";
import type { Hub, Wraps } from "./api.ts";
import type { ChainStore } from "./chain_store.ts";
import { type Database, getState, setState } from "./database.ts";
import type { Keyring } from "./keyring.ts";
import { Problem } from "../problems.ts";

const MAX_STEPS = 10_000;
const MAX_RACES = 20;
/** Reasons after which the chains are read again and the next step is computed anew. */
const RACES = ["head", "seq", "prev", "owed-keys", "tainted", "stale-key", "stale"];
/** What the patient herself wants, and what does not follow from what is there. */
const WISHES = ["grant", "end", "permit", "unpermit"];
/** One tab at a time writes. */
const TURN = "obhut-write";

/** Problems after which it is not known or not decided whether the hub takes a statement: it is sent again. */
export const UNDECIDED = ["busy", "stale", "internal", "too-many", "unauthenticated"];

type Pending = { readonly written: readonly Written[]; readonly wraps: Wraps; readonly fetch: Uint8Array | null };

/** Who acts for the patient `account` with one device. Methods that talk throw `Problem`. */
export abstract class Side {
  readonly account: string;
  readonly keyring: Keyring;
  readonly db: Database;
  readonly hub: Hub;
  readonly chains: ChainStore;
  #opened: { readonly hash: string; readonly vault: Vault } | null = null;

  constructor(account: string, keyring: Keyring, db: Database, hub: Hub, chains: ChainStore) {
    this.account = account;
    this.keyring = keyring;
    this.db = db;
    this.hub = hub;
    this.chains = chains;
  }

  /** Send what was left unsent, and take in everything new of the patient's chains. */
  abstract sync(): Promise<void>;

  /** The key of the vault's key compartment. */
  protected abstract key(sealed: Uint8Array): Promise<Uint8Array>;

  /** The patient's account chain as far as it is held here. Throws `Problem(not-found)` before there is one. */
  get state(): AccountState {
    return this.record.account;
  }

  /** All of the patient's chains. */
  get record(): Record {
    return this.chains.record(this.account);
  }

  // --- the vault --------------------------------------------------------------------------------------------------

  /** The vault's content, at the version that the account chain names. */
  async vault(): Promise<Vault> {
    const [version, hash] = this.state.vault;
    if (this.#opened?.hash === hash) return this.#opened.vault;
    const sealed = await this.sealedVault();
    this.#opened = { hash, vault: vaults.unseal(sealed, this.account, version, await this.key(sealed)) };
    return this.#opened.vault;
  }

  /** The sealed vault that the account chain names. Throws `Problem(stale)` where the hub has another. */
  async sealedVault(): Promise<Uint8Array> {
    const [version, hash] = this.state.vault;
    const kept = await getState<Uint8Array>(this.db, this.#vaultState);
    if (kept !== null && blobHash(kept) === hash) return kept;
    const fetched = await this.hub.vault(this.account);
    if (fetched.version !== version || blobHash(fetched.sealed) !== hash) {
      throw new Problem("stale", "the hub's vault is not the one that the account chain names", null, { reason: "stale" });
    }
    await setState(this.db, this.#vaultState, fetched.sealed);
    return fetched.sealed;
  }

  get #vaultState(): string {
    return `vault ${this.account}`;
  }

  /** Write the next version of the vault's key compartment; lost races surface as `Problem(refused)`. */
  async saveVault(vault: Vault): Promise<void> {
    const sealed = await this.sealedVault();
    await this.post([this.vaultWritten(vaults.compartments(sealed)[0], vault, await this.key(sealed))]);
  }

  /** The vault's next version, and the statement that names it. */
  protected vaultWritten(sealedRoot: Uint8Array, vault: Vault, key: Uint8Array): Written {
    const version = this.state.vault[0] + 1;
    const blob = vaults.seal(sealedRoot, vault, this.account, version, key);
    return { frame: this.#signAccount("vault", { ver: version, hash: blobHash(blob) }), blob };
  }

  /** The next statement of the account chain, by this device. */
  #signAccount<T extends keyof Bodies["acct"]>(typ: T, body: Bodies["acct"][T]): Uint8Array {
    const { head, links } = this.state;
    const { account, device } = this.keyring;
    const iat = Math.max(this.hub.now, links.at(-1)?.iat ?? 0);
    return sign(this.keyring.sign, { kind: "acct", acc: this.account, head, iat, typ, by: [account, device], body });
  }

  // --- writing ----------------------------------------------------------------------------------------------------

  /** Keep what is to be sent, send it, and take it into the own chains once the hub has it. */
  async post(written: readonly Written[], wraps: Wraps = {}, fetch: Uint8Array | null = null): Promise<void> {
    const pending: Pending = { written, wraps, fetch };
    await navigator.locks.request(TURN, async () => {
      await setState(this.db, "pending", pending);
      await this.#send(pending);
    });
  }

  /**
   * Send what a closed tab, or a hub that did not answer, left unsent.
   *
   * What lost a race meanwhile is dropped: what is owed is computed anew; what she herself wanted (a grant, its end, a
   * permit) nobody can, so she is told by `Problem(conflict)`.
   */
  async resume(): Promise<void> {
    await navigator.locks.request(TURN, async () => {
      const pending = await getState<Pending>(this.db, "pending");
      if (pending === null) return;
      await this.#send(pending).catch((error: unknown) => {
        if (!(error instanceof Problem) || UNDECIDED.includes(error.code)) throw error;
        if (pending.written.some(({ frame }) => this.#isWish(parse(frame)))) {
          throw new Problem("conflict", "what was not sent before cannot be sent any more: say it again");
        }
      });
    });
  }

  #isWish({ typ, oth, body }: Statement): boolean {
    const known = "gid" in body ? this.record.relations.get(oth)?.grants.has(body.gid) : false;
    return WISHES.includes(typ) && !(typ === "grant" && known);
  }

  async #send({ written, wraps, fetch }: Pending): Promise<void> {
    try {
      await this.hub.post(written, wraps, fetch);
    } catch (error) {
      if (error instanceof Problem && !UNDECIDED.includes(error.code)) await this.db.delete("state", "pending");
      if (error instanceof Problem && wentBack(error, written)) throw broken("rollback");
      throw error;
    }
    for (const { frame, blob } of written) {
      const { kind, acc, oth, typ } = parse(frame);
      await this.chains.take(kind, acc, oth, [frame]);
      if (typ === "vault" && blob !== null) await setState(this.db, this.#vaultState, blob);
    }
    await this.db.delete("state", "pending");
  }
  // --- what is owed -----------------------------------------------------------------------------------------------

  /** Do all that is owed; returns the number of steps. Rotations, extensions and starts of epochs happen here. */
  async settle(): Promise<number> {
    if (this.state.closed) return 0;
    for (let count = 0; count < MAX_STEPS; count += 1) {
      if (!(await this.anew(() => this.doNext()))) return count;
    }
    throw new Problem("conflict", "other devices of this account keep changing it; try again");
  }

  /** Do a step, and do it anew after each race that it lost, from what the other one wrote. */
  async anew<T>(step: () => Promise<T>): Promise<T> {
    for (let race = 0; race < MAX_RACES; race += 1) {
      try {
        return await step();
      } catch (error) {
        if (!(error instanceof Problem) || !RACES.includes(error.reason)) throw error;
        await this.sync();
        for (const name of new Set([this.account, ...this.record.relations.keys()])) {
          await this.chains.refresh("acct", name); // nobody announces a new reading key to her
        }
      }
    }
    return step();
  }

  /** Do the next step that is owed, or hide from a reader what is hidden; false where nothing is left to do. */
  protected async doNext(): Promise<boolean> {
    const [vault, record, now] = [await this.vault(), this.record, this.hub.now];
    const { signer } = this.keyring;
    const step = owedAfter(record, vault, await this.#endedEmergencies(now)) ?? owed(record, vault, now);
    const written = step === null ? amend(record, vault, signer, now) : steps.perform(record, vault, step, signer, now);
    if (written === null) return false;
    if (written instanceof Vault) await this.saveVault(written);
    else await this.post([written]);
    return true;
  }

  async #endedEmergencies(now: number): Promise<Ended[]> {
    const all = await this.db.getAll("declared");
    const over = all.filter(({ acc, until }) => acc === this.account && until <= now);
    return over.map(({ from, gid, until }) => [from, gid, until]);
  }
}

/** Whether the hub's chain ends before the link that the first of these statements, all of one chain, follows. */
function wentBack({ extra }: Problem, written: readonly Written[]): boolean {
  const read = written.map(({ frame }) => parse(frame));
  if (!("head" in extra) || new Set(read.map(({ kind, acc, oth }) => `${kind} ${acc} ${oth}`)).size !== 1) return false;
  const [last] = Array.isArray(extra["head"]) ? extra["head"] : [-1];
  return Number(last) < (read[0]?.seq ?? 0) - 1;
}
