/**
 * Glucose of a day: the readings of a sensor as one series, those of a finger each for itself. The twin of `glucose.py`.
 *
 * Whether a source is a sensor is judged by each export anew, and a later one may judge otherwise. What was queued stays
 * as it was: a day that went out as a series goes on as one, and what went out for itself enters no series.
 */

import type { Glucose, Item } from "./day.ts";
import type { Single } from "./intake.ts";
import { dump } from "./json.ts";
import { dateTime, moment, written } from "./moments.ts";
import { series as seriesOf } from "./observations.ts";
import { metric } from "./tables.ts";

const encoder = new TextEncoder();

/**
 * Readings on a grid of five minutes, or of one where two would fall together; and how many still do. Of those the first
 * is kept: a place of the grid holds one.
 */
export function series(about: Glucose, found: readonly Single[]): { readonly item: Item; readonly crowded: number } {
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
