/** What this device may be called, by what its browser says of itself: "Firefox · Windows". */

type Marks = readonly (readonly [name: string, mark: RegExp])[];

const BROWSERS: Marks = [
  ["Edge", /Edg/],
  ["Opera", /OPR\//],
  ["Firefox", /Firefox|FxiOS/],
  ["Chrome", /Chrome|CriOS/],
  ["Safari", /Safari/],
];
const SYSTEMS: Marks = [
  ["Android", /Android/],
  ["iPhone", /iPhone/],
  ["iPad", /iPad/],
  ["Windows", /Windows/],
  ["Mac", /Mac OS/],
  ["Chromebook", /CrOS/],
  ["Linux", /Linux/],
];

export function deviceLabel(agent = navigator.userAgent): string {
  const named = (marks: Marks) => marks.find(([, mark]) => mark.test(agent))?.[0] ?? "";
  return [named(BROWSERS), named(SYSTEMS)].filter(Boolean).join(" · ");
}
