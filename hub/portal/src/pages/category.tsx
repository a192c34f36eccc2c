/** One category: charts where there are numbers over time, and all entries. */

import { useMemo, useState } from "preact/hooks";
import type { Name } from "../categories.ts";
import { exact, localNumber } from "../exact.ts";
import type { Stored } from "../client/stored.ts";
import type { Resource } from "../opening.ts";
import { byDay, type Series, series } from "../series.ts";
import { all, amount, concept, counts, flag, limits, localDate, NONE, title, unitName, value, when } from "../summary.ts";
import { dates, language, text } from "../text.ts";
import { Button } from "../ui/button.tsx";
import { Chart } from "../ui/chart.tsx";
import { type Row, Table } from "../ui/table.tsx";
import type { Shown } from "../ui/shown.ts";
import { type Actions, Entries } from "./entry.tsx";

const DRAWN: readonly Name[] = ["vitals", "activity", "traces", "lab"];
const AT_ONCE = 50;

type CategoryProps = {
  readonly name: Name;
  readonly record: Shown;
  readonly actions: Actions;
  readonly entries: readonly Stored[];
};

export function Category({ name, record, actions, entries }: CategoryProps) {
  const isLab = name === "lab";
  const drawn = useMemo(() => {
    const all = DRAWN.includes(name) ? series(entries.map(({ resource }) => resource)) : [];
    return isLab ? all.filter(({ times }) => times.length > 1) : all;
  }, [entries, name, language()]);
  const written = useMemo(() => new Map(entries.map(({ resource, raw }) => [resource, raw])), [entries]);
  return (
    <>
      {isLab && <Findings entries={entries} />}
      {drawn.map((one) => (
        <Drawn key={one.key} series={one} written={written} />
      ))}
      {entries.length > 0 && (
        <section class="each">
          {(drawn.length > 0 || isLab) && <h2>{text("data.each")}</h2>}
          <Entries record={record} actions={actions} entries={entries} />
        </section>
      )}
    </>
  );
}

/** Resources as they were written: numbers keep their digits there. */
type Written = ReadonlyMap<Resource, Uint8Array>;

/** One series as a chart and, for those who do not see it, or want the numbers, as a table. */
function Drawn({ series: one, written }: { series: Series; written: Written }) {
  const [open, setOpen] = useState(false);
  const isCurve = one.times.length > 1;
  const newest = useMemo(() => newestOf(one, written), [one, written, language()]);
  return (
    <section class="card drawn">
      <h2>{one.name}</h2>
      <p class="newest">
        <strong>{newest}</strong> <span class="muted">{timeName(one.times.at(-1) ?? 0, one.shape)}</span>
      </p>
      {isCurve && <Chart series={one} label={text("chart.label", { name: one.name, value: newest })} />}
      {isCurve && (
        <details onToggle={(event) => setOpen(event.currentTarget.open)}>
          <summary>{text("chart.table")}</summary>
          {open && <Numbers series={one} written={written} />}
        </details>
      )}
    </section>
  );
}

function newestOf({ lines: [line], unit, shape, resources }: Series, written: Written): string {
  const [resource] = resources.slice(-1);
  if (shape !== "trace" && resource !== undefined) return value(exactly(resource, written));
  const last = line?.values.filter((one) => one !== null).at(-1);
  return typeof last === "number" ? `${number(last)} ${unitName(unit)}` : "";
}

function exactly(resource: Resource, written: Written): unknown {
  const raw = written.get(resource);
  return raw === undefined ? resource : exact(raw);
}

function number(value: number): string {
  return localNumber(String(Math.round(value * 100) / 100), language());
}

function timeName(time: number, shape: Series["shape"]): string {
  const clock = shape === "daily" ? {} : { timeStyle: "short" as const };
  return dates({ dateStyle: "medium", ...clock }).format(time * 1000);
}

/** The newest first; what was sampled by the minute is told by the day. */
function Numbers({ series: one, written }: { series: Series; written: Written }) {
  const [count, setCount] = useState(AT_ONCE);
  const days = useMemo(() => (one.shape === "trace" ? byDay(one).reverse() : []), [one]);
  const length = one.shape === "trace" ? days.length : one.times.length;
  const unit = unitName(one.unit) && ` (${one.unit})`;
  const rows = one.shape === "trace" ? days.slice(0, count).map(dayRow) : exactRows(one, written, count);
  const names = one.shape === "trace" ? DAY_HEAD.map((key) => text(key)) : one.lines.map(({ name }) => name);
  const head = [text("chart.when"), ...names.map((name) => name + unit)];
  return (
    <>
      <Table caption={text("chart.table-of", { name: one.name })} head={head} rows={rows} />
      {count < length && (
        <Button onClick={() => setCount(count + AT_ONCE)}>{text("data.more", { count: length - count })}</Button>
      )}
    </>
  );
}

const DAY_HEAD = ["chart.least", "chart.mean", "chart.greatest"] as const;

function dayRow({ day, least, mean, greatest }: ReturnType<typeof byDay>[number]): Row {
  return { key: String(day), cells: [timeName(day / 1000, "daily"), number(least), number(mean), number(greatest)] };
}

/** The last `count` values of a series, as they were written. */
function exactRows({ times, lines, resources, shape }: Series, written: Written, count: number): Row[] {
  const rows: Row[] = [];
  for (let i = times.length - 1; i >= Math.max(0, times.length - count); i -= 1) {
    const [time, resource] = [times[i] ?? 0, resources[i]];
    const parts = resource === undefined ? new Map<string, string>() : partsOf(exactly(resource, written));
    rows.push({ key: String(i), cells: [timeName(time, shape), ...lines.map(({ name }) => parts.get(name) ?? NONE)] });
  }
  return rows;
}

/** An Observation's own value and those of its components without their units, by name. */
function partsOf(full: unknown): Map<string, string> {
  const name = concept(all(full, "code")[0]);
  const found = new Map<string, string>();
  for (const part of [full, ...all(full, "component")]) {
    const digits = amount(all(part, "valueQuantity")[0]);
    const said = part === full ? name : concept(all(part, "code")[0]) || name;
    if (digits) found.set(said, digits);
  }
  return found;
}

/** Findings of a laboratory: the newest of each kind with its reference range; beside it is said in words. */
function Findings({ entries }: { entries: readonly Stored[] }) {
  const rows = useMemo(() => {
    const newest = new Map<string, Stored>();
    for (const entry of entries) {
      const name = title(entry.resource);
      const isFinding = entry.resource["resourceType"] === "Observation" && counts(entry.resource);
      if (isFinding && !newest.has(name)) newest.set(name, entry);
    }
    return [...newest].map(([name, entry]) => {
      const full = exact(entry.raw);
      const mark = flag(full);
      const range = all(full, "referenceRange").map(limits).filter(Boolean).join("; ");
      const judged = mark && <span class={`flag ${mark}`}>{text(`flag.${mark}`)}</span>;
      return { key: name, cells: [name, value(full), judged, range || NONE, localDate(when(entry.resource))] };
    });
  }, [entries, language()]);
  const head = [text("lab.finding"), text("lab.value"), text("lab.judged"), text("fact.range"), text("chart.when")];
  if (rows.length === 0) return null;
  return (
    <section class="card findings">
      <h2>{text("lab.newest")}</h2>
      <Table caption={text("lab.newest")} head={head} rows={rows} />
    </section>
  );
}
