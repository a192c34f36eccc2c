/** Entries of a record: each a line that opens, with what it says and what can be done with it. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { exact } from "../exact.ts";
import type { Stored } from "../client/stored.ts";
import { day, facts, flag, localDate, title, value, when } from "../summary.ts";
import { text } from "../text.ts";
import { Button } from "../ui/button.tsx";
import { keyOf } from "../ui/noted.ts";
import type { Shown } from "../ui/shown.ts";
import { Attachment, hasAttachment } from "./attachment.tsx";

const AT_ONCE = 50;

/**
 * Whether an entry is hidden from anybody, and what can be done with it; null where nobody is signed in.
 *
 * `told`: what was done to an entry that is not there any more to say it.
 */
export type Actions = {
  readonly told: ComponentChildren;
  readonly isHidden: (entry: Stored) => boolean;
  readonly of: (entry: Stored, full: unknown) => ComponentChildren;
} | null;

type InRecord = { readonly record: Shown; readonly actions: Actions };
type EntriesProps = InRecord & { readonly entries: readonly Stored[]; readonly byDay?: boolean };

export function Entries({ record, actions, entries, byDay = false }: EntriesProps) {
  const [count, setCount] = useState(AT_ONCE);
  const shown = entries.slice(0, count);
  const groups = byDay ? gathered(shown) : [["", shown] as const];
  return (
    <>
      {groups.map(([name, some]) => (
        <section key={name}>
          {byDay && <h2 class="day">{name || text("data.undated")}</h2>}
          <ul class="entries">
            {some.map((entry) => (
              <li key={keyOf(entry)}>
                <Entry {...{ record, actions, entry }} />
              </li>
            ))}
          </ul>
        </section>
      ))}
      {count < entries.length && (
        <Button onClick={() => setCount(count + AT_ONCE)}>{text("data.more", { count: entries.length - count })}</Button>
      )}
    </>
  );
}

function gathered(entries: readonly Stored[]): (readonly [string, readonly Stored[]])[] {
  const found = new Map<string, Stored[]>();
  for (const entry of entries) {
    const name = day(when(entry.resource));
    const group = found.get(name);
    if (group === undefined) found.set(name, [entry]);
    else group.push(entry);
  }
  return [...found];
}

function Entry({ record, actions, entry }: InRecord & { entry: Stored }) {
  const [open, setOpen] = useState(false);
  const full = exact(entry.raw);
  const mark = flag(full);
  return (
    <details class="entry" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <span class="name">
          {title(entry.resource)}{" "}
          {actions?.isHidden(entry) && <span class="flag">{text("readers.hidden")}</span>}
        </span>
        <span class="value">
          {value(full)} {mark && <span class={`flag ${mark}`}>{text(`flag.${mark}`)}</span>}
        </span>
        <span class="muted">{localDate(when(entry.resource))}</span>
      </summary>
      {open && <Opened {...{ record, actions, entry, full }} />}
    </details>
  );
}

type OpenedProps = InRecord & { readonly entry: Stored; readonly full: unknown };

function Opened({ record: { nameOf, note }, actions, entry, full }: OpenedProps) {
  const author = nameOf(entry.author);
  return (
    <div class="said">
      <dl>
        {facts(full).map(([label, said]) => (
          <div key={label}>
            <dt>{text(label)}</dt>
            <dd>{said}</dd>
          </div>
        ))}
        {author !== "" && (
          <div>
            <dt>{text("data.author")}</dt>
            <dd>{author}</dd>
          </div>
        )}
      </dl>
      {hasAttachment(entry.resource) && <Attachment resource={entry.resource} note={async () => note?.([entry])} />}
      {actions?.of(entry, full)}
    </div>
  );
}
