/** The patient's own client: what only she has of her vault, and what the hub's feed brings. */

import { read as readDeclaration } from "../declarations.ts";
import { BoxKey } from "../keys.ts";
import * as lockout from "../lockout.ts";
import { b64, equal, Rejected, unb64 } from "../primitives.ts";
import { parse } from "../statements.ts";
import * as steps from "../steps.ts";
import * as vaults from "../vault.ts";
import type { RootCompartment, Vault } from "../vault.ts";
import type { AccountState } from "../accounts.ts";
import { AccountWriter } from "./account_writer.ts";
import { type FeedEvent, Hub, type Wraps } from "./api.ts";
import { ChainStore } from "./chain_store.ts";
import { isClosing } from "./closing.ts";
import { getState, putNew, setState } from "./database.ts";
import type { Begun } from "./enrolment.ts";
import { type DumpedKeyring, Keyring } from "./keyring.ts";
import { Problem } from "../problems.ts";
import { HubKeys } from "./hub_keys.ts";
import { Reading } from "./reading.ts";
import { Reports } from "./reports.ts";
import type { Safe } from "./safe.ts";
import { isTheirs, Side } from "./side.ts";
import type { Stored } from "./stored.ts";
import type { Destination } from "../sealing.ts";
import { destination } from "./destinations.ts";
import { Outbox } from "./outbox.ts";

/** What of the feed is taken in by `sync`. */
const TAKEN = "statement,message,declare";
/** So long the hub keeps a question open for news. */
const WAIT_SECONDS = 25;

/** What the safe of a device holds; `begun`: of a way in that is not finished. */
export type Secrets = {
  readonly keyring: DumpedKeyring;
  readonly vaultKey: string;
  readonly begun: Begun | null;
};

/** Both compartments of one version of the vault, and the account chain behind which the next version is signed. */
export type Unsealed = { readonly state: AccountState; readonly root: RootCompartment; readonly vault: Vault };

/** One device of role `client`, unlocked. The twin of `connectors/patient/client.py`. */
export class Client extends Side {
  readonly safe: Safe<Secrets>;
  readonly hubKeys: HubKeys;
  readonly reading: Reading;
  readonly reports: Reports;
  readonly outbox: Outbox;
  readonly #lock: AbortController;
  #vaultKey: Uint8Array;
  /** Up to where this page has what the feed brought: another tab, or the page of before, may have taken in more. */
  #taken: string | null = null;
  /** Whether the hub's whole account chain was compared with what is held here, once for each unlocking. */
  #rechecked = false;

  private constructor(safe: Safe<Secrets>, secrets: Secrets, hub: Hub, chains: ChainStore, lock: AbortController) {
    const { db } = safe;
    super(secrets.keyring.account, Keyring.load(secrets.keyring), db, hub, chains);
    this.safe = safe;
    this.#lock = lock;
    this.hubKeys = new HubKeys(db, hub, this.keyring);
    this.reading = new Reading(this);
    this.reports = new Reports(this);
    this.outbox = new Outbox({
      db,
      hub,
      keyring: this.keyring,
      lockbox: safe,
      destination: (patient, category) => this.destination(patient, category),
      refresh: (patient) => this.#refreshSets(patient),
      hubKey: (domain) => this.hubKey(domain),
      locked: this.locked,
    });
    this.#vaultKey = unb64(secrets.vaultKey);
  }

  /** The account of this device, by what its safe held. */
  static async open(safe: Safe<Secrets>, secrets: Secrets): Promise<Client> {
    const lock = new AbortController();
    const hub = new Hub(Keyring.load(secrets.keyring).credentials, lock.signal);
    return new Client(safe, secrets, hub, await ChainStore.open(safe.db, hub), lock);
  }

  get stored(): readonly Stored[] {
    return this.reading.stored;
  }

  /** Ends, when the device is locked, what would go on in the memory of the page; nothing is heard from the hub then. */
  get locked(): AbortSignal {
    return this.#lock.signal;
  }

  /** The page lets go of this client. What it was sending is sent again after the next unlocking. */
  close(): void {
    this.#lock.abort(new Problem("busy", "the device was locked"));
  }

  /** Close, and forget all: the account is not on this device any more. */
  async forget(): Promise<void> {
    this.close();
    await this.reading.ended(); // it would go on to keep what it has heard
    await this.safe.forget();
  }

  /** The key of the vault, as this device keeps it. */
  get vaultKey(): Uint8Array {
    return this.#vaultKey;
  }

  /** All of the vault, with what is hers alone. */
  async unsealed(): Promise<Unsealed> {
    const { state, sealed, vault } = await this.present();
    return { state, root: await this.#unsealRoot(sealed, state), vault };
  }

  protected async key(sealed: Uint8Array, state: AccountState): Promise<Uint8Array> {
    return (await this.#unsealRoot(sealed, state)).key;
  }

  async #unsealRoot(sealed: Uint8Array, state: AccountState): Promise<RootCompartment> {
    const root = await this.#tryRoot(sealed);
    if (!equal(root.root.public, state.root)) {
      throw new Problem("stale", "the hub's vault holds another root key than the account chain", null, { reason: "root" });
    }
    return root;
  }

  /** Where another device was removed the vault's key has changed, and is wrapped for this one (PROTOCOL.md 5.2). */
  async #tryRoot(sealed: Uint8Array): Promise<RootCompartment> {
    try {
      return vaults.unsealRoot(sealed, this.account, this.#vaultKey);
    } catch (error) {
      const wrap = (await this.hub.vault(this.account)).wraps[this.keyring.device];
      if (!(error instanceof Rejected) || wrap === undefined) throw error;
      const key = vaults.unwrapByBox(wrap, this.account, this.keyring.device, this.keyring.box);
      const root = vaults.unsealRoot(sealed, this.account, key);
      this.#vaultKey = key;
      await this.safe.change({ vaultKey: b64(key) });
      return root;
    }
  }

  /** Write the vault's next version with both compartments; with it, if given, all wraps of its keys. */
  async lockVault({ state, root, vault }: Unsealed, wraps: Wraps = {}, fetch: Uint8Array | null = null) {
    const writer = new AccountWriter(state, this.hub.now);
    writer.addVault(this.keyring, { root, vault, vaultKey: this.#vaultKey });
    await this.post(writer.written, wraps, fetch);
  }

  /** The key of the key compartment for each delegate who shall have it, by its newest reading key. */
  wrapsForDelegates({ key, shared }: RootCompartment): Wraps {
    const keys = shared.map((name) => [name, unb64(this.chains.accounts.get(name)!.readingKey(), 32)] as const);
    return Object.fromEntries(keys.map(([name, to]) => [name, vaults.wrapForBox(key, this.account, name, to)]));
  }

  /** First of all another key for the vault's key compartment, where somebody has it who must not any more. */
  protected override async doNext(): Promise<boolean> {
    const { root, vault } = await this.unsealed();
    const [{ shared }, now] = [root, this.hub.now];
    if (!lockout.mustChange(this.record, shared, now)) return super.doNext();
    for (const [name, { gid }] of lockout.leftBehind(this.record, vault, shared, now)) {
      await this.post([steps.end(this.record, name, gid, this.keyring.signer, now)]);
    }
    await this.#lockOut();
    return true;
  }

  /**
   * Another key, another reading key, wraps for the delegates who remain: in one request (PROTOCOL.md 5.12).
   *
   * And candidates for all open sets: what was made until now stood under a key that somebody else had.
   */
  async #lockOut(): Promise<void> {
    const { state, root: before, vault: held } = await this.unsealed();
    const [reading, now] = [BoxKey.generate(), this.hub.now];
    const root = before.locked(lockout.holders(this.record, before.shared, now));
    for (const name of root.shared) await this.chains.refresh("acct", name); // one that lost a device has another key
    const { wraps } = await this.hub.vault(this.account);
    const kept = Object.entries(wraps).filter(([name]) => !before.shared.includes(name));
    const vault = lockout.fresh(this.record, held.withReadingKey(reading), now);
    const writer = new AccountWriter(state, now);
    writer.addVault(this.keyring, { root, vault, vaultKey: this.#vaultKey });
    writer.add(root.root, ["root"], "reading", { key: b64(reading.public), bad: 1 });
    await this.post(writer.written, { ...Object.fromEntries(kept), ...this.wrapsForDelegates(root) });
  }

  // --- reading ----------------------------------------------------------------------------------------------------

  async catchUp(): Promise<void> {
    if (!this.#rechecked) await this.chains.recheck("acct", this.account);
    this.#rechecked = true;
    await this.sync();
    if (!(await isClosing(this.db))) await this.settle();
  }

  /** Send what was left unsent, and take in everything new: statements of all chains, messages, emergencies. */
  async sync(): Promise<void> {
    await this.resume();
    let cursor = (await getState<string>(this.db, "cursor")) ?? "";
    if (cursor !== this.#taken) await this.chains.catchUp();
    for (;;) {
      const { events, next } = await this.hub.feed(cursor, TAKEN);
      for (const event of events) {
        if (event.type === "statement") await this.#takeStatement(event);
        else if (event.type === "message") await this.#takeMessage(event);
        else if (event.type === "declare") await this.#takeDeclared(event);
      }
      this.#taken = cursor;
      if (events.length === 0) return;
      cursor = next;
      await setState(this.db, "cursor", cursor);
    }
  }

  /** Wait until the hub has something that is not taken in yet; false where nothing came for a while. */
  async news(): Promise<boolean> {
    const cursor = (await getState<string>(this.db, "cursor")) ?? "";
    return (await this.hub.feed(cursor, TAKEN, WAIT_SECONDS)).events.length > 0;
  }

  async #takeStatement(event: FeedEvent): Promise<void> {
    const link = parse(unb64(event["frame"]));
    try {
      await this.chains.take(link.kind, link.acc, link.oth, [link.frame.raw]);
    } catch (error) {
      // Her own chains stop her where they do not hold; somebody else's must not.
      if (link.acc === this.account || !isTheirs(error)) throw error;
    }
  }

  async #takeMessage({ id, from, frame }: FeedEvent): Promise<void> {
    const row = { id: String(id), sender: String(from), sealed: unb64(frame), answered: false };
    await putNew(this.db, "messages", row, row.id);
  }

  async #takeDeclared(event: FeedEvent): Promise<void> {
    try {
      const { acc, rnd, sender: from, gid, frame } = readDeclaration(unb64(event["frame"]));
      if (acc !== event["acc"]) return;
      const [at, until] = [Number(event["at"]), Number(event["until"])];
      await putNew(this.db, "declared", { acc, rnd, from, gid, frame: frame.raw, at, until }, [acc, rnd]);
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
    }
  }

  // --- her own data -----------------------------------------------------------------------------------------------

  /** Seal and deposit what waits; returns the number of envelopes that the hub took. */
  async flush(): Promise<number> {
    await this.hubKeys.learn(this.reading.patients);
    return this.outbox.send();
  }

  /** Fetch what is new in the chains of the sets into which this account writes. */
  async #refreshSets(patient: string): Promise<void> {
    await this.sync();
    if (patient === this.account) return;
    for (const set of this.chains.record(patient).relation(this.account).permits.keys()) {
      await this.chains.refresh("set", patient, set);
    }
  }

  /** Where this account's devices write a category of a patient now, its own or another's. Throws `Problem`. */
  async destination(patient: string, category: number): Promise<Destination> {
    if (patient !== this.account) return destination(this, patient, category);
    const { record } = this;
    const open = [...record.sets.values()].filter(({ closed }) => !closed);
    const state = open.find(({ oth }) => record.author(oth) === this.account);
    const setKey = state && (await this.vault()).sets.get(state.oth);
    if (state === undefined || setKey === undefined) {
      throw new Problem("forbidden", "this account has no set of its own yet: enrol to the end first");
    }
    const index = setKey.index(category);
    const epoch = state.epoch(state.current);
    const [stream, key] = [setKey.ids[index], epoch.publics[index]];
    if (stream === undefined || key === undefined) throw new RangeError("no such category");
    return { patient, stream, epoch: epoch.number, public: key };
  }

  /** The key of a hub whose word counts. Throws `Problem(stale)` for one that is not known here. */
  hubKey(domain: string): Uint8Array {
    try {
      return this.hubKeys.key(domain);
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
      throw new Problem("stale", "this hub is not known here");
    }
  }
}
