/** What the user has to know of how her record was read: nothing where all is well. */

import { Problem } from "../problems.ts";
import { problemText, text } from "../text.ts";
import { Notice } from "./notice.tsx";
import type { Shown } from "./shown.ts";

export function ReadingNotices({ record: { problem, refused, missing } }: { record: Shown }) {
  return (
    <>
      {problem !== null && <Notice mood="warning">{reason(problem)}</Notice>}
      {refused > 0 && <Notice mood="warning">{text("reading.refused", { count: refused })}</Notice>}
      {missing > 0 && <Notice mood="warning">{text("reading.missing", { count: missing })}</Notice>}
    </>
  );
}

function reason(problem: unknown): string {
  if (problem instanceof Problem && problem.code === "busy") return text("reading.offline");
  if (problem instanceof Problem && problem.code === "unauthenticated") return text("reading.shut-out");
  return problemText(problem);
}
