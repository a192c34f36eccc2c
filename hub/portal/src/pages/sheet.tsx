/** The recovery sheet: shown once, printed, and asked back. */

import { useState } from "preact/hooks";
import type { RecoveryCode } from "../keys.ts";
import { text } from "../text.ts";
import { Button } from "../ui/button.tsx";
import { Field } from "../ui/field.tsx";
import { Form } from "../ui/form.tsx";
import { Icon } from "../ui/icon.tsx";
import { useTask } from "../ui/task.ts";
import { twoOf } from "../passphrase_words.ts";

type SheetProps = { readonly account: string; readonly code: RecoveryCode; readonly onKept: () => void };

export function Sheet({ account, code, onKept }: SheetProps) {
  return (
    <>
      <p>{text("sheet.why")}</p>
      <article class="sheet">
        <h3>{text("sheet.title")}</h3>
        <dl>
          <dt>{text("sheet.address")}</dt>
          <dd class="code">{account}</dd>
          <dt>{text("sheet.code")}</dt>
          <dd>
            <ol class="groups">
              {groups(code).map((group) => (
                <li class="code" key={group}>
                  {group}
                </li>
              ))}
            </ol>
          </dd>
          <dt>{text("sheet.where")}</dt>
          <dd class="code">{`${location.origin}${location.pathname}#/recover`}</dd>
        </dl>
        <p>{text("sheet.keep")}</p>
      </article>
      <div class="actions">
        <Button look="primary" onClick={() => print()}>
          <Icon name="print" />
          {text("sheet.print")}
        </Button>
        <Button onClick={onKept}>{text("sheet.kept")}</Button>
      </div>
    </>
  );
}

type ProofProps = {
  readonly code: RecoveryCode;
  readonly onProven: () => Promise<void>;
  readonly onBack: () => void;
};

/** Two groups of the sheet, typed from paper. */
export function SheetProof({ code, onProven, onBack }: ProofProps) {
  const [asked] = useState(() => twoOf(groups(code).length));
  const [typed, setTyped] = useState<readonly string[]>(["", ""]);
  const [wrong, setWrong] = useState<readonly boolean[]>([false, false]);
  const proving = useTask(async () => {
    const right = asked.map((place, i) => groups(code)[place] === typed[i]?.trim().toUpperCase());
    setWrong(right.map((fits) => !fits));
    if (right.every(Boolean)) await onProven();
  });
  const back = <Button onClick={onBack}>{text("sheet.back")}</Button>;
  return (
    <>
      <p>{text("sheet.proof-why")}</p>
      <Form task={proving} submit={text("sheet.prove")} beside={back}>
        {asked.map((place, i) => (
          <Field
            key={place}
            label={text("sheet.group", { number: place + 1 })}
            value={typed[i] ?? ""}
            onInput={(value) => setTyped(typed.map((old, j) => (i === j ? value : old)))}
            error={wrong[i] ? text("sheet.wrong") : ""}
            code
          />
        ))}
      </Form>
    </>
  );
}

function groups(code: RecoveryCode): string[] {
  return code.text().split("-");
}
