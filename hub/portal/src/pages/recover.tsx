/** Words forgotten or devices lost: the recovery sheet brings the account back, with new words and a new sheet. */

import { useState } from "preact/hooks";
import { Hub } from "../client/api.ts";
import { recover } from "../client/arrival.ts";
import { RecoveryCode } from "../keys.ts";
import { usePortal } from "../portal.ts";
import { text } from "../text.ts";
import { Field } from "../ui/field.tsx";
import { Form } from "../ui/form.tsx";
import { Step, STEPS } from "../ui/step.tsx";
import { useTask } from "../ui/task.ts";
import { addressOf } from "../passphrase_words.ts";
import { ChooseWords } from "./choose_words.tsx";

type SheetSays = { readonly account: string; readonly code: RecoveryCode };

export function Recover() {
  const { device, comeIn } = usePortal();
  const [sheet, setSheet] = useState<SheetSays | null>(null);
  if (sheet === null) return <TypeSheet onTyped={setSheet} />;
  return (
    <section class="card">
      <Step number={1} of={STEPS} name={text("words.title")} />
      <ChooseWords
        account={sheet.account}
        onChosen={async (keys) => {
          const instead = device.state === "locked" ? device.label.account : null;
          await comeIn(await recover(device.db, sheet.account, sheet.code, keys, instead));
        }}
      />
    </section>
  );
}

function TypeSheet({ onTyped }: { onTyped: (sheet: SheetSays) => void }) {
  const [address, setAddress] = useState("");
  const [typed, type] = useState("");
  const reading = useTask(async () => {
    const code = RecoveryCode.parse(typed);
    onTyped({ account: addressOf(address, await new Hub().info()), code });
  });
  return (
    <section class="card">
      <p>{text("recover.why")}</p>
      <p>{text("recover.ends-others")}</p>
      <Form task={reading} submit={text("recover.go-on")}>
        <Field
          label={text("account.address")}
          hint={text("account.address-hint")}
          value={address}
          onInput={setAddress}
          autocomplete="username"
          code
        />
        <Field label={text("sheet.code")} hint={text("recover.code-hint")} value={typed} onInput={type} code />
      </Form>
    </section>
  );
}
