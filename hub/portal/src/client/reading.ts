/**
 * Reading: the own record, whoever wrote it, and what other patients granted to this account. Envelopes are kept sealed
 * and opened into the memory of this page.
 *
 * The twin of `connectors/patient/reading.py` and of the inbox behind it. Keys of the own record come from the vault,
 * those of others from what they handed here (`granted.ts`); what they granted is opened and shown only while their home
 * hub confirms that it stands (`confirmation.ts`). For pages: `stored` is the own record, `patients` who else can be read,
 * `of(patient, reader)` what somebody may see of one of them now; what is shown of that is told to her (`reports.ts`).
 */

import { account as parseAccount } from "../identifiers.ts";
import { Rejected, unb64 } from "../primitives.ts";
import { Problem, reportUnforeseen } from "../problems.ts";
import { checkPermit } from "../relations.ts";
import { parsePermit } from "../statements.ts";
import type { FeedPage } from "./api.ts";
import type { Client } from "./client.ts";
import { Confirmation } from "./confirmation.ts";
import { type EnvelopeRow, getState } from "./database.ts";
import { Directory } from "./directory.ts";
import { Granted, type Reader } from "./granted.ts";
import { type Keys, OpenRecord } from "./open_record.ts";
import { pace } from "./pace.ts";
import type { Stored } from "./stored.ts";

const CURSOR = "reading-cursor";
const HOUR_MS = 3_600_000;

/** How the records lie here: still being opened, complete, or as they were when the hub was last reached. */
export type ReadingState = "opening" | "ready" | "offline";

export class Reading {
  readonly #client: Client;
  readonly granted: Granted;
  readonly confirmation: Confirmation;
  readonly #own: OpenRecord;
  /** Of others, by account. */
  readonly #records = new Map<string, OpenRecord>();
  readonly #permits = new Map<string, Uint8Array>();
  readonly #listeners = new Set<() => void>();
  #running: Promise<void> | null = null;
  /** What was asked for meanwhile. */
  #following: Promise<void> | null = null;
  #loaded = false;
  #knownUntil = 0;
  /** Up to where this page has read. Other tabs have a place of their own; the one that is kept is for the next start. */
  #cursor = "";
  #stored: readonly Stored[] = [];
  #refused = 0;
  /** Another number whenever anything changed. */
  version = 0;
  state: ReadingState = "opening";
  /** What went wrong when the hub was last asked, or `null`. */
  problem: unknown = null;

  constructor(client: Client) {
    this.#client = client;
    this.granted = new Granted(client);
    this.confirmation = new Confirmation(client);
    this.#own = new OpenRecord(client, client.account, this.#permits, () => this.#ownKeys());
  }

  /** All resources of the own record as they are opened now; another array whenever anything changed. */
  get stored(): readonly Stored[] {
    return this.#stored;
  }

  /** The record of a patient as it is opened here, or null where there is nothing of it. */
  record(patient: string): OpenRecord | null {
    return patient === this.#client.account ? this.#own : (this.#records.get(patient) ?? null);
  }

  /** Envelopes that do not hold and are not shown, of a patient. */
  refused(patient: string): number {
    return (this.record(patient)?.refused ?? 0) + (patient === this.#client.account ? this.#refused : 0);
  }

  /** Other patients who grant something to this account now, or from a later moment on. */
  get patients(): readonly string[] {
    return this.granted.patients;
  }

  /**
   * What somebody may see of another patient's record now, for a purpose: nothing where she granted nothing for it, or
   * where it is not confirmed that she still does. What an organisation wrote itself is its own as long as it may write.
   */
  of(patient: string, reader: Reader): readonly Stored[] {
    const all = this.#records.get(patient)?.all ?? [];
    const shows = this.confirmation.confirmed(patient) ? this.granted.shows(patient, reader) : () => false;
    const house = parseAccount(this.#client.account).isPerson ? "" : this.#client.account;
    return all.filter((entry) => entry.author === house || shows(entry));
  }

  /** Call `listener` whenever something changed. Returns how to stop that. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #changed(): void {
    this.#stored = this.#own.all;
    this.version += 1;
    for (const listener of this.#listeners) listener();
  }

  /**
   * Open what is kept here, then everything new up to this call: one that is under way may have begun before that, so
   * another follows. Without the hub what is here can still be read. Never throws.
   */
  refresh(): Promise<void> {
    if (this.#running !== null) return (this.#following ??= this.#running.then(() => this.#follows()));
    this.#running = this.#refresh().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  #follows(): Promise<void> {
    this.#following = null;
    return this.refresh();
  }

  /** When what is under way has come to its end. */
  async ended(): Promise<void> {
    await (this.#following ?? this.#running);
  }

  async #refresh(): Promise<void> {
    try {
      if (this.#loaded) this.#changed(); // what is not confirmed any more goes before the hub is asked
      await this.#load();
      await this.#client.catchUp();
      await this.#takeGrants();
      await this.#follow();
      await this.#client.reports.send();
      [this.state, this.problem] = ["ready", null];
    } catch (error) {
      if (this.#client.locked.aborted) return;
      [this.state, this.problem] = ["offline", error];
      reportUnforeseen(error);
    }
    this.#changed();
  }

  /** What was kept before this page started. */
  async #load(): Promise<void> {
    if (this.#loaded) return;
    const { db, account } = this.#client;
    await this.granted.load();
    await this.confirmation.load();
    for (const set of await db.getAllKeys("permits")) {
      this.#permits.set(set, (await db.get("permits", set)) ?? new Uint8Array());
    }
    await this.#client.hubKeys.learn(this.patients).catch(offline);
    this.#cursor = (await getState<string>(db, CURSOR)) ?? ""; // before what is kept: another tab may put more there
    await this.#openKept(this.#own);
    // What a hub gave out wrongly or not at all is asked for once more, with all the rest.
    if (this.#own.refused + this.#own.missing > 0) this.#cursor = "";
    for (const patient of this.patients) if (patient !== account) await this.#openAnew(patient);
    this.#loaded = true;
    this.#changed();
  }

  /** Take pages of the feed in until there is nothing more. */
  async #follow(): Promise<void> {
    const { db, hub, account } = this.#client;
    for (const record of [this.#own, ...this.#records.values()]) await record.again();
    for (;;) {
      const page = await hub.feed(this.#cursor, "envelope");
      if (this.#cursor === "") this.#begin();
      await this.#takePermits(page.permits);
      const read = new Set([account, ...this.patients]);
      const rows: EnvelopeRow[] = [];
      const turn = pace();
      for (const event of page.events) {
        const row = readRow(event);
        if (read.has(row.acc) && !this.record(row.acc)?.has(row)) rows.push(row);
        await turn();
      }
      // Whoever unlocks next begins with what is kept, and may have asked for all of it anew.
      this.#client.locked.throwIfAborted();
      const kept = db.transaction(["envelopes", "state"], "readwrite");
      for (const row of rows) void kept.objectStore("envelopes").put(row);
      void kept.objectStore("state").put(page.next, CURSOR);
      await kept.done;
      this.#cursor = page.next;
      for (const patient of new Set(rows.map(({ acc }) => acc))) {
        await this.#open(patient).openAll(rows.filter(({ acc }) => acc === patient));
      }
      if (page.events.length === 0) return;
      this.#changed();
    }
  }

  /** All of it comes anew: what was refused is counted from here on. */
  #begin(): void {
    this.#refused = 0;
    for (const record of [this.#own, ...this.#records.values()]) record.refused = 0;
  }

  // --- what others granted ----------------------------------------------------------------------------------------

  /** The law asks what kind of house an organisation is: the directory is heard at the start, and every hour. */
  async #knowHouse(): Promise<void> {
    if (this.#client.isPerson || Date.now() < this.#knownUntil) return;
    await Directory.renew(this.#client);
    this.#knownUntil = Date.now() + HOUR_MS;
  }

  /** Forget what others took back, take in what they handed anew, and let their hubs confirm that it stands. */
  async #takeGrants(): Promise<void> {
    await this.#knowHouse();
    await this.#refreshGrants();
    if ((await this.confirmation.turn(this.patients)).size > 0) await this.#refreshGrants();
  }

  async #refreshGrants(): Promise<void> {
    const { chains, hubKeys } = this.#client;
    const gone = await this.granted.forget();
    for (const patient of gone) await this.#openAnew(patient);
    if (gone.size > 0) this.#changed();
    await hubKeys.learn(this.patients);
    for (const patient of await this.granted.fetch()) {
      if (!this.#records.has(patient) && chains.accounts.has(patient)) await this.#openAnew(patient);
    }
  }

  #open(patient: string): OpenRecord {
    if (patient === this.#client.account) return this.#own;
    const keys = () => this.#keysOf(patient);
    const found = this.#records.get(patient) ?? new OpenRecord(this.#client, patient, this.#permits, keys);
    this.#records.set(patient, found);
    return found;
  }

  /** Open a record from what is kept of it, and from nothing else. */
  async #openAnew(patient: string): Promise<void> {
    this.#records.delete(patient);
    if (this.patients.includes(patient)) await this.#openKept(this.#open(patient));
  }

  async #openKept(record: OpenRecord): Promise<void> {
    const { db } = this.#client;
    await record.openAll(await db.getAll("envelopes", IDBKeyRange.bound([record.patient], [record.patient, []])));
  }

  // --- keys -------------------------------------------------------------------------------------------------------

  async #ownKeys(): Promise<Keys> {
    const client = this.#client;
    const vault = await client.vault();
    return {
      relation: null,
      confirmed: true,
      hubKey: client.keyring.hubKey,
      seed: (set, epoch, index) => vault.master(set, epoch, client.record.set(set).epoch(epoch).digest).seed(index),
      // Stand-ins too: what somebody wrote there shows.
      categoryOf: (set, index) => vault.sets.get(set)?.order[index]?.[0],
    };
  }

  async #keysOf(patient: string): Promise<Keys> {
    const { chains, hubKeys, account } = this.#client;
    return {
      relation: chains.record(patient).relation(account),
      confirmed: this.confirmation.confirmed(patient),
      hubKey: hubKeys.key(parseAccount(patient).domain),
      seed: (set, epoch, index) => this.granted.seed(patient, set, epoch, index),
      categoryOf: (set, index) => this.granted.category(patient, set, index),
    };
  }

  // --- permits ----------------------------------------------------------------------------------------------------

  /** Keep the first permit of each set that the patient's side has signed. */
  async #takePermits(permits: FeedPage["permits"]): Promise<void> {
    for (const [set, text] of Object.entries(permits)) {
      if (this.#permits.has(set)) continue;
      try {
        await this.#takePermit(set, unb64(text));
      } catch (error) {
        const isHidden = error instanceof Problem && error.code === "not-found";
        if (!(error instanceof Rejected) && !isHidden) throw error;
        this.#refused += 1;
      }
    }
  }

  async #takePermit(set: string, raw: Uint8Array): Promise<void> {
    const { db, chains } = this.#client;
    const permit = parsePermit(raw);
    for (const [name, [seq]] of permit.cite) {
      if ((chains.accounts.get(name)?.last ?? -1) < seq) await chains.refresh("acct", name);
    }
    checkPermit(permit, permit.acc, set, chains.accounts);
    await db.put("permits", raw, set);
    this.#permits.set(set, raw);
  }
}

/** Without the hub what is here can still be read. */
function offline(error: unknown): void {
  if (!(error instanceof Problem)) throw error;
}

function readRow(event: { readonly [member: string]: unknown }): EnvelopeRow {
  const [acc, set, str] = [event["acc"], event["set"], event["str"]].map(String) as [string, string, string];
  return { acc, set, str, pos: Number(event["pos"]), frame: unb64(event["frame"]), stamp: unb64(event["stamp"]) };
}
