/** What the user has to know of how her record was read: nothing where all is well. */

import { text } from "../text.ts";
import { Notice, Outdated } from "./notice.tsx";
import type { Shown } from "./shown.ts";

export function ReadingNotices({ record: { problem, refused, missing } }: { record: Shown }) {
  return (
    <>
      <Outdated problem={problem} away="reading.offline" />
      {refused > 0 && <Notice mood="warning">{text("reading.refused", { count: refused })}</Notice>}
      {missing > 0 && <Notice mood="warning">{text("reading.missing", { count: missing })}</Notice>}
    </>
  );
}
