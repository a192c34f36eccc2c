/** A locked device: nothing of its secrets is in memory. */

import { useState } from "preact/hooks";
import { unlock } from "../client/device.ts";
import type { Label } from "../client/safe.ts";
import { stretch } from "../client/work.ts";
import { usePortal } from "../portal.ts";
import { text } from "../text.ts";
import { Field } from "../ui/field.tsx";
import { Form } from "../ui/form.tsx";
import { useTask } from "../ui/task.ts";
import { tidy } from "../words.ts";

export function Unlock({ label }: { label: Label }) {
  const { device, enter } = usePortal();
  const [typed, type] = useState("");
  const unlocking = useTask(async () => {
    enter(await unlock(device.db, label, await stretch(label.account, tidy(typed))));
  });
  return (
    <section class="card">
      <p>{text("unlock.why")}</p>
      <Form task={unlocking} submit={text("unlock.unlock")}>
        <Field label={text("unlock.account")} value={label.account} autocomplete="username" readOnly code />
        <Field
          label={text("unlock.passphrase")}
          value={typed}
          onInput={type}
          autocomplete="current-password"
          secret
        />
      </Form>
    </section>
  );
}
