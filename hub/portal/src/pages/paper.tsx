/** A record as it is printed; the browser's own dialog makes a PDF of it. */

import { useEffect } from "preact/hooks";
import { newestFirst } from "../asking.ts";
import { NAMES } from "../categories.ts";
import type { Stored } from "../client/stored.ts";
import { exact } from "../exact.ts";
import { facts, flag, localDate, title, value, when } from "../summary.ts";
import { text } from "../text.ts";

type PaperProps = {
  /** Whose and of when it is. */
  readonly lead: string;
  /** How authors are called, where they are known. */
  readonly name?: (account: string) => string;
  readonly entries: readonly Stored[];
  readonly onPrinted: () => void;
};

export function Paper({ lead, name, entries, onPrinted }: PaperProps) {
  useEffect(() => {
    window.print();
    addEventListener("afterprint", onPrinted, { once: true });
    return () => removeEventListener("afterprint", onPrinted);
  }, []);
  const groups = NAMES.map((one, number) => {
    return [one, newestFirst(entries.filter(({ category }) => category === number))] as const;
  });
  return (
    <article class="paper">
      <p>{lead}</p>
      {groups.map(
        ([one, some]) =>
          some.length > 0 && (
            <section key={one}>
              <h2>{text(`category.${one}`)}</h2>
              <ul>
                {some.map((entry, i) => (
                  <li key={i}>
                    <Line entry={entry} author={name?.(entry.author)} />
                  </li>
                ))}
              </ul>
            </section>
          ),
      )}
    </article>
  );
}

function Line({ entry: { raw, resource }, author }: { entry: Stored; author: string | undefined }) {
  const full = exact(raw);
  const mark = flag(full);
  const said = [localDate(when(resource)), value(full), mark && text(`flag.${mark}`)].filter(Boolean).join(" · ");
  const more = facts(full).map(([label, fact]) => `${text(label)}: ${fact}`);
  const by = author === undefined ? [] : [`${text("data.author")}: ${author}`];
  return (
    <>
      <strong>{title(resource)}</strong> {said}
      <br />
      <small>{[...more, ...by].join(" · ")}</small>
    </>
  );
}
