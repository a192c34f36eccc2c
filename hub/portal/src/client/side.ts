/**
 * The patient's side: who has the keys of her vault and signs for her, and the one way in which anything is written.
 *
 * That is her own client, or that of a delegate of scope `full`. What is to be sent is kept first; sending the same bytes again is harmless. So whatever a closed tab leaves half done,
 * the next start finishes. The twin of `connectors/patient/side.py`.
 */

import type { AccountState } from "../accounts.ts";
import type { Record } from "../grants.ts";
import * as guardians from "../guardians.ts";
import * as hidden from "../hidden.ts";
import { account as parseAccount, Card } from "../identifiers.ts";
import { type Message, type Type as MessageType, unseal } from "../messages.ts";
import { type Ended, owed, owedAfter } from "../owed.ts";
import { broken, Rejected } from "../primitives.ts";
import { blobHash } from "../rules.ts";
import { type Bodies, parse, sign, type Statement } from "../statements.ts";
import * as steps from "../steps.ts";
import type { Written } from "../steps.ts";
import { position } from "../streams.ts";
import * as vaults from "../vault.ts";
import { type Terms, Vault } from "../vault.ts";
import type { Hub, Wraps } from "./api.ts";
import type { ChainStore } from "./chain_store.ts";
import { type Database, getState, setState } from "./database.ts";
import type { Keyring } from "./keyring.ts";
import { Problem, UNDECIDED } from "../problems.ts";
import type { Reading } from "./reading.ts";
import type { Stored } from "./stored.ts";

const MAX_STEPS = 10_000;
const MAX_RACES = 20;
/** Reasons after which the chains are read again and the next step is computed anew. */
const RACES = ["head", "seq", "prev", "owed-keys", "tainted", "stale-key", "stale", "set-taken"];
/** What the patient herself wants, and what does not follow from what is there. */
const WISHES = ["grant", "end", "permit", "unpermit"];
/** One tab at a time writes. */
const TURN = "obhut-write";

/** A message that somebody sent to the patient, opened and its signature checked. */
export type Received = { readonly id: string; readonly message: Message; readonly sender: AccountState };

/**
 * One version of the vault, sealed and open, and the account chain that names it.
 *
 * The next version is signed behind that very state: the hub refuses it where anything came between, so nobody's change
 * is lost.
 */
type Present = { readonly state: AccountState; readonly sealed: Uint8Array; readonly vault: Vault };

type Pending = { readonly written: readonly Written[]; readonly wraps: Wraps; readonly fetch: Uint8Array | null };

/** Who acts for the patient `account` with one device. Methods that talk throw `Problem`. */
export abstract class Side {
  readonly account: string;
  readonly keyring: Keyring;
  readonly db: Database;
  readonly hub: Hub;
  readonly chains: ChainStore;
  /** The vault as it was opened last, and the hash by which the account chain names its version. */
  #opened: { readonly hash: string; readonly vault: Vault } | null = null;

  constructor(account: string, keyring: Keyring, db: Database, hub: Hub, chains: ChainStore) {
    this.account = account;
    this.keyring = keyring;
    this.db = db;
    this.hub = hub;
    this.chains = chains;
  }

  /** What this device reads; it tells when anything changed. */
  abstract readonly reading: Reading;

  /** What of the patient's record is opened here now. */
  abstract get stored(): readonly Stored[];

  /** Send what was left unsent, and take in everything new of the patient's chains. */
  abstract sync(): Promise<void>;

  /** Take in everything new, and do what is owed. Throws `Rejected(broken, rollback)` for a hub that goes back. */
  abstract catchUp(): Promise<void>;

  /** The key of the vault's key compartment, of the version that this state names. */
  protected abstract key(sealed: Uint8Array, state: AccountState): Promise<Uint8Array>;

  /** Whether the patient acts herself, on a device of her own. */
  get isOwn(): boolean {
    return this.keyring.account === this.account;
  }

  /** Whether this is the account of a person, not of an organisation. */
  get isPerson(): boolean {
    return parseAccount(this.account).isPerson;
  }

  /** What the patient shows at first contact. */
  get card(): Card {
    return new Card(parseAccount(this.account), this.state.fingerprint);
  }

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
    return (await this.present()).vault;
  }

  /** The vault at the version that the account chain names. */
  protected async present(): Promise<Present> {
    const sealed = await this.sealedVault();
    const { state } = this;
    const [version, hash] = state.vault;
    if (blobHash(sealed) !== hash) return this.present(); // news came in between
    if (this.#opened?.hash === hash) return { state, sealed, vault: this.#opened.vault };
    const vault = vaults.unseal(sealed, this.account, version, await this.key(sealed, state));
    this.#opened = { hash, vault };
    return { state, sealed, vault };
  }

  /**
   * The sealed vault that the account chain names; the chain is fetched where the hub has a newer one.
   *
   * Throws `Problem(stale)` where the hub has another.
   */
  async sealedVault(): Promise<Uint8Array> {
    for (let race = 0; race < MAX_RACES; race += 1) {
      const [version, hash] = this.state.vault;
      const kept = await getState<Uint8Array>(this.db, vaultState(this.account));
      if (kept !== null && blobHash(kept) === hash) return kept;
      const fetched = await this.hub.vault(this.account);
      if (fetched.version === version && blobHash(fetched.sealed) === hash) {
        await setState(this.db, vaultState(this.account), fetched.sealed);
        return fetched.sealed;
      }
      if (fetched.version <= version) break;
      await this.chains.refresh("acct", this.account);
    }
    const detail = "the hub's vault is not the one that the account chain names";
    throw new Problem("stale", detail, null, { reason: "vault" }); // no race: asked again it would give the same
  }

  /** Write the next version of the vault's key compartment, made of the present one; done anew after a race. */
  async changeVault(change: (vault: Vault) => Vault): Promise<void> {
    await this.anew(async () => {
      const present = await this.present();
      await this.#save(change(present.vault), present);
    });
  }

  /** Write what was made of this version; lost races surface as `Problem`. */
  async #save(vault: Vault, { state, sealed }: Present): Promise<void> {
    const key = await this.key(sealed, state);
    const version = state.vault[0] + 1;
    const blob = vaults.seal(vaults.compartments(sealed)[0], vault, this.account, version, key);
    await this.post([{ frame: this.signAccount(state, "vault", { ver: version, hash: blobHash(blob) }), blob }]);
  }

  /** The next statement behind this state of the account chain, by this device. */
  protected signAccount<T extends keyof Bodies["acct"]>(state: AccountState, typ: T, body: Bodies["acct"][T]): Uint8Array {
    const { head, links } = state;
    const { account, device } = this.keyring;
    const iat = Math.max(this.hub.now, links.at(-1)?.iat ?? 0);
    const cite = new Map(this.isOwn ? [] : [[account, position(this.chains.record(account).account)] as const]);
    const place = { kind: "acct", acc: this.account, head, iat } as const;
    return sign(this.keyring.sign, { ...place, typ, by: [account, device], cite, body });
  }

  /** Whether a guardian of the patient acts here: what she decides holds as far as other guardians agree. */
  async isGuardian(): Promise<boolean> {
    return guardians.guardians(this.record, await this.vault(), this.hub.now).has(this.keyring.account);
  }

  /** Keep what a guardian who acts here decides for a counterpart: terms, or a refusal. False for anybody else. */
  async saveWord(oth: string, terms: Terms | null): Promise<boolean> {
    if (!(await this.isGuardian())) return false;
    const word = { at: this.hub.now, terms };
    const mine = this.keyring.account;
    await this.changeVault((vault) => vault.withWords(oth, new Map(vault.words.get(oth)).set(mine, word)));
    return true;
  }

  // --- writing ----------------------------------------------------------------------------------------------------

  /** Keep what is to be sent, send it, and take it into the own chains once the hub has it. What waits goes first. */
  async post(written: readonly Written[], wraps: Wraps = {}, fetch: Uint8Array | null = null): Promise<void> {
    const pending: Pending = { written, wraps, fetch };
    await navigator.locks.request(TURN, async () => {
      await this.#resume(); // it would take the place of what is not sent yet
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
    await navigator.locks.request(TURN, () => this.#resume());
  }

  async #resume(): Promise<void> {
    const pending = await getState<Pending>(this.db, "pending");
    if (pending === null) return;
    await this.#send(pending).catch((error: unknown) => {
      if (!(error instanceof Problem) || UNDECIDED.includes(error.code)) throw error;
      if (pending.written.some(({ frame }) => this.#isWish(parse(frame)))) {
        throw new Problem("conflict", "what was not sent before cannot be sent any more: say it again");
      }
    });
  }

  #isWish({ typ, acc, oth, body }: Statement): boolean {
    const known = "gid" in body ? this.chains.record(acc).relations.get(oth)?.grants.has(body.gid) : false;
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
      if (typ === "vault" && blob !== null) await setState(this.db, vaultState(acc), blob);
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
    const present = await this.present();
    const { vault } = present;
    const [record, now] = [this.record, this.hub.now];
    const { signer } = this.keyring;
    const step = owedAfter(record, vault, await this.#endedEmergencies(now)) ?? owed(record, vault, now);
    const written =
      step === null
        ? (hidden.amend(record, vault, signer, now) ?? guardians.amend(record, vault, signer, now))
        : steps.perform(record, vault, step, signer, now);
    if (written === null) return false;
    if (written instanceof Vault) await this.#save(written, present);
    else await this.post([written]);
    return true;
  }

  async #endedEmergencies(now: number): Promise<Ended[]> {
    const all = await this.db.getAll("declared");
    const over = all.filter(({ acc, until }) => acc === this.account && until <= now);
    return over.map(({ from, gid, until }) => [from, gid, until]);
  }

  // --- what others sent -------------------------------------------------------------------------------------------

  /**
   * Messages of a type that were not answered yet; what does not open or verify is passed over.
   *
   * So is what was sent to another whose messages come to this device, and what comes from somebody whose account the hub
   * does not show.
   */
  async received(typ: MessageType): Promise<Received[]> {
    const keys = (await this.vault()).readingKeys;
    const found: Received[] = [];
    for (const { id, sender, sealed, answered } of await this.db.getAll("messages")) {
      if (answered) continue;
      try {
        const message = unseal(sealed, keys);
        if (message.typ !== typ) continue;
        const account = await this.chains.accountWith(sender, message.dev);
        message.verify(account, this.account, this.hub.now);
        found.push({ id, message, sender: account });
      } catch (error) {
        if (!isTheirs(error)) throw error;
      }
    }
    return found;
  }

  /** Remember that a message needs nothing more. */
  async answered(id: string): Promise<void> {
    const row = await this.db.get("messages", id);
    if (row !== undefined) await this.db.put("messages", { ...row, answered: true });
  }
}

function vaultState(account: string): string {
  return `vault ${account}`;
}

/** Whether somebody else's chain or message does not hold, or is not shown: nothing that must stop her. */
export function isTheirs(error: unknown): boolean {
  return error instanceof Rejected || (error instanceof Problem && error.code === "not-found");
}

/** Whether the hub's chain ends before the link that the first of these statements, all of one chain, follows. */
function wentBack({ extra }: Problem, written: readonly Written[]): boolean {
  const read = written.map(({ frame }) => parse(frame));
  if (!("head" in extra) || new Set(read.map(({ kind, acc, oth }) => `${kind} ${acc} ${oth}`)).size !== 1) return false;
  const [last] = Array.isArray(extra["head"]) ? extra["head"] : [-1];
  return Number(last) < (read[0]?.seq ?? 0) - 1;
}
