/**
 * Glucose of a day: the readings of a sensor as one series, those of a finger each for itself. The twin of `glucose.py`.
 *
 * Whether a source is a sensor is judged by each export anew, and a later one may judge otherwise. What was queued stays
 * as it was: a day that went out as a series goes on as one, and what went out for itself enters no series.
 */

import { known } from "./coincident.ts";
import type { Glucose, Item } from "./day.ts";
import type { Single } from "./intake.ts";
import { dump } from "./json.ts";
import { isDeletion, type Ledger, type Mark } from "./ledger.ts";
import { dateTime, moment, written } from "./moments.ts";
import { numbered, series as seriesOf } from "./observations.ts";
import { metric } from "./tables.ts";

const encoder = new TextEncoder();

/** What is to be told of a day's readings, and how many are left: deleted, in a minute with another, told singly before. */
export type Told = {
  readonly items: readonly Item[];
  readonly deleted: number;
  readonly crowded: number;
  readonly duplicates: number;
};

/** As they went out before, should this export judge otherwise: so nothing is there in both ways. */
export async function told(found: readonly Glucose[], ledger: Ledger): Promise<Told> {
  const names = found.flatMap(({ sensor, readings }) => [sensor, ...readings.flatMap(([key, own]) => [key, own])]);
  const seen = new Map(await ledger.seen(names));
  const sensors = found.filter(({ sensor, singly }) => singly.length === 0 || seen.has(sensor));
  const items = found.flatMap(({ sensor, singly }) => (seen.has(sensor) ? [] : singly));
  const all = sensors.flatMap((each) => each.readings.map(([key, own, single]) => ({ each, key, own, single })));
  const places = await known(counted(all), ledger, seen);
  const apart = new Map(
    [...places].map(([key, marks]) => [key, new Map([...marks].map(([place, mark]) => [numbered(key, place), mark]))]),
  );
  const unknown = (own: string | undefined): number => Number(!seen.has(own ?? ""));
  // Of what went out for itself at a moment, as much as still does is not a sensor's.
  for (const { key, also } of [...items].sort((a, b) => unknown(a.also) - unknown(b.also))) {
    claimed(apart.get(key), also, seen);
  }
  let [deleted, crowded, duplicates] = [0, 0, 0];
  const waiting = new Map(sensors.map((each): [Glucose, Single[]] => [each, []]));
  for (const { each, key, own, single } of all.sort((a, b) => unknown(a.own) - unknown(b.own))) {
    const mark = claimed(apart.get(key), own, seen);
    if (mark === undefined) waiting.get(each)?.push(single);
    else if (isDeletion(mark)) deleted += 1;
    else duplicates += 1;
  }
  for (const [each, mine] of waiting) {
    if (mine.length === 0) continue;
    const made = series(each, mine);
    items.push(made.item);
    crowded += made.crowded;
  }
  return { items, deleted, crowded, duplicates };
}

/** The mark of what went out as `own`, by its id, or the first where nothing did; it is not free any more. */
function claimed(
  free: Map<string, Mark> | undefined,
  own: string | undefined,
  seen: ReadonlyMap<string, Mark>,
): Mark | undefined {
  const [first = ""] = free?.keys() ?? [];
  const name = seen.get(own ?? "")?.content ?? first;
  const mark = free?.get(name);
  free?.delete(name);
  return mark;
}

/** How often each key is there. */
function counted(keyed: Iterable<{ readonly key: string }>): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { key } of keyed) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

/**
 * Readings on a grid of five minutes, or of one where two would fall together; and how many still do. Of those the first
 * is kept: a place of the grid holds one.
 */
function series(about: Glucose, found: readonly Single[]): { readonly item: Item; readonly crowded: number } {
  const readings = found.map((single) => ({ value: single.value, at: moment(single.start)!, start: single.start }));
  readings.sort((a, b) => a.at.epoch - b.at.epoch);
  const [first, last] = [readings[0]!, readings.at(-1)!];
  const gridOf = (interval: number): Map<number, string> => {
    const grid = new Map<number, string>();
    for (const { at, value } of readings) {
      const place = Math.floor((at.epoch - first.at.epoch + interval / 2) / interval);
      if (!grid.has(place)) grid.set(place, value);
    }
    return grid;
  };
  const wide = gridOf(300);
  const interval = wide.size === readings.length ? 300 : 60;
  const grid = interval === 300 ? wide : gridOf(60);
  const end = Math.max(...grid.keys());
  const data = Array.from({ length: end + 1 }, (_, place) => grid.get(place) ?? "E");
  const observation = seriesOf(
    metric(`cgm-${about.kind}`),
    data.join(" "),
    interval * 1000,
    { start: dateTime(first.start), end: written(first.at.epoch + end * interval, last.at.offset) },
    about.key,
    about.context,
    about.status,
  );
  const resource = encoder.encode(dump(observation));
  const item = { category: "traces", key: about.key, resource, records: grid.size, also: about.sensor } as const;
  return { item, crowded: readings.length - grid.size };
}
