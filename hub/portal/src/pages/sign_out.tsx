/** This browser leaves the account, and keeps nothing of it. */

import type { Client } from "../client/client.ts";
import { lookUp } from "../client/device.ts";
import { devices, leave } from "../client/devices.ts";
import { tellTabs, usePortal } from "../portal.ts";
import { go } from "../router.ts";
import { text } from "../text.ts";
import { Address } from "../ui/address.tsx";
import { Button, LinkButton } from "../ui/button.tsx";
import { Notice, ProblemNotice } from "../ui/notice.tsx";
import { useTask } from "../ui/task.ts";

export function SignOut({ client }: { client: Client }) {
  const { enter } = usePortal();
  const leaving = useTask(async () => {
    tellTabs(); // none of them goes on to bring in what would be forgotten unsent
    await leave(client);
    tellTabs();
    go("");
    enter(await lookUp(client.db));
  });
  const isLast = devices(client).every(({ own, role }) => own || role !== "client");
  return (
    <section class="card">
      <p>{text("sign-out.why")}</p>
      <p>{text("sign-out.back-in")}</p>
      {isLast && <Notice mood="warning">{text("sign-out.last")}</Notice>}
      <Address account={client.account} />
      <p>{text("sign-out.stolen")}</p>
      <ProblemNotice problem={leaving.problem} />
      {leaving.busy && <Notice>{text("sign-out.wait")}</Notice>}
      <div class="actions">
        <Button look="danger" busy={leaving.busy} onClick={() => void leaving.run()}>
          {text("sign-out.sign-out")}
        </Button>
        <LinkButton to="security">{text("browser.back")}</LinkButton>
      </div>
    </section>
  );
}
