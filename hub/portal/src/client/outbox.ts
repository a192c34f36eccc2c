/**
 * The durable outbox: one way out for all that is written here, tried until it is there (PROTOCOL.md 5.7). The twin of
 * `connectors/outbox.py`.
 *
 * A row holds what is to be written, locked up as the safe's secrets are; then the sealed frame is stored beside it, and
 * the sealed object where it is large; only then they are sent; when the patient's home hub has acknowledged, the row
 * goes. A tab that is closed anywhere sends the same bytes again, so that no sequence ever forks.
 */

import { DELETE, parse, parseStamp, RESOURCES } from "../envelope.ts";
import { account as parseAccount, newId } from "../identifiers.ts";
import { concat, Rejected, utf8, utf8Text } from "../primitives.ts";
import { type Author, type Destination, handle, type Place, seal, sealAsObject } from "../sealing.ts";
import type { Mark } from "../wearables/index.ts";
import type { Deposited, Hub } from "./api.ts";
import type { Database, OutboxRow, SealedRow } from "./database.ts";
import { check, type Entry, MAX_PLAINTEXT, plaintextSize } from "./entries.ts";
import { Problem, UNDECIDED } from "../problems.ts";
import type { Keyring } from "./keyring.ts";
import { pace } from "./pace.ts";

const MAX_BATCH_FRAMES = 100;
const MAX_BATCH_BYTES = 8 * 1024 * 1024;
const MAX_RESEALS = 8;
const FORWARDED = 202;
const MENDED_BY_SEALING_ANEW = ["stale-epoch", "gap"];
const NEWLINE = 10;

/** Locks up what waits, and opens it again. */
export type Lockbox = {
  lock(plaintext: Uint8Array): Promise<Uint8Array>;
  unlock(locked: Uint8Array): Promise<Uint8Array>;
};

/**
 * Where the outbox of a device stands. `destination` names stream, epoch and key of a category now; `refresh` fetches
 * the newest chains after the hub said that an epoch is over. `hubKey`: only what bears the stamp of the patient's home
 * hub counts as acknowledged.
 */
export type Around = {
  readonly db: Database;
  readonly hub: Hub;
  readonly keyring: Keyring;
  readonly lockbox: Lockbox;
  readonly destination: (patient: string, category: number) => Promise<Destination>;
  readonly refresh: (patient: string) => Promise<void>;
  readonly hubKey: (domain: string) => Uint8Array;
  /** Ends a `send` between two batches, when the device is locked. */
  readonly locked: AbortSignal;
};

type Waiting = SealedRow & { readonly id: number };
type Outcome = readonly [row: Waiting, result: Deposited];
/** What goes no further in this `send`, and why: streams, or `patient/category` where nothing can be written now. */
type Held = Map<string, Problem | null>;

/** The outbox of one device; all tabs of this browser share it. */
export class Outbox {
  readonly #around: Around;
  readonly #objectsPut = new Set<string>();
  readonly #watchers = new Set<() => void>();

  constructor(around: Around) {
    this.#around = around;
  }

  /**
   * Take entries in, durably, all or none, and with them the marks by which an import knows what it brought. Throws
   * `Problem` for what could never be sealed.
   */
  async put(entries: readonly Entry[], marks: readonly Mark[] = []): Promise<void> {
    const { db, lockbox } = this.#around;
    for (const entry of entries) check(entry);
    const locked = await Promise.all(
      entries.map(async (entry) => ({ patient: entry.patient, entry: await lockbox.lock(dump(entry)) })),
    );
    this.#around.locked.throwIfAborted(); // else whoever signs out forgets it unsent
    const both = db.transaction(["outbox", "marks"], "readwrite");
    for (const row of locked) void both.objectStore("outbox").add({ ...row, waiting: 1 });
    for (const mark of marks) void both.objectStore("marks").put(mark);
    await both.done;
    for (const tell of this.#watchers) tell();
  }

  /** The marks that are known of these keys. */
  async seen(keys: readonly string[]): Promise<ReadonlyMap<string, Mark>> {
    const { store } = this.#around.db.transaction("marks");
    const found = await Promise.all(keys.map((key) => store.get(key)));
    return new Map(found.flatMap((mark) => (mark === undefined ? [] : [[mark.key, mark] as const])));
  }

  /** Be told when something was put in here. Returns how to stop that. */
  watch(tell: () => void): () => void {
    this.#watchers.add(tell);
    return () => this.#watchers.delete(tell);
  }

  /** How many entries are not acknowledged yet. */
  waiting(): Promise<number> {
    return this.#around.db.count("outbox");
  }

  /**
   * Seal and deposit whatever can go now; returns how many envelopes the home hub took. What is refused holds back its
   * own stream only. Throws `Problem`: `busy` when the hub cannot be reached (everything is kept); after everything else
   * has gone, the first reason why something did not, `refused` with the hub's reason.
   */
  send(): Promise<number> {
    return navigator.locks.request("obhut-outbox", () => this.#send());
  }

  async #send(): Promise<number> {
    let sent = 0;
    const held: Held = new Map();
    const passed = new Set<number>();
    const refusals = new Map<string, number>();
    for (;;) {
      this.#around.locked.throwIfAborted();
      const more = await this.#sealSome(held, passed);
      const batch = await this.#batch(held);
      if (batch.length === 0) {
        if (!more) break;
        continue;
      }
      const refusedObjects = await this.#putObjects(batch);
      const results = await this.#around.hub.deposit(batch.map(({ frame }) => frame));
      if (results.length !== batch.length) throw new Problem("busy", "the hub's answer is not understood");
      const outcomes = batch.map((row, i) => [row, results[i]] as Outcome);
      sent += await this.#settle(outcomes, held);
      const refused = outcomes.filter(([, { status }]) => status >= 300);
      for (const stream of new Set(refused.map(([row]) => row.stream))) {
        refusals.set(stream, (refusals.get(stream) ?? 0) + 1);
        if ((refusals.get(stream) ?? 0) <= MAX_RESEALS) continue;
        hold(held, stream, new Problem("refused", "the hub keeps refusing envelopes sealed anew"));
      }
      if (refused.length > 0) await this.#sealAnew(refused, refusedObjects, held);
    }
    for (const problem of held.values()) if (problem !== null) throw problem;
    return sent;
  }

  /**
   * Seal the next entries that have no frame, in order, and keep frame and sequence in one transaction. `passed`: rows
   * that cannot be sealed now. Returns whether there were any: there may be more behind them.
   */
  async #sealSome(held: Held, passed: Set<number>): Promise<boolean> {
    const { db, lockbox } = this.#around;
    const turn = pace();
    const ids = (await db.getAllKeysFromIndex("outbox", "waiting")).filter((id) => !passed.has(id));
    for (const id of ids.slice(0, MAX_BATCH_FRAMES)) {
      const row = await db.get("outbox", id);
      if (row?.entry === undefined) continue;
      const entry = load(await lockbox.unlock(row.entry));
      const to = await this.#destination(entry, held);
      if (to === null) passed.add(id);
      else if (await this.#seal(id, row, entry, to)) break; // one object at a time
      await turn();
    }
    return ids.length > 0;
  }

  async #destination({ patient, category }: Entry, held: Held): Promise<Destination | null> {
    const name = `${patient}/${category}`;
    if (held.has(name)) return null;
    try {
      return await this.#around.destination(patient, category);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      hold(held, name, error);
      return null;
    }
  }

  /** Seal one entry; returns whether it needed an object. */
  async #seal(id: number, row: OutboxRow, entry: Entry, to: Destination): Promise<boolean> {
    const { db, hub, keyring } = this.#around;
    const author: Author = { account: keyring.account, device: keyring.device, key: keyring.sign };
    const { seq: last, hash: prev } = (await db.get("sequences", to.stream)) ?? { seq: 0, hash: "" };
    const hd = entry.handle === "" ? "" : handle(to.stream, entry.handle, keyring.handleKey);
    const cty = entry.deletes ? DELETE : RESOURCES;
    const place: Place = { bid: newId(), seq: last + 1, prev, at: hub.now, hd, cty };
    const { frame, object } =
      plaintextSize(entry.lines) > MAX_PLAINTEXT
        ? sealAsObject(entry.lines, to, author, place)
        : { frame: seal(entry.lines, to, author, place), object: undefined };
    const { bid, seq } = place;
    const both = db.transaction(["outbox", "sequences"], "readwrite");
    const { waiting: _, ...rest } = row;
    void both.objectStore("outbox").put({ ...rest, stream: to.stream, seq, bid, frame, ...(object && { object }) }, id);
    void both.objectStore("sequences").put({ seq, hash: parse(frame).hash }, to.stream);
    await both.done;
    return object !== undefined;
  }

  /** The next frames to offer, in the order of their streams. */
  async #batch(held: Held): Promise<Waiting[]> {
    const batch: Waiting[] = [];
    let size = 0;
    const { store } = this.#around.db.transaction("outbox");
    for (let at = await store.index("place").openCursor(); at !== null; at = await at.continue()) {
      const row = at.value as SealedRow;
      if (held.has(row.stream)) continue;
      size += row.frame.length + 4;
      if (batch.length === MAX_BATCH_FRAMES || (batch.length > 0 && size > MAX_BATCH_BYTES)) break;
      batch.push({ ...row, id: at.primaryKey });
    }
    return batch;
  }

  /**
   * Send the objects of these envelopes; returns which ones the hub refused, and why. What that means the hub says of the
   * envelope: it may have it already, and the permit may have ended since.
   */
  async #putObjects(batch: readonly Waiting[]): Promise<ReadonlyMap<string, Problem>> {
    const refused = new Map<string, Problem>();
    for (const { bid, stream, object } of batch) {
      if (object === undefined || this.#objectsPut.has(bid)) continue;
      try {
        await this.#around.hub.putObject(stream, bid, object);
        this.#objectsPut.add(bid);
      } catch (error) {
        if (!(error instanceof Problem) || UNDECIDED.includes(error.code)) throw error;
        refused.set(bid, error);
      }
    }
    return refused;
  }

  /** Forget what was acknowledged; what was forwarded is offered again by another `send`. Returns how many are done. */
  async #settle(outcomes: readonly Outcome[], held: Held): Promise<number> {
    const taken = outcomes.filter(([, { status }]) => status < 300 && status !== FORWARDED);
    const turn = pace();
    for (const [row, result] of taken) {
      this.#checkStamp(row, result);
      await turn();
    }
    const { store, done } = this.#around.db.transaction("outbox", "readwrite");
    for (const [{ id }] of taken) void store.delete(id);
    await done;
    for (const [{ stream }, { status }] of outcomes) if (status === FORWARDED) hold(held, stream, null);
    for (const [{ bid }] of outcomes) this.#objectsPut.delete(bid);
    return taken.length;
  }

  /** The stamp is that of the patient's home hub, for exactly this frame. Throws `Problem(refused)`. */
  #checkStamp({ frame, patient }: Waiting, { stamp: raw }: Deposited): void {
    const { domain } = parseAccount(patient);
    try {
      const stamp = parseStamp(raw);
      stamp.verify(this.#around.hubKey(domain), parse(frame));
      if (stamp.hub === domain) return;
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
    }
    throw new Problem("refused", "the hub's stamp does not hold", null, { reason: "stamp" });
  }

  /** After `stale-epoch` or `gap`: fetch the chains, and seal again what was refused and what follows it. */
  async #sealAnew(refused: readonly Outcome[], objects: ReadonlyMap<string, Problem>, held: Held): Promise<void> {
    const mended: Outcome[] = [];
    for (const [row, result] of refused) {
      if (held.has(row.stream)) continue;
      if (MENDED_BY_SEALING_ANEW.includes(result.reason)) mended.push([row, result]);
      else if (result.reason !== "object" || objects.has(row.bid)) {
        const problem = new Problem("refused", "the hub refuses an envelope", null, { reason: result.reason });
        hold(held, row.stream, objects.get(row.bid) ?? problem);
      }
    }
    for (const patient of new Set(mended.map(([row]) => row.patient))) await this.#around.refresh(patient);
    for (const [row, result] of mended) if (!held.has(row.stream)) await this.#unseal(row, result, held);
  }

  /**
   * Go back to before a refused envelope; after a gap, on to where the hub says that this device is.
   *
   * The hub knows more than the device where that was restored from a copy. Where it knows less, either an envelope
   * before this one is still on its way, or the hub has lost what it acknowledged: going back there would show readers
   * two sequences, so the stream is held.
   */
  async #unseal({ stream, seq, frame }: Waiting, { reason, last }: Deposited, held: Held): Promise<void> {
    const { db } = this.#around;
    const known = await db.get("outbox", (await db.getKeyFromIndex("outbox", "place", [stream, seq])) ?? -1);
    if (known === undefined || known.waiting === 1) return; // what is before it went back, and it with that
    let before = { seq: seq - 1, hash: parse(frame).header.prev };
    if (reason === "gap") {
      if (last === null || last.seq < seq - 1) {
        const [first] = await db.getAllFromIndex("outbox", "place", IDBKeyRange.bound([stream, 0], [stream, Infinity]), 1);
        const lost = first?.seq === seq;
        hold(held, stream, lost ? new Problem("refused", "the hub has lost what it acknowledged", null, { reason }) : null);
        return;
      }
      before = last;
    }
    const both = db.transaction(["outbox", "sequences"], "readwrite");
    void both.objectStore("sequences").put(before, stream);
    const behind = both.objectStore("outbox").index("place");
    const range = IDBKeyRange.bound([stream, seq], [stream, Infinity]);
    for (let at = await behind.openCursor(range); at !== null; at = await at.continue()) {
      void at.update({ patient: at.value.patient, entry: at.value.entry, waiting: 1 });
    }
    await both.done;
  }
}

function hold(held: Held, name: string, problem: Problem | null): void {
  if (!held.has(name)) held.set(name, problem);
}

/** An entry as it lies in its row: what it is, and its lines. */
function dump({ lines, ...about }: Entry): Uint8Array {
  return concat(utf8(JSON.stringify(about)), ...lines.flatMap((line) => [Uint8Array.of(NEWLINE), line]));
}

function load(dumped: Uint8Array): Entry {
  const [first = new Uint8Array(), ...lines] = split(dumped);
  return { ...JSON.parse(utf8Text(first, "entry")), lines };
}

function split(data: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  let start = 0;
  for (let end = data.indexOf(NEWLINE); end >= 0; end = data.indexOf(NEWLINE, start)) {
    lines.push(data.subarray(start, end));
    start = end + 1;
  }
  return [...lines, data.subarray(start)];
}
