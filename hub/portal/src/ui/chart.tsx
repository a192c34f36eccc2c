/**
 * A chart over time: drawn by uPlot, moved by pointer, touch or buttons. It shows nothing that the table beside it does
 * not say.
 */

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import type { Series } from "../series.ts";
import { NONE, unitName } from "../summary.ts";
import { dates, numbers, text } from "../text.ts";
import { Button } from "./button.tsx";

const DAY = 86_400;
const EMPTY = "\u00a0";
const HEIGHT = 220;
/** So many are shown at once at first; of more, the last month. */
const FEW = 40;
const SPANS = [
  ["chart.day", DAY],
  ["chart.week", 7 * DAY],
  ["chart.month", 31 * DAY],
  ["chart.year", 366 * DAY],
] as const;
const COLOURS = ["--accent", "--second", "--third", "--fourth", "--muted"];

export function Chart({ series, label }: { series: Series; label: string }) {
  const place = useRef<HTMLDivElement>(null);
  const caption = useRef<HTMLElement>(null);
  const plot = useRef<uPlot | null>(null);
  const first = series.times[0] ?? 0;
  const last = series.times.at(-1) ?? 0;
  const whole = last - first;
  useEffect(() => {
    const frame = place.current;
    if (frame === null) return;
    const data = [series.times, ...series.lines.map(({ values }) => values)] as uPlot.AlignedData;
    const tell = (said: string) => {
      // Past Preact: the pointer moves more often than it could follow.
      if (caption.current) caption.current.textContent = said || EMPTY;
    };
    const made = new uPlot(options(series, frame.clientWidth, tell), data, frame);
    plot.current = made;
    show(made, series.times.length > FEW ? Math.max(first, last - 31 * DAY) : first, last);
    const stopMoving = movable(made, first, last);
    const resized = new ResizeObserver(() => made.setSize({ width: frame.clientWidth, height: HEIGHT }));
    resized.observe(frame);
    const redraw = () => made.redraw(false, true);
    scheme().addEventListener("change", redraw);
    return () => {
      scheme().removeEventListener("change", redraw);
      resized.disconnect();
      stopMoving();
      made.destroy();
    };
  }, [series]);
  const span = (seconds: number) => plot.current && show(plot.current, Math.max(first, last - seconds), last);
  const move = (by: number) => {
    const { min = 0, max = 0 } = plot.current?.scales["x"] ?? {};
    if (plot.current) shift(plot.current, by * (max - min), first, last);
  };
  const spans = SPANS.filter(([, seconds]) => seconds < whole);
  return (
    <figure class="chart">
      <div ref={place} role="img" aria-label={label} />
      <figcaption ref={caption} aria-hidden="true">
        {EMPTY}
      </figcaption>
      {series.lines.some(({ bounds }) => bounds.size > 0) && <p class="hint">{text("chart.bounds")}</p>}
      {spans.length > 0 && (
        <div class="spans" role="group" aria-label={text("chart.span")}>
          <Button look="plain" label={text("chart.earlier")} onClick={() => move(-0.5)}>
            ←
          </Button>
          {spans.map(([name, seconds]) => (
            <Button key={name} look="plain" onClick={() => span(seconds)}>
              {text(name)}
            </Button>
          ))}
          <Button look="plain" onClick={() => span(whole)}>
            {text("chart.all")}
          </Button>
          <Button look="plain" label={text("chart.later")} onClick={() => move(0.5)}>
            →
          </Button>
        </div>
      )}
    </figure>
  );
}

function options(series: Series, width: number, tell: (said: string) => void): uPlot.Options {
  const bars = series.shape === "daily" && series.lines.length === 1 ? uPlot.paths.bars?.({ size: [0.7, 40] }) : undefined;
  const grid = { stroke: () => colour("--line"), width: 1 };
  const axis = { stroke: () => colour("--muted"), grid, ticks: { show: false } };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, y: false },
    scales: { x: { time: true }, y: { range: bars ? { min: { pad: 0, soft: 0, mode: 2 }, max: { pad: 0.1 } } : spread } },
    axes: [
      { ...axis, size: 32, space: 80, values: (_, splits, __, ___, step) => splits.map((time) => timeName(time, step)) },
      { ...axis, size: 52, values: (_, splits) => splits.map((value) => number(value)) },
    ],
    series: [
      {},
      ...series.lines.map(({ name }, i) => ({
        label: name,
        stroke: () => colour(COLOURS[i % COLOURS.length] ?? "--accent"),
        width: 1.5,
        points: { size: 6 },
        ...(bars && { paths: bars, fill: () => colour("--accent-soft") }),
        ...(series.shape === "trace" && dense(i)),
      })),
    ],
    hooks: { setCursor: [({ cursor: { idx } }) => tell(idx === null || idx === undefined ? "" : at(series, idx))] },
  };
}

/** A trace as a line; where there are several values a pixel, as columns. */
function dense(line: number): Partial<uPlot.Series> {
  const linear = uPlot.paths.linear?.();
  return {
    paths: (plot, at, from, to) =>
      to - from > plot.bbox.width ? columns(plot, at, from, to) : (linear?.(plot, at, from, to) ?? null),
    fill: (plot) => (isDense(plot) ? colour(COLOURS[line % COLOURS.length] ?? "--accent") : "transparent"),
    points: { show: false },
  };
}

function isDense({ series: [times], bbox }: uPlot): boolean {
  const [from, to] = times?.idxs ?? [0, 0];
  return to - from > bbox.width;
}

/**
 * One upright bar a pixel column, from the least of its values to the greatest: it looks as the line would, and takes as
 * long for a year as for a day.
 */
function columns(plot: uPlot, at: number, from: number, to: number): uPlot.Series.Paths {
  const [times, values] = [plot.data[0], plot.data[at] ?? []];
  const { left, width } = plot.bbox;
  const { min = 0, max = 1 } = plot.scales["x"] ?? {};
  const [scale, thick] = [width / (max - min), Math.ceil(1.5 * devicePixelRatio)];
  const path = new Path2D();
  let [column, least, greatest] = [NaN, Infinity, -Infinity];
  let last: number | null = null;
  const draw = () => {
    if (least > greatest) return;
    const [top, bottom] = [plot.valToPos(greatest, "y", true), plot.valToPos(least, "y", true)];
    path.rect(column, Math.round(top), thick, Math.max(thick, Math.round(bottom - top)));
  };
  for (let i = from; i <= to; i += 1) {
    const value = values[i] ?? null;
    const next = Math.round(left + ((times[i] ?? 0) - min) * scale);
    if (next !== column) {
      draw();
      [column, least, greatest] = [next, last ?? Infinity, last ?? -Infinity]; // joined to the one before
    }
    if (value !== null) {
      if (value < least) least = value;
      if (value > greatest) greatest = value;
    }
    last = value;
  }
  draw();
  return { stroke: null, fill: path };
}

/** Some room above and below what is shown. */
function spread(_: uPlot, low: number | null, high: number | null): [number, number] {
  const [least, most] = [low ?? 0, high ?? 1];
  const room = (most - least || Math.abs(most) || 1) * 0.15;
  return [least - room, most + room];
}

function show(plot: uPlot, min: number, max: number): void {
  plot.setScale("x", min === max ? { min: min - DAY / 2, max: max + DAY / 2 } : { min, max });
}

/** Move what is shown, but not beyond the data. */
function shift(plot: uPlot, by: number, first: number, last: number): void {
  const { min = first, max = last } = plot.scales["x"] ?? {};
  const moved = Math.min(Math.max(by, first - min), last - max);
  if (Number.isFinite(moved)) show(plot, min + moved, max + moved);
}

/** Let pointer and touch pull the chart sideways; up and down they scroll the page. Returns how to stop that. */
function movable(plot: uPlot, first: number, last: number): () => void {
  let from: { readonly x: number; readonly min: number; readonly max: number } | null = null;
  const down = ({ clientX }: PointerEvent) => {
    const { min = first, max = last } = plot.scales["x"] ?? {};
    from = { x: clientX, min, max };
  };
  const pull = ({ clientX, buttons }: PointerEvent) => {
    if (from === null || buttons === 0) return;
    const { min, max, x } = from;
    const { min: now = min } = plot.scales["x"] ?? {};
    shift(plot, min - ((clientX - x) / plot.over.clientWidth) * (max - min) - now, first, last);
  };
  plot.over.addEventListener("pointerdown", down);
  plot.over.addEventListener("pointermove", pull);
  return () => {
    plot.over.removeEventListener("pointerdown", down);
    plot.over.removeEventListener("pointermove", pull);
  };
}

function at({ times, lines, unit }: Series, idx: number): string {
  const time = dates({ dateStyle: "medium", timeStyle: "short" });
  const said = lines.map(({ values, bounds }) => {
    const value = values[idx] ?? null;
    return value === null ? NONE : [bounds.get(idx), number(value)].filter(Boolean).join(" ");
  });
  if (said.every((one) => one === NONE)) return "";
  return `${time.format((times[idx] ?? 0) * 1000)}: ${said.join(" / ")} ${unitName(unit)}`;
}

function number(value: number): string {
  return numbers({ maximumFractionDigits: 2 }).format(value);
}

function timeName(time: number, step: number): string {
  const options: Intl.DateTimeFormatOptions =
    step >= 300 * DAY
      ? { year: "numeric" }
      : step >= 27 * DAY
        ? { month: "short", year: "2-digit" }
        : step >= DAY
          ? { day: "numeric", month: "short" }
          : step >= 60
            ? { hour: "2-digit", minute: "2-digit" }
            : { minute: "2-digit", second: "2-digit" };
  return dates(options).format(time * 1000);
}

let probe: HTMLElement | undefined;
const colours = new Map<string, string>();

/** A colour of the style sheet as a canvas understands it: the one that counts now, in light or dark. */
function colour(name: string): string {
  if (probe === undefined) {
    probe = document.createElement("span");
    probe.hidden = true;
    document.body.append(probe);
  }
  const known = colours.get(name);
  if (known !== undefined) return known;
  probe.style.color = `var(${name})`;
  const found = getComputedStyle(probe).color;
  colours.set(name, found);
  return found;
}

let dark: MediaQueryList | undefined;

/** Whether it is dark. Before any chart is told of a change, the colours that it knows are forgotten. */
function scheme(): MediaQueryList {
  if (dark === undefined) {
    dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", () => colours.clear());
  }
  return dark;
}
