/** A device was lost: it is shut out, and what it may have known is replaced. */

import { useState } from "preact/hooks";
import type { Client } from "../client/client.ts";
import { devices, removeDevice } from "../client/devices.ts";
import { stretch } from "../client/work.ts";
import { RecoveryCode } from "../keys.ts";
import { usePath } from "../router.ts";
import { text } from "../text.ts";
import { LinkButton } from "../ui/button.tsx";
import { Done } from "../ui/done.tsx";
import { Field } from "../ui/field.tsx";
import { Form } from "../ui/form.tsx";
import { Notice } from "../ui/notice.tsx";
import { Passphrase } from "../ui/passphrase.tsx";
import { useTask } from "../ui/task.ts";
import { tidy } from "../passphrase_words.ts";

export function Lost({ client }: { client: Client }) {
  const name = usePath().split("/")[1] ?? "";
  const [typed, type] = useState("");
  const [code, setCode] = useState("");
  const [done, setDone] = useState(false);
  const removing = useTask(async () => {
    const sheet = RecoveryCode.parse(code);
    const keys = await stretch(client.account, tidy(typed));
    await removeDevice(client, name, sheet, keys);
    setDone(true);
  });
  const back = <LinkButton to="security">{text("lost.back")}</LinkButton>;
  if (done || !devices(client).some((one) => one.name === name && !one.own)) {
    return (
      <section class="card">
        {done ? <Done said={text("lost.done")} /> : <Notice mood="good">{text("lost.done")}</Notice>}
        <div class="actions">{back}</div>
      </section>
    );
  }
  return (
    <section class="card">
      <p>{text("lost.why", { name: name.slice(-4) })}</p>
      <p>{text("lost.needs")}</p>
      <Form task={removing} submit={text("lost.remove")} beside={back}>
        <Passphrase value={typed} onInput={type} />
        <Field label={text("sheet.code")} hint={text("recover.code-hint")} value={code} onInput={setCode} code />
        {removing.busy && <Notice>{text("lost.wait")}</Notice>}
      </Form>
    </section>
  );
}
