/** One sentence that stands out. What comes while the page is open is read out. */

import type { ComponentChildren } from "preact";
import { Problem } from "../problems.ts";
import { type Key, problemText, text } from "../text.ts";
import { Icon } from "./icon.tsx";

export type Mood = "info" | "good" | "warning" | "bad";

const ICONS = { info: "info", good: "check", warning: "warning", bad: "warning" } as const;

export function Notice({ mood = "info", children }: { mood?: Mood; children: ComponentChildren }) {
  return (
    <div class={`notice ${mood}`} role={mood === "bad" ? "alert" : "status"}>
      <Icon name={ICONS[mood]} />
      <div>{children}</div>
    </div>
  );
}

/** What went wrong, if anything did. */
export function ProblemNotice({ problem }: { problem: unknown }) {
  return problem === null ? null : <Notice mood="bad">{problemText(problem)}</Notice>;
}

/** Why what is shown is not up to date: `away` where the hub cannot be reached, else what is wrong with it. */
export function Outdated({ problem, away }: { problem: unknown; away: Key }) {
  const code = problem instanceof Problem ? problem.code : "";
  if (code === "busy") return <Notice mood="warning">{text(away)}</Notice>;
  if (code === "unauthenticated") return <Notice mood="warning">{text("reading.shut-out")}</Notice>;
  return <ProblemNotice problem={problem} />;
}
