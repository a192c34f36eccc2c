/**
 * The zip of an Apple Health export: which files in it count, and streams of them that cannot blow up.
 *
 * The twin of `connectors/wearables/archive.py`. A zip tells its sizes itself, so they are not believed: the bytes that
 * really come out are counted against an absolute limit and against the bytes they came from. Names are localised, so
 * the export is known by how it begins. Only stored and deflated files are read; Apple writes no others.
 */

import { Problem } from "../problems.ts";
import { byCodePoints } from "./texts.ts";
import { DEFLATED, directory, inflated, packed, STORED, type Entry } from "./zip.ts";

const CHUNK = 1 << 18;
const SNIFF_BYTES = 4096;
/** Bytes up to which a ratio says nothing: a small export of equal lines packs well and harms nobody. */
const RATIO_APPLIES_FROM = 64 << 20;
const HEALTH_DATA = /<!DOCTYPE[\t-\r ]+HealthData(?![A-Za-z0-9_])|<HealthData[\t-\r >/]/;

/** How much an export may hold: bytes of XML, bytes out for each byte in, files, bytes of one ECG. */
export type Limits = {
  readonly xmlBytes: number;
  readonly ratio: number;
  readonly files: number;
  readonly ecgBytes: number;
};
export const LIMITS: Limits = { xmlBytes: 64 * 2 ** 30, ratio: 250, files: 200_000, ecgBytes: 8 << 20 };

/** An opened export: a zip, or the bare `export.xml` out of one. */
export class Archive {
  /** How far the file has been read, in bytes. */
  position = 0;
  readonly #file: Blob;
  readonly #limits: Limits;
  readonly #entries: readonly Entry[];
  readonly #export: Entry | undefined;

  private constructor(file: Blob, limits: Limits, entries: readonly Entry[], found?: Entry) {
    this.#file = file;
    this.#limits = limits;
    this.#entries = entries;
    this.#export = found;
  }

  /** Find the export in a file. Throws `Problem` for anything else. */
  static async open(file: Blob, limits: Limits): Promise<Archive> {
    const head = latin1(await bytes(file, 0, SNIFF_BYTES));
    if (!head.startsWith("PK")) {
      if (isHealthData(head)) return new Archive(file, limits, []);
      throw new Problem("not-supported", "This is neither a zip nor an Apple Health export.");
    }
    const entries = await reading(() => directory(file));
    if (entries.length > limits.files) throw new Problem("too-large", "The zip holds more files than an export has.");
    for (const entry of candidates(entries)) {
      const archive = new Archive(file, limits, entries, entry);
      if (isHealthData(latin1(await archive.#head(entry)))) return archive;
    }
    throw new Problem("invalid", "There is no Apple Health export in this zip.");
  }

  /** The XML in chunks. Throws `Problem`: `too-large` at a limit, `invalid` where the zip is damaged. */
  export(): AsyncGenerator<Uint8Array> {
    const limit = this.#limits.xmlBytes;
    if (this.#export !== undefined) return this.#chunksOf(this.#export, limit);
    return counted(this.#chunks(0, this.#file.size), limit);
  }

  /** Each CSV of the zip whole, in order of name; one that cannot be read, or is too large, as its `Problem`. */
  async *tables(): AsyncGenerator<Uint8Array | Problem> {
    const tables = this.#entries.filter((entry) => isFile(entry, ".csv"));
    for (const entry of tables.sort((a, b) => byCodePoints(a.name, b.name))) yield await this.#table(entry);
  }

  async #table(entry: Entry): Promise<Uint8Array | Problem> {
    if (entry.size > this.#limits.ecgBytes) return overLimit();
    try {
      return await gathered(this.#chunksOf(entry, this.#limits.ecgBytes), Infinity);
    } catch (error) {
      if (error instanceof Problem) return error;
      throw error;
    }
  }

  async #head(entry: Entry): Promise<Uint8Array> {
    const head = await gathered(this.#chunksOf(entry, this.#limits.xmlBytes), SNIFF_BYTES);
    return head.subarray(0, SNIFF_BYTES);
  }

  async *#chunksOf(entry: Entry, limit: number): AsyncGenerator<Uint8Array> {
    const { start, end } = await reading(() => packed(this.#file, entry));
    if (entry.method !== STORED && entry.method !== DEFLATED) throw damaged();
    const source = inflated(this.#chunks(start, end), entry);
    let given = 0;
    try {
      for (;;) {
        const next = await reading(() => source.next());
        if (next.done) return;
        given += next.value.length;
        if (given > limit) throw overLimit();
        if (given > RATIO_APPLIES_FROM && given > entry.packedSize * this.#limits.ratio) {
          throw new Problem("too-large", "The zip unpacks to far more than an export does.");
        }
        yield next.value;
      }
    } finally {
      await source.return(undefined);
    }
  }

  async *#chunks(start: number, end: number): AsyncGenerator<Uint8Array> {
    for (let at = start; at < end; at += CHUNK) {
      this.position = Math.min(at + CHUNK, end);
      yield await reading(() => bytes(this.#file, at, this.position));
    }
  }
}

/** Whether a file that begins so is the XML of a health export. */
function isHealthData(head: string): boolean {
  return /^(?:\xef\xbb\xbf)?[\t-\r ]*</.test(head) && HEALTH_DATA.test(head);
}

/** What may be the export; the one nearest to the top comes first, then by name. */
function candidates(entries: readonly Entry[]): Entry[] {
  const depth = (entry: Entry): number => entry.name.split("/").length;
  const found = entries.filter((entry) => isFile(entry, ".xml"));
  return found.sort((a, b) => depth(a) - depth(b) || byCodePoints(a.name, b.name));
}

function isFile(entry: Entry, ending: string): boolean {
  return entry.name.toLowerCase().endsWith(ending) && !entry.name.includes("__MACOSX");
}

async function* counted(chunks: AsyncGenerator<Uint8Array>, limit: number): AsyncGenerator<Uint8Array> {
  let given = 0;
  for await (const chunk of chunks) {
    given += chunk.length;
    if (given > limit) throw overLimit();
    yield chunk;
  }
}

/** The first chunks in one, up to about so many bytes. */
async function gathered(chunks: AsyncGenerator<Uint8Array>, enough: number): Promise<Uint8Array> {
  const found: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    found.push(chunk);
    length += chunk.length;
    if (length >= enough) break;
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of found) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

async function bytes(file: Blob, start: number, end: number): Promise<Uint8Array> {
  return new Uint8Array(await file.slice(start, end).arrayBuffer());
}

function latin1(data: Uint8Array): string {
  return String.fromCharCode(...data);
}

/** Whatever reading throws that is no refusal of ours comes from a file that is not whole, or gone. */
async function reading<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw error instanceof Problem ? error : damaged();
  }
}

function overLimit(): Problem {
  return new Problem("too-large", "The export is larger than the limit.");
}

function damaged(): Problem {
  return new Problem("invalid", "The zip is cut off, damaged or encrypted.");
}
