/** A new account of an organisation without a gateway: its address and the code from the operator, then six words. */

import { useState } from "preact/hooks";
import { Hub, type HubInfo } from "../client/api.ts";
import { begin } from "../client/enrolment.ts";
import { account as parseAccount } from "../identifiers.ts";
import { addressOf } from "../passphrase_words.ts";
import { usePortal } from "../portal.ts";
import { Rejected } from "../primitives.ts";
import { text } from "../text.ts";
import { Field } from "../ui/field.tsx";
import { Form } from "../ui/form.tsx";
import { Step, STEPS } from "../ui/step.tsx";
import { useTask } from "../ui/task.ts";
import { ChooseWords } from "./choose_words.tsx";

type Admitted = { readonly info: HubInfo; readonly account: string };

export function House() {
  const { device, comeIn } = usePortal();
  const [address, setAddress] = useState("");
  const [code, setCode] = useState("");
  const [wrong, setWrong] = useState(false);
  const [admitted, setAdmitted] = useState<Admitted | null>(null);
  const asking = useTask(async () => {
    const info = await new Hub().info();
    const account = houseAt(address, info);
    setWrong(account === null || code.trim() === "");
    if (account !== null && code.trim() !== "") setAdmitted({ info, account });
  });
  if (admitted !== null) {
    const { info, account } = admitted;
    return (
      <section class="card">
        <Step number={1} of={STEPS} name={text("words.title")} />
        <ChooseWords
          account={account}
          onChosen={async (keys) => comeIn(await begin(device.db, info, account, keys, code.trim()))}
        />
      </section>
    );
  }
  return (
    <section class="card">
      <p>{text("house.why")}</p>
      <Form task={asking} submit={text("words.go-on")}>
        <Field label={text("house.address")} hint={text("house.address-hint")} value={address} onInput={setAddress} code />
        <Field
          label={text("house.code")}
          value={code}
          onInput={setCode}
          error={wrong ? text("house.wrong") : ""}
          code
        />
      </Form>
    </section>
  );
}

/** The address of an organisation at this hub, or null for what is none. */
function houseAt(typed: string, info: HubInfo): string | null {
  try {
    const account = addressOf(typed, info);
    return parseAccount(account).isPerson ? null : account;
  } catch (error) {
    if (error instanceof Rejected) return null;
    throw error;
  }
}
