/** A locked device: nothing of its secrets is in memory. */

import { useState } from "preact/hooks";
import { unlock, unlockByPasskey } from "../client/device.ts";
import type { Label, Way } from "../client/safe.ts";
import { stretch } from "../client/work.ts";
import { usePortal } from "../portal.ts";
import { text } from "../text.ts";
import { Address } from "../ui/address.tsx";
import { Button } from "../ui/button.tsx";
import { Form } from "../ui/form.tsx";
import { Icon } from "../ui/icon.tsx";
import { ProblemNotice } from "../ui/notice.tsx";
import { Passphrase } from "../ui/passphrase.tsx";
import { useTask } from "../ui/task.ts";
import { tidy } from "../passphrase_words.ts";

export function Unlock({ label }: { label: Label }) {
  const { device, enter } = usePortal();
  const [typed, type] = useState("");
  const unlocking = useTask(async () => {
    enter(await unlock(device.db, label, await stretch(label.account, tidy(typed))));
  });
  const passkeys = label.ways.filter(({ kind }) => kind === "passkey");
  return (
    <section class="card">
      <p>{text("unlock.why")}</p>
      {passkeys.length > 0 && <ByPasskey label={label} passkeys={passkeys} />}
      <Form
        task={unlocking}
        submit={text("unlock.unlock")}
        beside={<a href="#/recover">{text("account.forgotten")}</a>}
      >
        <Address account={label.account} />
        <Passphrase value={typed} onInput={type} />
      </Form>
    </section>
  );
}

function ByPasskey({ label, passkeys }: { label: Label; passkeys: readonly Way[] }) {
  const { device, enter } = usePortal();
  const unlocking = useTask(async (way: Way) => enter(await unlockByPasskey(device.db, label, way)));
  return (
    <>
      <div class="actions">
        {passkeys.map((way) => (
          <Button key={way.name} look="primary" busy={unlocking.busy} onClick={() => void unlocking.run(way)}>
            <Icon name="shield" />
            {text("unlock.by-passkey")}
          </Button>
        ))}
      </div>
      <ProblemNotice problem={unlocking.problem} />
    </>
  );
}
