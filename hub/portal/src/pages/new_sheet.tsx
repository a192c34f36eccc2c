/** Another recovery sheet than before: shown, and asked back. */

import type { ComponentChild } from "preact";
import { useState } from "preact/hooks";
import type { Client } from "../client/client.ts";
import { finish, newSheet } from "../client/enrolment.ts";
import { sheetChangesFrom } from "../client/replacing.ts";
import type { RecoveryCode } from "../keys.ts";
import { moment, text } from "../text.ts";
import { Button, LinkButton } from "../ui/button.tsx";
import { Done } from "../ui/done.tsx";
import { Notice, ProblemNotice } from "../ui/notice.tsx";
import { Step } from "../ui/step.tsx";
import { type Task, useTask } from "../ui/task.ts";
import { Sheet, SheetProof } from "./sheet.tsx";

export function NewSheet({ client }: { client: Client }) {
  const [code, setCode] = useState<RecoveryCode | null>(null);
  const [stage, setStage] = useState<"why" | "sheet" | "proof" | "done">("why");
  const making = useTask(async () => {
    setCode(await newSheet(client));
    setStage("sheet");
  });
  const proven = async () => {
    await finish(client);
    setStage("done");
  };
  const back = <LinkButton to="security">{text("browser.back")}</LinkButton>;
  if (stage === "why" || code === null) return <Why {...{ client, making, back }} />;
  if (stage === "done") {
    return (
      <section class="card">
        <Done said={text("new-sheet.done")} />
        <div class="actions">{back}</div>
      </section>
    );
  }
  const [number, name] = stage === "sheet" ? [1, text("sheet.title")] : [2, text("proof.title")];
  return (
    <section class="card">
      <Step key={stage} number={number} of={2} name={name} focus />
      {stage === "sheet" ? (
        <Sheet account={client.account} code={code} onKept={() => setStage("proof")} />
      ) : (
        <SheetProof code={code} onProven={proven} onBack={() => setStage("sheet")} />
      )}
    </section>
  );
}

type WhyProps = {
  readonly client: Client;
  readonly making: Task<[]>;
  readonly back: ComponentChild;
};

function Why({ client, making, back }: WhyProps) {
  const from = sheetChangesFrom(client);
  const isEarly = client.hub.now < from;
  return (
    <section class="card">
      <p>{text("new-sheet.why")}</p>
      <p>{text("new-sheet.seven-days")}</p>
      {isEarly && <Notice>{text("new-sheet.early", { from: moment(from) })}</Notice>}
      <ProblemNotice problem={making.problem} />
      <div class="actions">
        {!isEarly && (
          <Button look="primary" busy={making.busy} onClick={() => void making.run()}>
            {text("new-sheet.make")}
          </Button>
        )}
        {back}
      </div>
    </section>
  );
}
