/** What she can do with an entry: see and change who reads it; correct what she wrote, or take it back. */

import { useEffect, useState } from "preact/hooks";
import type { Client } from "../client/client.ts";
import { takeBack } from "../client/deletion.ts";
import { hiddenNow } from "../client/restrictions.ts";
import { referenceOf, type Stored } from "../client/stored.ts";
import { measurement } from "../measurements.ts";
import { reportUnforeseen } from "../problems.ts";
import { text } from "../text.ts";
import { Button, LinkButton } from "../ui/button.tsx";
import { Done } from "../ui/done.tsx";
import type { Shown } from "../ui/shown.ts";
import { Sure, useAsking } from "../ui/sure.tsx";
import { useTask } from "../ui/task.ts";
import type { Actions } from "./entry.tsx";
import { Readers } from "./readers.tsx";

/** What can be done with the entries of a record. */
export function useActions(client: Client, record: Shown): Actions {
  const hiding = useHiding(client, record);
  const [taken, count] = useState(0);
  return {
    told: taken > 0 && <Done key={taken} said={text("entry.taken-back")} />,
    isHidden: (entry) => hiding !== null && hiding.hidden.has(referenceOf(entry)),
    of: (entry, full) => (
      <>
        {hiding && <Readers client={client} entry={entry} onChange={hiding.look} />}
        {entry.author === client.account && <Own {...{ client, record, entry, full }} onTaken={() => count(taken + 1)} />}
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
    if (isOwn) void look().catch(reportUnforeseen);
  }, [client]);
  return isOwn ? { hidden, look } : null;
}

type OwnProps = {
  readonly client: Client;
  readonly record: Shown;
  readonly entry: Stored;
  readonly full: unknown;
  readonly onTaken: () => void;
};

/** What she can do with what she wrote: correct it, or take it back. */
function Own({ client, record: { patient, note }, entry, full, onTaken }: OwnProps) {
  const { asked, kept, ask, keep } = useAsking();
  const [gone, setGone] = useState(false);
  const taking = useTask(async () => {
    await takeBack(client, patient, entry);
    setGone(true);
    onTaken();
  });
  if (gone) return null; // until it goes out of the list
  if (asked) {
    return (
      <Sure question={text("entry.sure")} task={taking} yes={text("entry.take-back")} no={text("entry.keep")} onNo={keep}>
        <p>{text("entry.means")}</p>
      </Sure>
    );
  }
  return (
    <div class="actions">
      {note === null && measurement(full) !== null && (
        <LinkButton to={`bring/${String(entry.resource["id"])}`}>{text("entry.correct")}</LinkButton>
      )}
      <Button look="danger" focus={kept} onClick={ask}>
        {text("entry.delete")}
      </Button>
    </div>
  );
}
