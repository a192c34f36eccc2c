/**
 * What a day comes to: totals without double counting, heart rate, sleep. Pure; knows nothing of files or FHIR.
 *
 * The twin of `connectors/wearables/daily.py`, which says why. For each stretch of time the source that ranks highest
 * counts, and of the others only what lies outside its stretches, in proportion to their length.
 */

import { sum } from "./numbers.ts";
import type { Gathered } from "./spill.ts";

/**
 * A record, or the part of one on one day.
 *
 * `start` in seconds since 1970, `duration` in seconds, `offset` in minutes, `counted` for a record's first part.
 */
export type Piece = {
  readonly start: number;
  readonly duration: number;
  readonly offset: number;
  readonly source: number;
  readonly counted: boolean;
  readonly value: number;
};

/** Source → its rank, the best is least; the same source under two software versions ranks the same. */
export type Ranks = readonly number[];

// A piece is three floats: start and whether it counts; source, duration and offset in 53 bits; the value.
const [DURATIONS, OFFSETS, LEAST_OFFSET] = [2 ** 22, 2 ** 11, -1024];

export function pack(
  to: Gathered,
  start: number,
  duration: number,
  offset: number,
  source: number,
  counted: boolean,
  value: number,
): void {
  to.three(start * 2 + (counted ? 1 : 0), (source * DURATIONS + duration) * OFFSETS + offset - LEAST_OFFSET, value);
}

/** Lists of what has one key, in the order in which the keys first come. */
export function grouped<Key, Value>(values: Iterable<Value>, keyOf: (value: Value) => Key): Map<Key, Value[]> {
  const groups = new Map<Key, Value[]>();
  for (const value of values) {
    const key = keyOf(value);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [value]);
    else group.push(value);
  }
  return groups;
}

function unpack(packed: Uint8Array): Piece[] {
  const doubles = new Float64Array(packed.buffer, packed.byteOffset, packed.byteLength / 8);
  const found = new Array<Piece>(doubles.length / 3);
  for (let i = 0; i < found.length; i += 1) {
    const [time = 0, place = 0, value = 0] = [doubles[3 * i], doubles[3 * i + 1], doubles[3 * i + 2]];
    const start = Math.floor(time / 2);
    const rest = Math.floor(place / OFFSETS);
    const source = Math.floor(rest / DURATIONS);
    found[i] = {
      start,
      duration: rest - source * DURATIONS,
      offset: place - rest * OFFSETS + LEAST_OFFSET,
      source,
      counted: time !== start * 2,
      value,
    };
  }
  return found;
}

/** Pieces by time; equal ones are the same record. */
export function inOrder(a: Piece, b: Piece): number {
  return (
    a.start - b.start ||
    a.duration - b.duration ||
    a.offset - b.offset ||
    Number(a.counted) - Number(b.counted) ||
    a.value - b.value ||
    // Last, so that what comes first by the others does not hang on how sources are numbered.
    a.source - b.source ||
    Number(Object.is(b.value, -0)) - Number(Object.is(a.value, -0))
  );
}

/** Unpack; equal records count once. Gives the pieces by time, and the number of repeated records. */
export function unique(packed: Uint8Array): { readonly pieces: Piece[]; readonly repeated: number } {
  const pieces = unpack(packed).sort(inOrder);
  let [kept, repeated] = [0, 0];
  for (const piece of pieces) {
    const last = pieces[kept - 1];
    if (kept > 0 && last !== undefined && inOrder(last, piece) === 0) repeated += Number(piece.counted);
    else pieces[kept++] = piece;
  }
  pieces.length = kept;
  return { pieces, repeated };
}

/** The sum of the values without double counting; `pieces` by time. */
export function total(pieces: readonly Piece[], ranks: Ranks): number {
  const values: number[] = [];
  forUncovered(pieces, ranks, (piece, seconds) => {
    values.push(piece.value * (piece.duration ? seconds / piece.duration : seconds));
  });
  return sum(values);
}

/** Tell each piece with the seconds of it that count; for one without length 1 or 0. */
function forUncovered(pieces: readonly Piece[], ranks: Ranks, tell: (piece: Piece, seconds: number) => void): void {
  const groups = grouped(pieces, (piece) => ranks[piece.source] ?? 0);
  let covered = new Cover([], new Set());
  for (const [, mine] of [...groups].sort(([a], [b]) => a - b)) {
    let frontier = -Infinity;
    for (const piece of mine) {
      const [begin, end] = [Math.max(piece.start, frontier), piece.start + piece.duration];
      if (piece.duration) {
        tell(piece, end > begin ? Math.max(0, end - begin - covered.seconds(begin, end)) : 0);
      } else {
        tell(piece, piece.start < frontier || covered.holds(piece.start) ? 0 : 1);
      }
      frontier = Math.max(frontier, end);
    }
    covered = covered.joined(mine.map((piece) => [piece.start, piece.start + piece.duration]));
  }
}

type Span = readonly [number, number];

/** Disjoint spans in order, and the moments at which something without length was counted. */
class Cover {
  readonly #spans: readonly Span[];
  readonly #instants: ReadonlySet<number>;

  constructor(spans: readonly Span[], instants: ReadonlySet<number>) {
    this.#spans = spans;
    this.#instants = instants;
  }

  /** How much of a span is covered. */
  seconds(begin: number, end: number): number {
    let found = 0;
    for (let at = Math.max(0, this.#behind(begin) - 1); at < this.#spans.length; at += 1) {
      const [start, stop] = this.#spans[at]!;
      if (start >= end) break;
      found += Math.max(0, Math.min(end, stop) - Math.max(begin, start));
    }
    return found;
  }

  /** Whether a moment is covered. */
  holds(moment: number): boolean {
    const span = this.#spans[this.#behind(moment) - 1];
    return this.#instants.has(moment) || (span !== undefined && moment < span[1]);
  }

  /** This and more. */
  joined(more: readonly Span[]): Cover {
    const merged: [number, number][] = [];
    const spans = [...this.#spans, ...more.filter(([start, end]) => start < end)];
    for (const [start, end] of spans.sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
      const last = merged.at(-1);
      if (last !== undefined && start <= last[1]) last[1] = Math.max(last[1], end);
      else merged.push([start, end]);
    }
    const instants = more.filter(([start, end]) => start === end).map(([start]) => start);
    return new Cover(merged, new Set([...this.#instants, ...instants]));
  }

  /** How many spans begin at a moment or before. */
  #behind(moment: number): number {
    let [low, high] = [0, this.#spans.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#spans[middle]![0] <= moment) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Mean of the readings in each minute, by the minute since 1970. */
export function minuteMeans(pieces: readonly Piece[]): Map<number, number> {
  const minutes = grouped(pieces, (piece) => Math.floor(piece.start / 60));
  return new Map([...minutes].map(([minute, mine]) => [minute, sum(mine.map(({ value }) => value)) / mine.length]));
}

/** Of a day: least and greatest reading, mean of the minutes that were measured. */
export type HeartRate = { readonly least: number; readonly mean: number; readonly greatest: number };

/**
 * Heart rate by pieces of one source; there must be some.
 *
 * The mean is over minutes, so that a workout measured every five seconds weighs no more than the minutes it lasted.
 */
export function heartRate(pieces: readonly Piece[]): HeartRate {
  const means = minuteMeans(pieces);
  let [least, greatest] = [Infinity, -Infinity];
  for (const { value } of pieces) {
    least = Math.min(least, value);
    greatest = Math.max(greatest, value);
  }
  return { least, mean: sum(means.values()) / means.size, greatest };
}

/** The pieces of the source that ranks highest. */
export function best(pieces: readonly Piece[], ranks: Ranks): Piece[] {
  const rank = (piece: Piece): number => ranks[piece.source] ?? 0;
  const first = pieces.reduce((least, piece) => Math.min(least, rank(piece)), Infinity);
  return pieces.filter((piece) => rank(piece) === first);
}

/**
 * Seconds of each stage of a night; `value` of a piece is an index of `stages`.
 *
 * Time in bed is told besides the stages and covers none of them.
 */
export function night(pieces: readonly Piece[], stages: readonly string[], ranks: Ranks): Map<string, number> {
  const seconds = new Map<string, number>();
  const isInBed = (piece: Piece): boolean => stages[piece.value] === "in-bed";
  for (const group of [pieces.filter(isInBed), pieces.filter((piece) => !isInBed(piece))]) {
    forUncovered(group, ranks, (piece, free) => {
      const stage = stages[piece.value] ?? "";
      if (piece.duration) seconds.set(stage, (seconds.get(stage) ?? 0) + free);
    });
  }
  return seconds;
}
