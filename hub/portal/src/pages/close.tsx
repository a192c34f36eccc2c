/** The end of the account: what it means, what she may take along before, her words, and nothing left on this device. */

import { useEffect, useState } from "preact/hooks";
import type { Client } from "../client/client.ts";
import { close, isClosed, isClosing } from "../client/closing.ts";
import { lookUp, prove } from "../client/device.ts";
import { Safe } from "../client/safe.ts";
import { tellTabs, usePortal } from "../portal.ts";
import { go } from "../router.ts";
import { text } from "../text.ts";
import { Button, LinkButton } from "../ui/button.tsx";
import { Form } from "../ui/form.tsx";
import { Notice, ProblemNotice } from "../ui/notice.tsx";
import { Passphrase } from "../ui/passphrase.tsx";
import { Heading } from "../ui/step.tsx";
import { useTask } from "../ui/task.ts";

export function Close({ client }: { client: Client }) {
  const [begun, setBegun] = useState(isClosed(client));
  const [sure, beSure] = useState(false);
  const [typed, type] = useState("");
  useEffect(() => void isClosing(client.db).then((yes) => yes && setBegun(true)), []);
  const ending = useTask(async () => {
    if (!isClosed(client)) await close(client);
    await leave(client);
  });
  const closing = useTask(async () => {
    await prove(client, typed);
    setBegun(true);
    await ending.run();
  });
  if (begun) {
    return (
      <section class="card">
        <Heading look="told">{text(isClosed(client) ? "close.elsewhere" : "close.begun")}</Heading>
        <ProblemNotice problem={ending.problem} />
        <div class="actions">
          <Button look="primary" busy={ending.busy} onClick={() => void ending.run()}>
            {text(isClosed(client) ? "close.forget" : "close.go-on")}
          </Button>
        </div>
      </section>
    );
  }
  return (
    <>
      <section class="card">
        <h2>{text("close.means")}</h2>
        <ul>
          <li>{text("close.access")}</li>
          <li>{text("close.sealed")}</li>
          <li>{text("close.houses")}</li>
          <li>{text("close.stays")}</li>
        </ul>
        <p>{text("close.before")}</p>
        <div class="actions">
          <LinkButton to="take" look="primary">
            {text("take.title")}
          </LinkButton>
          <LinkButton to="log">{text("log.title")}</LinkButton>
          {!sure && (
            <Button look="danger" onClick={() => beSure(true)}>
              {text("close.go-to")}
            </Button>
          )}
        </div>
      </section>
      {sure && (
        <section class="card">
          <Heading>{text("close.sure")}</Heading>
          <Notice mood="warning">{text("close.no-way-back")}</Notice>
          <Form task={closing} submit={text("close.now")} beside={<LinkButton to="security">{text("close.keep")}</LinkButton>}>
            <Passphrase value={typed} onInput={type} />
          </Form>
        </section>
      )}
    </>
  );
}

/** Nothing of the account stays in this browser, nor in the memory of any of its tabs. */
async function leave(client: Client): Promise<void> {
  go("farewell");
  tellTabs();
  await client.forget();
  tellTabs(); // what they would unlock is gone
  location.reload();
}

export function Farewell() {
  const { device, enter } = usePortal();
  const tidying = useTask(async () => {
    await Safe.sweep(device.db); // what another tab still wrote while it was told
    enter(await lookUp(device.db)); // or another account, to whose page a way back leads no more
  });
  useEffect(() => void tidying.run(), []);
  return (
    <section class="card">
      <Notice mood="good">{text("farewell.done")}</Notice>
      <p>{text("farewell.sheet")}</p>
      <div class="actions">
        <LinkButton to="">{text("farewell.start")}</LinkButton>
      </div>
    </section>
  );
}
