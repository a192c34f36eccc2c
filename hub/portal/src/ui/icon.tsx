/** Small pictures beside words; never instead of them. */

const PATHS = {
  home: "M3 11.5 12 4l9 7.5M5.5 9.5V20h13V9.5M10 20v-5.5h4V20",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  shield: "M12 3 5 6v5.5c0 4.3 2.9 7.5 7 9.5 4.1-2 7-5.2 7-9.5V6zM8.8 11.8l2.3 2.3 4.1-4.3",
  card: "M3 6h18v12H3zM3 10h18M6.5 14.5h4",
  info: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 11v5.5M12 7.5v.5",
  add: "M12 5v14M5 12h14",
  data: "M4 20V4M4 20h16M8 15l3.5-4 3 2.5L20 7",
  check: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM8 12.2l2.8 2.8 5.2-5.6",
  warning: "M12 4 2.8 20h18.4zM12 10v4.5M12 17v.5",
  share: "M7 12a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0zM21 5.5a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0zM21 18.5a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0zM6.8 10.9l9.4-4.3M6.8 13.1l9.4 4.3",
  eye: "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
  camera: "M4 8h3.5L9 5.5h6L16.5 8H20v11H4zM12 16.5a3.2 3.2 0 1 0 0-6.4 3.2 3.2 0 0 0 0 6.4z",
  people: "M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c.4-3.8 2.9-6 6.5-6s6.1 2.2 6.5 6M15.5 5a3.5 3.5 0 0 1 0 6.3M17.5 14.5c2.3.8 3.7 2.7 4 5.5",
  print: "M7 9V4h10v5M7 17H4V9h16v8h-3M7 14h10v6H7z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
