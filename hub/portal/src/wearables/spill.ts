/**
 * Bytes gathered by day and slot in bounded memory: what goes over the budget is packed, and still nowhere but here.
 *
 * An export comes ordered by type, then roughly by time; nothing promises even that. So a day is complete only when the
 * whole file has been read, and until then its parts wait here. A browser's disk is no place for what is not sealed.
 */

const SLOTS = 128;
const BLOCK = 1 << 20;

/** Bytes that grow; `doubles` is the same memory. */
export class Gathered {
  bytes = new Uint8Array(8 * 24);
  doubles = new Float64Array(this.bytes.buffer);
  length = 0;

  /** Put three floats at the end. */
  three(a: number, b: number, c: number): void {
    if (this.length + 24 > this.bytes.length) this.#grow(24);
    const at = this.length / 8;
    this.doubles[at] = a;
    this.doubles[at + 1] = b;
    this.doubles[at + 2] = c;
    this.length += 24;
  }

  /** Put bytes at the end. */
  write(data: Uint8Array): void {
    if (this.length + data.length > this.bytes.length) this.#grow(data.length);
    this.bytes.set(data, this.length);
    this.length += data.length;
  }

  #grow(more: number): void {
    const larger = new Uint8Array(Math.ceil(Math.max(2 * this.bytes.length, this.length + more) / 8) * 8);
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
    this.doubles = new Float64Array(larger.buffer);
  }
}

type Slots = Map<number, Uint8Array>;
type Segment = { readonly key: number; readonly block: number; readonly offset: number; readonly length: number };
/** What was in memory at one time: segments in order of their keys, and the packed blocks that they lie in. */
type Run = { readonly segments: Segment[]; readonly blocks: Uint8Array<ArrayBuffer>[] };

export class Spill {
  readonly #budget: number;
  readonly #runs: Run[] = [];
  #gathered = new Map<number, Gathered>();

  /** `budget` in bytes of what is not packed. */
  constructor(budget: number) {
    this.#budget = budget;
  }

  /** Where bytes of a day (since 1970) and slot (below 128) are put; good until `settle`. */
  at(day: number, slot: number): Gathered {
    const key = day * SLOTS + slot;
    let found = this.#gathered.get(key);
    if (found === undefined) {
      found = new Gathered();
      this.#gathered.set(key, found);
    }
    return found;
  }

  /** Pack everything once it is over the budget. */
  async settle(): Promise<void> {
    let total = 0;
    for (const { bytes } of this.#gathered.values()) total += bytes.length;
    if (total <= this.#budget) return;
    const segments: Segment[] = [];
    const blocks: Uint8Array<ArrayBuffer>[] = [];
    let block = new Gathered();
    for (const [key, { bytes, length }] of ordered(this.#gathered)) {
      segments.push({ key, block: blocks.length, offset: block.length, length });
      block.write(bytes.subarray(0, length));
      if (block.length < BLOCK) continue;
      blocks.push(await packed(block));
      block = new Gathered();
    }
    blocks.push(await packed(block));
    this.#runs.push({ segments, blocks });
    this.#gathered = new Map();
  }

  /** Each day in order with its slots in order; read once, when all has been written. */
  async *days(): AsyncGenerator<readonly [number, Slots]> {
    const keys = new Set(this.#gathered.keys());
    for (const run of this.#runs) for (const { key } of run.segments) keys.add(key);
    const readers = this.#runs.map((run) => new RunReader(run));
    let [day, slots]: [number, Slots] = [NaN, new Map()];
    for (const key of [...keys].sort((a, b) => a - b)) {
      const here = Math.floor(key / SLOTS);
      if (here !== day) {
        if (slots.size > 0) yield [day, slots];
        [day, slots] = [here, new Map()];
      }
      const whole = new Gathered();
      for (const reader of readers) whole.write(await reader.take(key));
      const last = this.#gathered.get(key);
      if (last !== undefined) whole.write(last.bytes.subarray(0, last.length));
      slots.set(key - day * SLOTS, whole.bytes.subarray(0, whole.length));
      this.#gathered.delete(key);
    }
    if (slots.size > 0) yield [day, slots];
  }
}

/** Reads a run in the order of its keys, one block unpacked at a time. */
class RunReader {
  readonly #run: Run;
  #next = 0;
  #number = -1;
  #block = new Uint8Array();

  constructor(run: Run) {
    this.#run = run;
  }

  /** The bytes of a key, none where it has none; keys are asked for in order. */
  async take(key: number): Promise<Uint8Array> {
    const segment = this.#run.segments[this.#next];
    if (segment?.key !== key) return new Uint8Array();
    this.#next += 1;
    if (segment.block !== this.#number) {
      this.#block = await through(this.#run.blocks[segment.block]!, new DecompressionStream("deflate-raw"));
      this.#number = segment.block;
    }
    return this.#block.subarray(segment.offset, segment.offset + segment.length);
  }
}

function ordered(gathered: ReadonlyMap<number, Gathered>): [number, Gathered][] {
  return [...gathered].sort(([a], [b]) => a - b);
}

async function packed({ bytes, length }: Gathered): Promise<Uint8Array<ArrayBuffer>> {
  return through(bytes.subarray(0, length), new CompressionStream("deflate-raw"));
}

async function through(
  data: Uint8Array<ArrayBuffer>,
  stream: CompressionStream | DecompressionStream,
): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Response(new Blob([data]).stream().pipeThrough(stream)).arrayBuffer());
}
