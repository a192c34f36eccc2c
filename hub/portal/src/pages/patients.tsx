/** Whose records can be read besides the own one: who granted what, for what, and until when. */

import { useEffect, useState } from "preact/hooks";
import type { Client } from "../client/client.ts";
import { destinations } from "../client/destinations.ts";
import { Directory } from "../client/directory.ts";
import { HERSELF, type Member } from "../client/member.ts";
import { NO_END } from "../relations.ts";
import { language, optional, text } from "../text.ts";
import { LinkButton } from "../ui/button.tsx";
import { Notice } from "../ui/notice.tsx";
import { useReading } from "../ui/reading.ts";
import { ReadingNotices } from "../ui/reading_notices.tsx";
import { useGranted, useOwn } from "../ui/shown.ts";
import * as words from "../words.ts";
import { AskingFor } from "./asking_for.tsx";
import { AsMember } from "./member.tsx";
import { AccountCard } from "./overview.tsx";

/** A purpose as whoever reads says it; one that has no words of its own by the code. */
export function purposeName(code: string): string {
  return optional(`purpose.${code}`) || code;
}

/** The first page of an organisation. */
export function Patients({ client }: { client: Client }) {
  const record = useOwn(client);
  const { patients } = client.reading;
  return (
    <AsMember client={client}>
      {(member) => (
        <>
          <ReadingNotices record={record} />
          <section class="card">
            <h2>{text("patients.granting")}</h2>
            {patients.length > 0 ? (
              <Granting client={client} patients={patients} member={member} />
            ) : (
              <Notice>{text(record.loading ? "reading.opening" : "patients.none")}</Notice>
            )}
          </section>
          <OwnHouse client={client} />
        </>
      )}
    </AsMember>
  );
}

/** By which patients find this organisation, and how it asks them. */
function OwnHouse({ client }: { client: Client }) {
  const [house, setHouse] = useState<{ readonly type: string } | null>(null);
  const { version } = client.reading;
  useEffect(() => void Directory.kept(client.db).then((found) => setHouse(found.about(client.account))), [version]);
  return (
    <>
      {house !== null && <AskingFor key={house.type} client={client} type={house.type} />}
      <AccountCard card={String(client.card)} why={text("patients.card-why")} />
    </>
  );
}

/** Beside the own record those of others that a person may read; nothing where there are none. */
export function OthersRecords({ client }: { client: Client }) {
  const { granted, patients: all } = useReading(client);
  // Who only manages for somebody holds stand-ins, under which there is nothing to read.
  const patients = all.filter((one) => granted.agreed(one).length > 0 || destinations(client, one).size > 0);
  if (patients.length === 0) return null;
  return (
    <section class="card">
      <h2>{text("patients.others")}</h2>
      <Granting client={client} patients={patients} member={HERSELF} />
    </section>
  );
}

type GrantingProps = { readonly client: Client; readonly patients: readonly string[]; readonly member: Member };

function Granting({ client, patients, member }: GrantingProps) {
  return (
    <ul class="plain">
      {patients.map((patient) => (
        <OnePatient key={patient} client={client} patient={patient} member={member} />
      ))}
    </ul>
  );
}

function OnePatient({ client, patient, member }: { client: Client; patient: string; member: Member }) {
  const record = useGranted(client, patient, member);
  const who = record.nameOf(patient);
  const granted = client.reading.granted.agreed(patient);
  return (
    <li>
      <h3>{who}</h3>
      {granted.map(({ categories, purposes, until }, number) => (
        <p key={number}>
          {text("patients.may", {
            what: words.categories(categories, language()),
            why: words.row(purposes.map(purposeName), language()),
            until: until >= NO_END ? text("patients.no-end") : words.until(until, language()),
          })}
        </p>
      ))}
      {destinations(client, patient).size > 0 && <p class="hint">{text("patients.writes")}</p>}
      <div class="actions">
        <LinkButton to={record.path} label={text("patients.open-of", { who })}>
          {text("patients.open")}
        </LinkButton>
      </div>
    </li>
  );
}
