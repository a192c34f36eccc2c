/** The rest of every way in: it is finished at the hub, and a new recovery sheet is shown and asked back. */

import { useEffect, useState } from "preact/hooks";
import type { Client } from "../client/client.ts";
import { lookUp } from "../client/device.ts";
import { finish, goOn } from "../client/enrolment.ts";
import type { RecoveryCode } from "../keys.ts";
import { usePortal } from "../portal.ts";
import { go } from "../router.ts";
import { text } from "../text.ts";
import { Button } from "../ui/button.tsx";
import { Notice, ProblemNotice } from "../ui/notice.tsx";
import { Step, STEPS } from "../ui/step.tsx";
import { useTask } from "../ui/task.ts";
import { Sheet, SheetProof } from "./sheet.tsx";

export function Arriving({ client }: { client: Client }) {
  const { enter } = usePortal();
  const [code, setCode] = useState<RecoveryCode | null>(null);
  const [proving, prove] = useState(false);
  const done = async () => {
    await finish(client);
    go("");
    enter({ state: "open", db: client.db, client });
  };
  const going = useTask(async () => {
    const sheet = await goOn(client);
    if (sheet === null) await done();
    else setCode(sheet);
  });
  useEffect(() => void going.run(), []);
  if (code === null) return <Going problem={going.problem} again={going.run} />;
  return (
    <section class="card">
      <Step key={String(proving)} number={proving ? 3 : 2} of={STEPS} name={text(proving ? "proof.title" : "sheet.title")} />
      {proving ? (
        <SheetProof code={code} onProven={done} onBack={() => prove(false)} />
      ) : (
        <Sheet account={client.account} code={code} onKept={() => prove(true)} />
      )}
    </section>
  );
}

function Going({ problem, again }: { problem: unknown; again: () => Promise<void> }) {
  const { device, enter } = usePortal();
  if (problem === null) return <Notice>{text("arriving.wait")}</Notice>;
  return (
    <section class="card">
      <ProblemNotice problem={problem} />
      <div class="actions">
        <Button look="primary" onClick={() => void again()}>
          {text("arriving.again")}
        </Button>
        <Button onClick={() => void lookUp(device.db).then(enter)}>{text("arriving.back")}</Button>
      </div>
    </section>
  );
}
