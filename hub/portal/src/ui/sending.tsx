/** What was written here and is still on its way: sent in the background, told in one line as long as it waits. */

import { useEffect, useState } from "preact/hooks";
import type { Client } from "../client/client.ts";
import { text } from "../text.ts";
import { Button } from "./button.tsx";
import { Notice } from "./notice.tsx";
import { useTask } from "./task.ts";

const AGAIN_MS = 30_000;

export function Sending({ client }: { client: Client }) {
  const [waiting, setWaiting] = useState(0);
  const sending = useTask(async () => {
    setWaiting(await client.outbox.waiting());
    const sent = await sendAll(client).finally(async () => setWaiting(await client.outbox.waiting()));
    if (sent > 0) void look(client);
  });
  useEffect(() => {
    const send = () => void sending.run();
    const stop = client.outbox.watch(send);
    const again = setInterval(send, AGAIN_MS);
    addEventListener("online", send);
    send();
    return () => {
      stop();
      clearInterval(again);
      removeEventListener("online", send);
    };
  }, [client]);
  if (waiting === 0 && sending.problem === null) return null;
  if (sending.problem === null) {
    return (
      <p class="sending" role="status">
        {text("sending.under-way", { count: waiting })}
      </p>
    );
  }
  return (
    <Notice mood="warning">
      {text("sending.waits", { count: waiting })}{" "}
      <Button look="plain" busy={sending.busy} onClick={() => void sending.run()}>
        {text("sending.again")}
      </Button>
    </Notice>
  );
}

/** Also what was put in while the rest was sent. Returns the number of envelopes that the hub took. */
async function sendAll(client: Client): Promise<number> {
  const sent = await client.flush();
  const isMore = sent > 0 && (await client.outbox.waiting()) > 0;
  return isMore ? sent + (await sendAll(client)) : sent;
}

/** What was sent comes back by the feed; a look that was under way already may have been there too early. */
async function look({ reading }: Client): Promise<void> {
  await reading.refresh();
  await reading.refresh();
}
