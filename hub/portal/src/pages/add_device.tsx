/** A further device comes to the account: its QR code is scanned here, and digits are compared. */

import type { ComponentChild } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Client } from "../client/client.ts";
import * as pairing from "../client/pairing.ts";
import type { Offer } from "../client/pairing.ts";
import { digits, Invitation, type Reveal } from "../pairing.ts";
import { Rejected } from "../primitives.ts";
import { text } from "../text.ts";
import { Button, LinkButton } from "../ui/button.tsx";
import { Digits } from "../ui/digits.tsx";
import { Done } from "../ui/done.tsx";
import { Field } from "../ui/field.tsx";
import { Form } from "../ui/form.tsx";
import { Notice, ProblemNotice } from "../ui/notice.tsx";
import { Scanner } from "../ui/scanner.tsx";
import { Heading } from "../ui/step.tsx";
import { useStop } from "../ui/stop.ts";
import { useTask } from "../ui/task.ts";

export function AddDevice({ client }: { client: Client }) {
  const [offer, setOffer] = useState<Offer | null>(null);
  /** The name of the device that was added, or empty. */
  const [added, finish] = useState<string | null>(null);
  const back = <LinkButton to="security">{text("lost.back")}</LinkButton>;
  if (added !== null) {
    return (
      <section class="card">
        {added ? (
          <Done said={text("add.done", { name: added.slice(-4) })} />
        ) : (
          <Done mood="warning" said={text("add.declined")} />
        )}
        <div class="actions">{back}</div>
      </section>
    );
  }
  return (
    <section class="card" key={String(offer === null)}>
      {offer === null ? (
        <Invited client={client} onAnswered={setOffer} back={back} />
      ) : (
        <Compare client={client} offer={offer} onDone={finish} />
      )}
    </section>
  );
}

type InvitedProps = {
  readonly client: Client;
  readonly onAnswered: (offer: Offer) => void;
  readonly back: ComponentChild;
};

function Invited({ client, onAnswered, back }: InvitedProps) {
  const [typed, type] = useState("");
  const [error, setError] = useState("");
  const answering = useTask(async (shown: string) => {
    setError(isInvitation(shown) ? "" : text("add.not-this"));
    if (isInvitation(shown)) onAnswered(await pairing.answer(client, shown));
  });
  const read = (content: string) => {
    if (isInvitation(content)) void answering.run(content);
    return isInvitation(content);
  };
  return (
    <>
      <ol>
        <li>{text("add.open-there")}</li>
        <li>{text("add.scan-it")}</li>
      </ol>
      <Scanner label={text("add.scan")} onRead={read} />
      <Form task={{ ...answering, run: () => answering.run(typed) }} submit={text("add.go-on")} beside={back}>
        <Field label={text("add.text")} hint={text("add.text-hint")} value={typed} onInput={type} error={error} code />
      </Form>
    </>
  );
}

function isInvitation(shown: string): boolean {
  try {
    Invitation.parse(shown);
    return true;
  } catch (error) {
    if (error instanceof Rejected) return false;
    throw error;
  }
}

type CompareProps = {
  readonly client: Client;
  readonly offer: Offer;
  readonly onDone: (device: string) => void;
};

function Compare({ client, offer, onDone }: CompareProps) {
  const stop = useStop();
  const [reveal, setReveal] = useState<Reveal | null>(null);
  const hearing = useTask(async () => setReveal(await pairing.hearReveal(client, offer, stop)));
  useEffect(() => void hearing.run(), []);
  const adding = useTask(async (found: Reveal) => {
    await pairing.admit(client, offer, found);
    onDone(found.device);
  });
  const declining = useTask(async () => {
    await pairing.decline(client, offer);
    onDone("");
  });
  const decline = (
    <Button look="danger" busy={declining.busy} onClick={() => void declining.run()}>
      {text(reveal ? "join.differ" : "add.cancel")}
    </Button>
  );
  return (
    <>
      <Heading>{text("add.compare")}</Heading>
      {reveal === null ? (
        hearing.problem === null && <Notice>{text("add.waits")}</Notice>
      ) : (
        <>
          <p>{text("add.compare-why", { name: reveal.label || text("security.role-client") })}</p>
          <Digits digits={digits(offer.invitation, offer.reply, reveal)} label={text("join.digits")} />
          <p>{text("add.only-same")}</p>
        </>
      )}
      <ProblemNotice problem={hearing.problem ?? adding.problem ?? declining.problem} />
      <div class="actions">
        {reveal && (
          <Button look="primary" busy={adding.busy} onClick={() => void adding.run(reveal)}>
            {text("add.same")}
          </Button>
        )}
        {decline}
      </div>
    </>
  );
}
