/** Entries of the record: each a line that opens, with what it says and what its author can do with it. */

import { useEffect, useState } from "preact/hooks";
import type { Client } from "../client/client.ts";
import { takeBack } from "../client/deletion.ts";
import { exact } from "../exact.ts";
import { measurement } from "../measurements.ts";
import { Problem } from "../problems.ts";
import { hiddenNow } from "../client/restrictions.ts";
import { referenceOf, type Stored } from "../client/stored.ts";
import { day, facts, flag, localDate, title, value, when } from "../summary.ts";
import { text } from "../text.ts";
import { Button, LinkButton } from "../ui/button.tsx";
import { Notice, ProblemNotice } from "../ui/notice.tsx";
import { keyOf, type Shown } from "../ui/shown.ts";
import { useTask } from "../ui/task.ts";
import { Attachment, hasAttachment } from "./attachment.tsx";
import { Readers } from "./readers.tsx";

const AT_ONCE = 50;

type InRecord = { readonly client: Client; readonly record: Shown };
type InList = InRecord & { readonly hiding: Hiding };
/** What of her own record is hidden from anybody, and how to look anew; null in another's. */
type Hiding = { readonly hidden: ReadonlySet<string>; readonly look: () => Promise<void> } | null;
type EntriesProps = InRecord & { readonly entries: readonly Stored[]; readonly byDay?: boolean };

export function Entries({ client, record, entries, byDay = false }: EntriesProps) {
  const [count, setCount] = useState(AT_ONCE);
  const hiding = useHiding(client, record);
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
                <Entry {...{ client, record, hiding, entry }} />
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

function useHiding(client: Client, { patient }: Shown): Hiding {
  const [hidden, set] = useState<ReadonlySet<string>>(new Set());
  const isOwn = patient === client.account;
  const look = async () => set(await hiddenNow(client));
  useEffect(() => {
    // Without the hub it may not be known which they are; nothing is told as hidden then.
    if (isOwn) void look().catch((error: unknown) => error instanceof Problem || reportError(error));
  }, [client]);
  return isOwn ? { hidden, look } : null;
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

function Entry({ client, record, hiding, entry }: InList & { entry: Stored }) {
  const [open, setOpen] = useState(false);
  const full = exact(entry.raw);
  const mark = flag(full);
  return (
    <details class="entry" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <span class="name">
          {title(entry.resource)}{" "}
          {hiding?.hidden.has(referenceOf(entry)) && <span class="flag">{text("readers.hidden")}</span>}
        </span>
        <span class="value">
          {value(full)} {mark && <span class={`flag ${mark}`}>{text(`flag.${mark}`)}</span>}
        </span>
        <span class="muted">{localDate(when(entry.resource))}</span>
      </summary>
      {open && <Opened {...{ client, record, hiding, entry, full }} />}
    </details>
  );
}

type OpenedProps = InList & { readonly entry: Stored; readonly full: unknown };

function Opened({ client, record, hiding, entry, full }: OpenedProps) {
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
      {hiding && <Readers client={client} entry={entry} onChange={hiding.look} />}
      {entry.author === client.account && <Own {...{ client, record, entry, full }} />}
    </div>
  );
}

/** What she can do with what she wrote: correct it, or take it back. */
function Own({ client, record: { patient, note }, entry, full }: Omit<OpenedProps, "hiding">) {
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
