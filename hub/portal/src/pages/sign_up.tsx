/** A new account, in three steps: six words, the recovery sheet, and its proof. Resumed where it was left. */

import { useEffect, useState } from "preact/hooks";
import { Hub, type HubInfo } from "../client/api.ts";
import type { Client } from "../client/client.ts";
import { begin, finish, make, newName } from "../client/enrolment.ts";
import { stretch } from "../client/work.ts";
import { PASSPHRASE_WORDS, type RecoveryCode } from "../keys.ts";
import { usePortal } from "../portal.ts";
import { text } from "../text.ts";
import { Button } from "../ui/button.tsx";
import { Field } from "../ui/field.tsx";
import { Form } from "../ui/form.tsx";
import { Notice, ProblemNotice } from "../ui/notice.tsx";
import { Step } from "../ui/step.tsx";
import { useTask } from "../ui/task.ts";
import { suggestion, tidy, wordCount } from "../words.ts";
import { Sheet, SheetProof } from "./sheet.tsx";

const STEPS = 3;

export function SignUp() {
  const { device, enter } = usePortal();
  const [begun, setBegun] = useState(device.state === "begun" ? device.client : null);
  const [code, setCode] = useState<RecoveryCode | null>(null);
  const [proving, prove] = useState(false);
  const making = useTask(async (client: Client) => setCode(await make(client)));
  useEffect(() => {
    if (begun !== null) void making.run(begun);
  }, [begun]);
  if (begun === null) return <ChooseWords onBegun={setBegun} />;
  if (code === null) return <Making problem={making.problem} again={() => making.run(begun)} />;
  if (!proving) {
    return (
      <section class="card">
        <Step number={2} of={STEPS} name={text("sheet.title")} />
        <Sheet account={begun.account} code={code} onKept={() => prove(true)} />
      </section>
    );
  }
  const done = async () => {
    await finish(begun);
    enter({ state: "open", db: begun.db, client: begun });
  };
  return (
    <section class="card">
      <Step number={3} of={STEPS} name={text("sheet.proof")} />
      <SheetProof code={code} onProven={done} onBack={() => prove(false)} />
    </section>
  );
}

function ChooseWords({ onBegun }: { onBegun: (client: Client) => void }) {
  const { device } = usePortal();
  const [hub, setHub] = useState<{ info: HubInfo; name: string } | null>(null);
  const [words, setWords] = useState(suggestion);
  const [typed, type] = useState("");
  const [short, setShort] = useState(false);
  const asking = useTask(async () => {
    const info = await new Hub().info();
    setHub({ info, name: newName(info) });
  });
  useEffect(() => void asking.run(), []);
  const beginning = useTask(async () => {
    const passphrase = tidy(typed);
    setShort(wordCount(passphrase) < PASSPHRASE_WORDS);
    if (hub === null || wordCount(passphrase) < PASSPHRASE_WORDS) return;
    onBegun(await begin(device.db, hub.info, hub.name, await stretch(hub.name, passphrase)));
  });
  return (
    <section class="card">
      <Step number={1} of={STEPS} name={text("sign-up.words")} />
      <p>{text("sign-up.words-why")}</p>
      <div class="words">
        <p id="words-label">{text("sign-up.suggestion")}</p>
        <p class="code" aria-labelledby="words-label" role="status" lang="">
          {words}
        </p>
        <Button look="plain" onClick={() => setWords(suggestion())}>
          {text("sign-up.other-words")}
        </Button>
      </div>
      <ProblemNotice problem={asking.problem} />
      <Form task={beginning} submit={text("sign-up.go-on")}>
        <Field
          label={text("sign-up.address")}
          hint={text("sign-up.address-why")}
          value={hub?.name ?? ""}
          autocomplete="username"
          readOnly
          code
        />
        <Field
          label={text("sign-up.passphrase")}
          hint={text("sign-up.passphrase-hint")}
          value={typed}
          onInput={type}
          error={short ? text("sign-up.too-short") : ""}
          autocomplete="new-password"
          secret
        />
        {beginning.busy && <Notice>{text("sign-up.stretching")}</Notice>}
      </Form>
    </section>
  );
}

function Making({ problem, again }: { problem: unknown; again: () => void }) {
  return (
    <section class="card">
      {problem === null ? <Notice>{text("sign-up.wait")}</Notice> : <ProblemNotice problem={problem} />}
      {problem !== null && (
        <div class="actions">
          <Button look="primary" onClick={again}>
            {text("sign-up.again")}
          </Button>
        </div>
      )}
    </section>
  );
}
