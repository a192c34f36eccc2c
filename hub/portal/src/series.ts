/** Observations as lines over time: those of one kind together, sampled data spread out. */

import type { Resource } from "./opening.ts";
import { all, concept, counts, order, plain, rank, when } from "./summary.ts";

/** One line of a chart: its name, and a value or a gap for each time; `bounds`: which are only that, and by which comparator. */
export type Line = {
  readonly name: string;
  readonly values: (number | null)[];
  readonly bounds: ReadonlyMap<number, string>;
};

/**
 * What is drawn together. `times` in Unix seconds, ascending; `daily`: a value stands for a day; `trace`: it was sampled.
 * `resources`: what it was made of, in order; but for a trace, one for each time.
 */
export type Series = {
  readonly key: string;
  readonly name: string;
  readonly unit: string;
  readonly shape: "points" | "daily" | "trace";
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  readonly resources: readonly Resource[];
};

/** Longer than this without a value, and a line is broken. */
const GAP_STEPS = 1.5;

/** All series of these resources, the ones with the newest values first; what has no numbers, or is void, is in none. */
export function series(resources: readonly Resource[]): Series[] {
  const groups = new Map<string, Resource[]>();
  for (const resource of resources) {
    if (resource["resourceType"] !== "Observation" || !counts(resource)) continue;
    const key = keyOf(resource);
    if (key === "") continue;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [resource]);
    else group.push(resource);
  }
  const made = [...groups].map(([key, group]) => drawn(key, group));
  return made.filter(({ times }) => times.length > 0).sort((a, b) => (b.times.at(-1) ?? 0) - (a.times.at(-1) ?? 0));
}

/** Same code and unit: one series. */
function keyOf(resource: Resource): string {
  const parts = [resource, ...all(resource, "component")];
  const sampled = parts.some((part) => all(part, "valueSampledData").length > 0);
  const unit = unitOf(parts);
  const code = plain(resource, "code.coding.code") || plain(resource, "code.text");
  if (!sampled && !parts.some((part) => numberAt(part) !== null)) return "";
  // One ECG is not the continuation of another.
  const single = code === "11524-6" ? ` ${String(resource["id"])}` : "";
  return `${code} ${unit}${sampled ? " sampled" : ""}${single}`;
}

function unitOf(parts: readonly unknown[]): string {
  for (const part of parts) {
    const unit = plain(part, "valueQuantity.unit") || plain(part, "valueSampledData.origin.unit");
    if (unit) return unit;
  }
  return "";
}

function drawn(key: string, group: readonly Resource[]): Series {
  const [newest] = group;
  const name = concept(newest?.["code"]);
  const parts = newest === undefined ? [] : [newest, ...all(newest, "component")];
  const unit = unitOf(parts);
  const ordered = group
    .map((resource) => ({ resource, at: order(when(resource)) / 1000 }))
    .filter(({ at }) => Number.isFinite(at))
    .sort((a, b) => a.at - b.at);
  const resources = ordered.map(({ resource }) => resource);
  if (key.includes(" sampled")) return { key, name, unit, shape: "trace", resources, ...spread(name, ordered) };
  const isDaily = ordered.every(({ resource }) => plain(resource, "effectivePeriod.end") !== "" || isDay(when(resource)));
  return { key, name, unit, shape: isDaily ? "daily" : "points", resources, ...lines(name, ordered) };
}

type Dated = { readonly resource: Resource; readonly at: number };
type Drawn = Pick<Series, "times" | "lines">;

function isDay(date: string): boolean {
  return date.length === 10;
}

function lines(name: string, ordered: readonly Dated[]): Drawn {
  const found = new Map<string, { place: number; values: (number | null)[]; bounds: Map<number, string> }>();
  const put = (line: string, at: number, part: unknown) => {
    const value = numberAt(part);
    if (value === null) return;
    let known = found.get(line);
    if (known === undefined) {
      known = { place: rank(part), values: new Array<number | null>(ordered.length).fill(null), bounds: new Map() };
      found.set(line, known);
    }
    known.values[at] = value;
    const comparator = plain(part, "valueQuantity.comparator");
    if (comparator) known.bounds.set(at, comparator);
  };
  ordered.forEach(({ resource }, at) => {
    put(name, at, resource);
    for (const part of all(resource, "component")) put(concept(all(part, "code")[0]) || name, at, part);
  });
  const times = ordered.map(({ at }) => at);
  const inPlace = [...found].sort(([, a], [, b]) => a.place - b.place);
  return { times, lines: inPlace.map(([line, { values, bounds }]) => ({ name: line, values, bounds })) };
}

function numberAt(part: unknown): number | null {
  const [value] = all(part, "valueQuantity.value");
  return typeof value === "number" ? value : null;
}

/** Sampled data one after the other; between two that do not follow each other the line is broken. */
function spread(name: string, ordered: readonly Dated[]): Drawn {
  const times: number[] = [];
  const values: (number | null)[] = [];
  for (const { resource, at } of ordered) {
    for (const part of [resource, ...all(resource, "component")]) {
      const [sampled] = all(part, "valueSampledData");
      if (sampled === undefined) continue;
      const step = Number(all(sampled, "period")[0]) / 1000;
      const [origin, factor] = [Number(all(sampled, "origin.value")[0] ?? 0), Number(all(sampled, "factor")[0] ?? 1)];
      const last = times.at(-1);
      if (last !== undefined && at <= last) continue; // the same stretch from another source
      if (last !== undefined && at - last > GAP_STEPS * step) {
        times.push(last + step);
        values.push(null);
      }
      let time = at;
      for (const token of plain(sampled, "data").split(" ")) {
        const number = Number(token);
        times.push(time);
        values.push(Number.isNaN(number) ? null : origin + number * factor);
        time += step;
      }
    }
  }
  return { times, lines: [{ name, values, bounds: new Map() }] };
}

/** Least, mean and greatest value of each day, for those who read a trace as a table. */
export function byDay({ times, lines: [line] }: Series): { day: number; least: number; mean: number; greatest: number }[] {
  const found = new Map<number, { sum: number; count: number; least: number; greatest: number }>();
  times.forEach((time, at) => {
    const value = line?.values[at];
    if (value === null || value === undefined) return;
    const day = new Date(time * 1000).setHours(0, 0, 0, 0);
    const known = found.get(day) ?? { sum: 0, count: 0, least: Infinity, greatest: -Infinity };
    known.sum += value;
    known.count += 1;
    known.least = Math.min(known.least, value);
    known.greatest = Math.max(known.greatest, value);
    found.set(day, known);
  });
  return [...found].map(([day, { sum, count, least, greatest }]) => ({ day, least, mean: sum / count, greatest }));
}
