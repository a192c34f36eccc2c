/** Another patient's record: whose it is stands above all of it. */

import type { Client } from "../client/client.ts";
import type { Member } from "../client/member.ts";
import { account } from "../identifiers.ts";
import { Rejected } from "../primitives.ts";
import { usePath } from "../router.ts";
import { language, type Key, text } from "../text.ts";
import { Choice } from "../ui/choice.tsx";
import { Icon } from "../ui/icon.tsx";
import { Notice } from "../ui/notice.tsx";
import { type Granted, useGranted } from "../ui/shown.ts";
import * as words from "../words.ts";
import { AsMember } from "./member.tsx";
import { useActions } from "./own_entry.tsx";
import { Record, titleOf } from "./record.tsx";

/** The title of a page behind a patient's address. */
export function titleOfPatient(behind: string): Key | null {
  return titleOf(behind.split("/")[1] ?? "");
}

export function Patient({ client }: { client: Client }) {
  const [, patient = "", place = ""] = usePath().split("/");
  if (!isAddress(patient)) return <Notice>{text("patient.gone")}</Notice>;
  return (
    <AsMember client={client}>
      {(member) => <OfPatient key={patient} client={client} patient={patient} place={place} member={member} />}
    </AsMember>
  );
}

/** What somebody typed behind the # need not be one. */
function isAddress(typed: string): boolean {
  try {
    account(typed);
    return true;
  } catch (error) {
    if (error instanceof Rejected) return false;
    throw error;
  }
}

type OfPatientProps = {
  readonly client: Client;
  readonly patient: string;
  readonly place: string;
  readonly member: Member;
};

function OfPatient({ client, patient, place, member }: OfPatientProps) {
  const record = useGranted(client, patient, member);
  const actions = useActions(client, record);
  const isGranted = client.reading.patients.includes(patient);
  return (
    <>
      <Whose client={client} name={record.nameOf(patient)} />
      {isGranted ? (
        <>
          <For record={record} />
          <Record
            record={record}
            actions={actions}
            place={place}
            empty={<Notice>{text("patient.nothing")}</Notice>}
          />
        </>
      ) : (
        <Notice>{text(record.loading ? "reading.opening" : "patient.gone")}</Notice>
      )}
    </>
  );
}

function Whose({ client, name }: { client: Client; name: string }) {
  return (
    <div class="whose" role="region" aria-label={text("patient.whose")}>
      <Icon name="card" />
      <strong>{text("patient.of", { who: name })}</strong>
      <a href={client.isPerson ? "#/data" : "#/"}>{text(client.isPerson ? "patient.back-own" : "patient.back")}</a>
    </div>
  );
}

/** For what is read, where she granted different things for different purposes. */
function For({ record: { purpose, purposes, choose } }: { record: Granted }) {
  if (purposes.length < 2) return null;
  return (
    <Choice
      label={text("patient.purpose")}
      value={purpose}
      options={purposes.map((one) => [one, words.purpose(one, language())])}
      onChoose={choose}
    />
  );
}
