/** Entries of the record: each a line that opens, with what it says and what its author can do with it. */

import { useState } from "preact/hooks";
import type { Client } from "../client/client.ts";
import { takeBack } from "../client/deletion.ts";
import { exact } from "../exact.ts";
import { measurement } from "../measurements.ts";
import type { Stored } from "../client/stored.ts";
import { day, facts, flag, localDate, title, value, when } from "../summary.ts";
import { text } from "../text.ts";
import { Button, LinkButton } from "../ui/button.tsx";
import { Notice, ProblemNotice } from "../ui/notice.tsx";
import { keyOf, type Shown } from "../ui/shown.ts";
import { useTask } from "../ui/task.ts";
import { Attachment, hasAttachment } from "./attachment.tsx";

const AT_ONCE = 50;

type InRecord = { readonly client: Client; readonly record: Shown };
type EntriesProps = InRecord & { readonly entries: readonly Stored[]; readonly byDay?: boolean };

export function Entries({ client, record, entries, byDay = false }: EntriesProps) {
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
                <Entry client={client} record={record} entry={entry} />
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

function Entry({ client, record, entry }: InRecord & { entry: Stored }) {
  const [open, setOpen] = useState(false);
  const full = exact(entry.raw);
  const mark = flag(full);
  return (
    <details class="entry" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <span class="name">{title(entry.resource)}</span>
        <span class="value">
          {value(full)} {mark && <span class={`flag ${mark}`}>{text(`flag.${mark}`)}</span>}
        </span>
        <span class="muted">{localDate(when(entry.resource))}</span>
      </summary>
      {open && <Opened client={client} record={record} entry={entry} full={full} />}
    </details>
  );
}

type OpenedProps = InRecord & { readonly entry: Stored; readonly full: unknown };

function Opened({ client, record, entry, full }: OpenedProps) {
  const { nameOf, note } = record;
  return (
    <div class="said">
      <dl>
        {facts(full).map(([label, said]) => (
          <div key={label}>
            <dt>{text(label)}</dt>
            <dd>{said}</dd>
          </div>
        ))}
        <div>
          <dt>{text("data.author")}</dt>
          <dd>{nameOf(entry.author)}</dd>
        </div>
      </dl>
      {hasAttachment(entry.resource) && <Attachment resource={entry.resource} note={async () => note?.([entry])} />}
      {entry.author === client.account && <Own {...{ client, record, entry, full }} />}
    </div>
  );
}

/** What she can do with what she wrote: correct it, or take it back. */
function Own({ client, record: { patient, note }, entry, full }: OpenedProps) {
  const [asking, ask] = useState(false);
  const [gone, setGone] = useState(false);
  const taking = useTask(async () => {
    await takeBack(client, patient, entry);
    setGone(true);
  });
  if (gone) return <Notice mood="good">{text("entry.taken-back")}</Notice>;
  return (
    <>
      <ProblemNotice problem={taking.problem} />
      {asking && <Notice mood="warning">{text("entry.sure")}</Notice>}
      <div class="actions">
        {!asking && note === null && measurement(full) !== null && (
          <LinkButton to={`bring/${String(entry.resource["id"])}`}>{text("entry.correct")}</LinkButton>
        )}
        {asking ? (
          <>
            <Button look="danger" busy={taking.busy} onClick={() => void taking.run()}>
              {text("entry.take-back")}
            </Button>
            <Button onClick={() => ask(false)}>{text("entry.keep")}</Button>
          </>
        ) : (
          <Button look="danger" onClick={() => ask(true)}>
            {text("entry.delete")}
          </Button>
        )}
      </div>
    </>
  );
}
