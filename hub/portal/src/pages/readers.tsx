/** Who may see one entry; hide it from one of them, or from all, and show it again. */

import { useEffect, useState } from "preact/hooks";
import type { Client } from "../client/client.ts";
import { type Reader, readersOf } from "../client/insight.ts";
import { hide, show } from "../client/restrictions.ts";
import { referenceOf, type Stored } from "../client/stored.ts";
import { text } from "../text.ts";
import { Button } from "../ui/button.tsx";
import { useNames } from "../ui/names.ts";
import { Notice, ProblemNotice } from "../ui/notice.tsx";
import { Heading } from "../ui/step.tsx";
import { useTask } from "../ui/task.ts";

type ReadersProps = { readonly client: Client; readonly entry: Stored; readonly onChange: () => Promise<void> };

export function Readers({ client, entry, onChange }: ReadersProps) {
  const [open, setOpen] = useState(false);
  if (open) {
    return (
      <section>
        <Heading>{text("readers.who")}</Heading>
        <List {...{ client, entry, onChange }} />
      </section>
    );
  }
  return (
    <div class="actions">
      <Button onClick={() => setOpen(true)}>{text("readers.who")}</Button>
    </div>
  );
}

function List({ client, entry, onChange }: ReadersProps) {
  const name = useNames(client, true);
  const [found, setFound] = useState<readonly Reader[] | null>(null);
  const [fromAll, setFromAll] = useState(false);
  const [done, say] = useState<{ readonly account: string; readonly hidden: boolean } | null>(null);
  const reference = referenceOf(entry);
  const look = async () => {
    setFromAll((await client.vault()).hides.includes(reference));
    setFound(await readersOf(client, entry));
  };
  const looking = useTask(look);
  useEffect(() => void looking.run(), []);
  const changing = useTask(async (hidden: boolean, account: string) => {
    say(null);
    await (hidden ? show : hide)(client, reference, account);
    await look();
    await onChange();
    say({ account, hidden: !hidden });
  });
  if (found === null) return <ProblemNotice problem={looking.problem} />;
  return (
    <>
      <p class="hint">{text("readers.means")}</p>
      {found.length === 0 && <p>{text("readers.nobody")}</p>}
      <ul class="plain">
        {found.map(({ account, hidden, wrote, bound }) => (
          <li key={account}>
            <strong>{name(account)}</strong> {text(wrote ? "readers.wrote" : hidden ? "readers.hidden" : "readers.sees")}
            {hidden && !bound && <Notice mood="warning">{text("readers.unbound")}</Notice>}
            {!wrote && !fromAll && (
              <div class="actions">
                <Button
                  busy={changing.busy}
                  label={text(hidden ? "readers.show-to" : "readers.hide-from", { who: name(account) })}
                  onClick={() => void changing.run(hidden, account)}
                >
                  {text(hidden ? "readers.show" : "readers.hide")}
                </Button>
              </div>
            )}
          </li>
        ))}
      </ul>
      {done !== null && (
        <Notice mood="good">
          {text(done.hidden ? "readers.hid" : "readers.shown", { who: done.account ? name(done.account) : text("readers.all") })}
        </Notice>
      )}
      <ProblemNotice problem={changing.problem} />
      <div class="actions">
        <Button busy={changing.busy} onClick={() => void changing.run(fromAll, "")}>
          {text(fromAll ? "readers.show-all" : "readers.hide-all")}
        </Button>
      </div>
    </>
  );
}
