/** What she can do with an entry: see and change who reads it; correct what she wrote, or take it back. */

import { useEffect, useState } from "preact/hooks";
import type { Client } from "../client/client.ts";
import { takeBack } from "../client/deletion.ts";
import { hiddenNow } from "../client/restrictions.ts";
import { referenceOf, type Stored } from "../client/stored.ts";
import { measurement } from "../measurements.ts";
import { Problem } from "../problems.ts";
import { text } from "../text.ts";
import { Button, LinkButton } from "../ui/button.tsx";
import { Notice, ProblemNotice } from "../ui/notice.tsx";
import type { Shown } from "../ui/shown.ts";
import { useTask } from "../ui/task.ts";
import type { Actions } from "./entry.tsx";
import { Readers } from "./readers.tsx";

/** What can be done with the entries of a record. */
export function useActions(client: Client, record: Shown): Actions {
  const hiding = useHiding(client, record);
  return {
    isHidden: (entry) => hiding !== null && hiding.hidden.has(referenceOf(entry)),
    of: (entry, full) => (
      <>
        {hiding && <Readers client={client} entry={entry} onChange={hiding.look} />}
        {entry.author === client.account && <Own {...{ client, record, entry, full }} />}
      </>
    ),
  };
}

/** What of her own record is hidden from anybody, and how to look anew; null in another's. */
type Hiding = { readonly hidden: ReadonlySet<string>; readonly look: () => Promise<void> } | null;

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

type OwnProps = { readonly client: Client; readonly record: Shown; readonly entry: Stored; readonly full: unknown };

/** What she can do with what she wrote: correct it, or take it back. */
function Own({ client, record: { patient, note }, entry, full }: OwnProps) {
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
