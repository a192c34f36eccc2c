/**
 * Runs one import: file → records → days → batches, each batch ready to be sealed as one envelope.
 *
 * The twin of `connectors/wearables/importer.py`: batches depend on the file and the ledger only, so an import that is
 * cut off is taken up by running it again. The report adds up at every end: read = taken + left + duplicates.
 */

import { Export } from "./apple_health.ts";
import { LIMITS, type Limits } from "./archive.ts";
import { Days, type Day, type Item, type Part } from "./day.ts";
import { device, deviceId, latest, type Description } from "./devices.ts";
import * as ecg from "./ecg.ts";
import * as glucose from "./glucose.ts";
import { Intake } from "./intake.ts";
import { dump } from "./json.ts";
import { content, isDeletion, type Ledger, type Mark } from "./ledger.ts";
import { DAY, dayName, moment } from "./moments.ts";
import { identity } from "./observations.ts";
import { placed } from "./coincident.ts";
import { Problem } from "../problems.ts";
import { Spill } from "./spill.ts";

const MAX_BYTES = 256 << 10;
const MAX_RESOURCES = 1000;
const BUDGET = 96 << 20;
const SETTLE_EVERY = 100_000;
/** How many days another zone may move a moment. */
const NEAR = [-2, -1, 1, 2];

export type Category = "vitals" | "activity" | "traces";

/**
 * Resources of one category that travel in one envelope.
 *
 * `key`, where there is one, names what a later batch of the same key replaces whole (`day/2026-10-01`), be it by
 * nothing; `resources` are JSON, each without a line end; `marks` go to the ledger with it.
 */
export type Batch = {
  readonly category: Category;
  readonly key: string;
  readonly resources: readonly Uint8Array[];
  readonly marks: readonly Mark[];
};

/** What became of every record, `left` by reason. */
export type Report = {
  read: number;
  taken: number;
  left: { [reason: string]: number };
  duplicates: number;
  envelopes: number;
};

export type Options = {
  readonly ledger: Ledger;
  readonly report: Report;
  readonly limits?: Limits;
  /** Bytes that may lie in memory as they are; what is more is packed. It is looked at after so many records. */
  readonly budget?: number;
  readonly settle?: number;
  /** Told how many bytes of the file have been read, and how many records found. */
  readonly progress?: (position: number, records: number) => void;
};

export function emptyReport(): Report {
  return { read: 0, taken: 0, left: {}, duplicates: 0, envelopes: 0 };
}

/**
 * Everything in an export that the ledger does not know yet. `patient` is the patient's id (`p-…`).
 *
 * Throws `Problem` for a file whose XML cannot be read; then nothing of it has been given out. What else in it cannot
 * be read is left.
 */
export async function* read(file: Blob, patient: string, options: Options): AsyncGenerator<Batch> {
  const { ledger, report, limits = LIMITS } = options;
  const spill = new Spill(options.budget ?? BUDGET);
  const intake = new Intake(spill);
  const found = await Export.open(file, limits);
  await takeIn(found, spill, intake, options);
  const { exported, today } = madeAt(found.exported, intake.latest);
  const run = new Run(patient, ledger, report, exported);
  const used = [...intake.sources].sort((a, b) => a - b);
  yield* run.devices(used.map((source) => found.sources[source]!));
  const days = new Days(patient, found.sources, intake.monitors(), exported, today);
  for await (const [number, slots] of spill.days()) yield* run.day(days.build(number, slots));
  for await (const table of found.electrocardiograms()) yield* run.ecg(table);
  yield* run.emptied();
  yield* run.rest();
}

async function takeIn(found: Export, spill: Spill, intake: Intake, options: Options): Promise<void> {
  const { report, progress, settle = SETTLE_EVERY } = options;
  let count = 0;
  let settled = 0;
  const told = (position: number): void => progress?.(position, count);
  for await (const records of found.records(told)) {
    for (const record of records) {
      const reason = intake.take(record);
      if (reason !== undefined) leave(report, reason, 1);
    }
    count += records.length;
    if (count - settled < settle) continue;
    settled = count;
    await spill.settle();
  }
  report.read += count;
}

function leave(report: Report, reason: string, count: number): void {
  if (count > 0) report.left[reason] = (report.left[reason] ?? 0) + count;
}

/** When the export was made and its local day; where it does not say, its last record stands for both. */
function madeAt(text: string, last: number): { readonly exported: number; readonly today: number } {
  const made = moment(text);
  if (made === undefined) return { exported: last, today: Math.floor(last / DAY) };
  return { exported: made.epoch, today: Math.floor(made.local / DAY) };
}

type Waiting = { resources: Uint8Array[]; marks: Mark[]; bytes: number };

/** Sorts what is new from what is known, and gathers batches. */
class Run {
  readonly #patient: string;
  readonly #ledger: Ledger;
  readonly #report: Report;
  readonly #exported: number;
  readonly #waiting: { readonly [category in Item["category"]]: Waiting } = {
    vitals: { resources: [], marks: [], bytes: 0 },
    traces: { resources: [], marks: [], bytes: 0 },
  };
  readonly #done = new Set<string>();
  readonly #spans = new Map<number, Pick<Day, "begun" | "ended">>();

  constructor(patient: string, ledger: Ledger, report: Report, exported: number) {
    this.#patient = patient;
    this.#ledger = ledger;
    this.#report = report;
    this.#exported = exported;
  }

  /** The devices behind what was read; they stand with the vitals. */
  async *devices(sources: readonly Description[]): AsyncGenerator<Batch> {
    const found = new Map<string, Description[]>();
    for (const about of sources) {
      const name = deviceId(this.#patient, about);
      found.set(name, [...(found.get(name) ?? []), about]);
    }
    const items: Item[] = [];
    for (const name of [...found.keys()].sort()) {
      const about = latest(found.get(name) ?? []);
      if (about === undefined || this.#done.has(name)) continue;
      this.#done.add(name);
      const resource = encoder.encode(dump(device(this.#patient, about)));
      items.push({ category: "vitals", key: name, resource, records: 0 });
    }
    yield* this.#items(items);
  }

  /** A day's activity as one batch that replaces the one before; the rest to what is waiting. */
  async *day(made: Day): AsyncGenerator<Batch> {
    this.#report.duplicates += made.duplicates;
    leave(this.#report, "unpaired", made.unpaired);
    const key = identity(this.#patient, "day", made.name);
    // No more of it: the day itself is large.
    if (made.activity.length > 0) this.#spans.set(made.number, { begun: made.begun, ended: made.ended });
    const seen = await this.#ledger.seen([key, ...made.activity.map((part) => part.key)]);
    const kept = made.activity.filter((part) => !this.#isDeleted(part, seen));
    if (kept.length > 0) {
      // Of all that the export says: a deletion alone does not change the day.
      const all = joined(made.activity.map(({ resource }) => resource));
      const mark = { key, content: content(all), at: this.#exported };
      const records = kept.reduce((sum, part) => sum + part.records, 0);
      if (this.#isNew(mark, seen, records)) {
        const resources = kept.map(({ resource }) => resource);
        const begun = { key: this.#begun(made.name), content: signed(made.begun), at: this.#exported };
        yield this.#batch("activity", `day/${made.name}`, resources, [mark, begun]);
      }
    }
    const { items, deleted, crowded, duplicates } = await glucose.told(made.glucose, this.#ledger);
    leave(this.#report, "deleted", deleted);
    leave(this.#report, "same-minute", crowded);
    this.#report.duplicates += duplicates;
    yield* this.#items([...made.items, ...items]);
  }

  /** One CSV beside the export; what is wrong with it holds back nothing else. */
  async *ecg(table: Uint8Array | Problem): AsyncGenerator<Batch> {
    this.#report.read += 1;
    if (table instanceof Problem) {
      leave(this.#report, table.code === "too-large" ? "too-large" : "unreadable", 1);
      return;
    }
    const found = ecg.isEcg(table) ? ecg.parse(table) : undefined;
    if (found === undefined) {
      leave(this.#report, ecg.isEcg(table) ? "unreadable" : "not-supported", 1);
      return;
    }
    const key = ecg.recordKey(this.#patient, found);
    if (this.#done.has(key)) {
      this.#report.duplicates += 1;
      return;
    }
    this.#done.add(key);
    yield* this.devices([found.about]);
    const context = { patient: this.#patient, device: deviceId(this.#patient, found.about) };
    const resource = encoder.encode(dump(ecg.observation(found, key, context)));
    yield* this.#items([{ category: "traces", key, resource, records: 1 }]);
  }

  /**
   * Days that were told of, and are none any more: in the zone of this export, what they began with belongs to another
   * day. Where it tells nothing at all of that time, as from a new phone, they stay.
   */
  async *emptied(): AsyncGenerator<Batch> {
    const days = new Set([...this.#spans.keys()].flatMap((day) => NEAR.map((away) => day + away)));
    const near = [...days].filter((day) => !this.#spans.has(day)).sort((a, b) => a - b);
    const names = near.map((day) => {
      const name = dayName(day);
      return { day, name, key: identity(this.#patient, "day", name), begun: this.#begun(name) };
    });
    const seen = await this.#ledger.seen(names.flatMap(({ key, begun }) => [key, begun]));
    for (const { day, name, key, begun } of names) {
      const first = seen.get(begun);
      if (!seen.has(key) || first === undefined) continue;
      const at = Number(BigInt.asIntN(128, BigInt(`0x${first.content}`)));
      const spans = NEAR.flatMap((away) => this.#spans.get(day + away) ?? []);
      const mark = { key, content: content(new Uint8Array()), at: this.#exported };
      if (spans.some(({ begun, ended }) => begun <= at && at <= ended) && this.#isNew(mark, seen, 0)) {
        yield this.#batch("activity", `day/${name}`, [], [mark]);
      }
    }
  }

  /** What names the moment at which a day began when it was told of. */
  #begun(name: string): string {
    return identity(this.#patient, "day-begun", name);
  }

  /** What still waits. */
  *rest(): Generator<Batch> {
    yield* this.#flushed("vitals");
    yield* this.#flushed("traces");
  }

  async *#items(items: readonly Item[]): AsyncGenerator<Batch> {
    const keys = items.flatMap(({ key, also }) => (also === undefined ? [key] : [key, also]));
    const seen = new Map(await this.#ledger.seen(keys));
    for (const item of await placed(items, this.#ledger, seen)) {
      const { category, key, resource, records, also } = item;
      const mark = this.#mark(key, resource);
      if (this.#isDeleted(item, seen) || !this.#isNew(mark, seen, records)) continue;
      const waiting = this.#waiting[category];
      const isFull = waiting.resources.length >= MAX_RESOURCES || waiting.bytes + resource.length + 1 > MAX_BYTES;
      if (isFull) yield* this.#flushed(category);
      waiting.resources.push(resource);
      waiting.marks.push(mark, ...(also === undefined ? [] : [{ ...mark, key: also, content: key }]));
      waiting.bytes += resource.length + 1;
    }
  }

  #mark(key: string, resource: Uint8Array): Mark {
    return { key, content: content(resource, key), at: this.#exported };
  }

  /** Count the records of what the patient took back: it does not come again. */
  #isDeleted({ key, records }: Part, seen: ReadonlyMap<string, Mark>): boolean {
    const known = seen.get(key);
    if (known === undefined || !isDeletion(known)) return false;
    leave(this.#report, "deleted", records);
    return true;
  }

  /** Count the records by whether this was queued before; what an older export says of it does not come back. */
  #isNew(mark: Mark, seen: ReadonlyMap<string, Mark>, records: number): boolean {
    const known = seen.get(mark.key);
    if (known === undefined || (known.content !== mark.content && known.at <= mark.at)) {
      this.#report.taken += records;
      return true;
    }
    if (known.content === mark.content) this.#report.duplicates += records;
    else leave(this.#report, "older-export", records);
    return false;
  }

  *#flushed(category: Item["category"]): Generator<Batch> {
    const { resources, marks } = this.#waiting[category];
    Object.assign(this.#waiting[category], { resources: [], marks: [], bytes: 0 });
    if (marks.length > 0) yield this.#batch(category, "", resources, marks);
  }

  #batch(category: Category, key: string, resources: readonly Uint8Array[], marks: readonly Mark[]): Batch {
    this.#report.envelopes += 1;
    return { category, key, resources, marks };
  }
}

const encoder = new TextEncoder();

/** A whole number in 16 bytes, as hexadecimal digits. */
function signed(value: number): string {
  return BigInt.asUintN(128, BigInt(value)).toString(16).padStart(32, "0");
}

/** Resources as NDJSON, no line end after the last. */
export function joined(resources: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const length = resources.reduce((sum, resource) => sum + resource.length + 1, 0);
  const whole = new Uint8Array(Math.max(length - 1, 0));
  let at = 0;
  for (const resource of resources) {
    whole.set(resource, at);
    at += resource.length;
    if (at < whole.length) whole[at++] = 10;
  }
  return whole;
}
