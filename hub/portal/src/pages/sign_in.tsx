/** An account that exists, on a browser that does not know it yet: address and six words. */

import { useState } from "preact/hooks";
import { Hub } from "../client/api.ts";
import { join } from "../client/arrival.ts";
import { stretch } from "../client/work.ts";
import { usePortal } from "../portal.ts";
import { text } from "../text.ts";
import { LinkButton } from "../ui/button.tsx";
import { Field } from "../ui/field.tsx";
import { Form } from "../ui/form.tsx";
import { Notice } from "../ui/notice.tsx";
import { Passphrase } from "../ui/passphrase.tsx";
import { useTask } from "../ui/task.ts";
import { addressOf, tidy } from "../passphrase_words.ts";

export function SignIn() {
  const { device, comeIn } = usePortal();
  const [address, setAddress] = useState("");
  const [typed, type] = useState("");
  const joining = useTask(async () => {
    const account = addressOf(address, await new Hub().info());
    await comeIn(await join(device.db, account, await stretch(account, tidy(typed))));
  });
  return (
    <section class="card">
      <p>{text("sign-in.why")}</p>
      <div class="actions">
        <LinkButton to="join">{text("sign-in.by-device")}</LinkButton>
      </div>
      <Form
        task={joining}
        submit={text("sign-in.sign-in")}
        beside={<a href="#/recover">{text("account.forgotten")}</a>}
      >
        <Field
          label={text("account.address")}
          hint={text("account.address-hint")}
          value={address}
          onInput={setAddress}
          autocomplete="username"
          code
        />
        <Passphrase value={typed} onInput={type} />
        {joining.busy && <Notice>{text("account.stretching")}</Notice>}
      </Form>
    </section>
  );
}
