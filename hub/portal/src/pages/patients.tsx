/** Whose records can be read besides the own one: who granted what, for what, and until when. */

import type { Client } from "../client/client.ts";
import { destinations } from "../client/destinations.ts";
import { HERSELF, type Member } from "../client/member.ts";
import { NO_END } from "../relations.ts";
import { language, text } from "../text.ts";
import { LinkButton } from "../ui/button.tsx";
import { Notice } from "../ui/notice.tsx";
import { useReading } from "../ui/reading.ts";
import { ReadingNotices } from "../ui/reading_notices.tsx";
import { useGranted, useOwn } from "../ui/shown.ts";
import * as words from "../words.ts";
import { AsMember } from "./member.tsx";

/** The first page of an organisation. */
export function Patients({ client }: { client: Client }) {
  const record = useOwn(client);
  const { patients } = client.reading;
  return (
    <AsMember client={client}>
      {(member) => (
        <>
          <ReadingNotices record={record} />
          {patients.length > 0 ? (
            <Granting client={client} patients={patients} member={member} />
          ) : (
            <Notice>{text(record.loading ? "reading.opening" : "patients.none")}</Notice>
          )}
        </>
      )}
    </AsMember>
  );
}

/** Beside the own record those of others that a person may read; nothing where there are none. */
export function OthersRecords({ client }: { client: Client }) {
  const { patients } = useReading(client);
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
            why: words.purposes(purposes, language()),
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
