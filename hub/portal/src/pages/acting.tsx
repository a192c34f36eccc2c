/** Acting for another: for whom, in what and until when, told wherever she goes; the way back; and giving it up. */

import type { Client } from "../client/client.ts";
import { type Mandate, resign } from "../client/representative.ts";
import type { Side } from "../client/side.ts";
import { usePortal } from "../portal.ts";
import { language, text } from "../text.ts";
import { useMandates } from "../ui/acting.ts";
import { Button } from "../ui/button.tsx";
import { Icon } from "../ui/icon.tsx";
import { useLoaded } from "../ui/load.ts";
import { Notice } from "../ui/notice.tsx";
import { usePatientName } from "../ui/shown.ts";
import { Sure, useAsking } from "../ui/sure.tsx";
import { useTask } from "../ui/task.ts";
import * as words from "../words.ts";
import { Waiting } from "./share.tsx";

/** On her own overview: for whom she may act. Nothing where nobody has named her. */
export function ActsFor({ client }: { client: Client }) {
  const found = useMandates(client);
  if (found.length === 0) return null;
  return (
    <section class="card">
      <h2>{text("acting.for")}</h2>
      <ul class="plain">
        {found.map((mandate) => (
          <OneMandate key={mandate.patient} client={client} mandate={mandate} />
        ))}
      </ul>
    </section>
  );
}

function OneMandate({ client, mandate }: { client: Client; mandate: Mandate }) {
  const { actFor } = usePortal();
  const { patient } = mandate;
  const who = usePatientName(client, patient);
  return (
    <li>
      <h3>{who}</h3>
      <p>{told(mandate)}</p>
      <p class="hint code">{patient}</p>
      <div class="actions">
        <Button onClick={() => actFor(patient)} label={text("acting.begin-of", { who })}>
          {text("acting.begin")}
        </Button>
      </div>
    </li>
  );
}

function told({ scope, until }: Mandate): string {
  return text(scope === "full" ? "acting.may-all" : "acting.may-manage", { until: words.until(until, language()) });
}

type OfPatient = { readonly client: Client; readonly patient: string };

/** Above all pages: for whom she acts, and the way back to herself. */
export function ActingBanner({ client, patient, mandate }: OfPatient & { mandate: Mandate | null }) {
  const { actFor } = usePortal();
  const who = usePatientName(client, patient);
  return (
    <aside class="whose" aria-label={text("acting.banner")}>
      <Icon name="people" />
      <strong>{text(mandate === null ? "acting.over" : "acting.now", { who })}</strong>
      <Button look="plain" onClick={() => actFor("")}>
        {text("acting.back")}
      </Button>
    </aside>
  );
}

/** In the place of every page, once she may act no more. */
export function NoLonger({ client, patient }: OfPatient) {
  return <Notice mood="warning">{text("acting.over-why", { who: usePatientName(client, patient) })}</Notice>;
}

/** The first page of somebody who acts with all keys. */
export function ActingOverview({ client }: { client: Side }) {
  const { device } = usePortal();
  return device.state === "open" ? <ForPatient client={device.client} side={client} /> : null;
}

function ForPatient({ client, side }: { client: Client; side: Side }) {
  const { value, fresh } = useLoaded(side, async () => (await side.vault()).mandates.get(client.account)?.kind ?? "chosen");
  if (value === null) return <Waiting problem={fresh.problem} />;
  return (
    <>
      {fresh.problem !== null && <Notice mood="warning">{text("share.old")}</Notice>}
      <section class="card">
        <About client={client} patient={side.account} />
        {value === "guardian" && <p>{text("acting.guardian")}</p>}
        <p>{text("acting.you")}</p>
      </section>
      <Resigning client={client} patient={side.account} />
    </>
  );
}

/** For whom, in what, and until when she acts. */
export function About({ client, patient }: OfPatient) {
  const mandate = useMandates(client).find((one) => one.patient === patient);
  return (
    <>
      <h2>{text("acting.for-whom", { who: usePatientName(client, patient) })}</h2>
      <p>{mandate && told(mandate)}</p>
      <p class="hint code">{patient}</p>
    </>
  );
}

/** Giving the mandate back, which cannot be undone by her who does it. */
export function Resigning({ client, patient }: OfPatient) {
  const { actFor } = usePortal();
  const { asked, kept, ask, keep } = useAsking();
  const who = usePatientName(client, patient);
  const resigning = useTask(async () => {
    await resign(client, patient);
    actFor("");
  });
  return (
    <section class="card">
      <h2>{text("acting.resign-title")}</h2>
      {asked ? (
        <Sure
          question={text("acting.resign-sure", { who })}
          task={resigning}
          yes={text("acting.resign-now")}
          no={text("acting.resign-keep")}
          onNo={keep}
        >
          <p>{text("acting.resign-why", { who })}</p>
        </Sure>
      ) : (
        <Button focus={kept} onClick={ask}>
          {text("acting.resign")}
        </Button>
      )}
    </section>
  );
}
