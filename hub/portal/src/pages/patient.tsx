/** Another patient's record: whose it is stands above all of it. */

import type { Client } from "../client/client.ts";
import { destinations } from "../client/destinations.ts";
import { HERSELF, type Member } from "../client/member.ts";
import { account } from "../identifiers.ts";
import { usePortal } from "../portal.ts";
import { Rejected } from "../primitives.ts";
import { usePath } from "../router.ts";
import { type Key, text } from "../text.ts";
import { LinkButton } from "../ui/button.tsx";
import { Choice } from "../ui/choice.tsx";
import { Icon } from "../ui/icon.tsx";
import { Notice } from "../ui/notice.tsx";
import { type Granted, useGranted } from "../ui/shown.ts";
import { Adding } from "./adding.tsx";
import { AsMember } from "./member.tsx";
import { useActions } from "./own_entry.tsx";
import { purposeName } from "./patients.tsx";
import { Record, titleOf } from "./record.tsx";

const ADD = "add";

/** The title of a page behind a patient's address. */
export function titleOfPatient(behind: string): Key | null {
  const place = behind.split("/")[1] ?? "";
  return place === ADD ? "write.title" : titleOf(place);
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

/** The record of her for whom somebody acts: that she does so stands above it already. */
export function ActingRecord({ client: side }: { client: { readonly account: string } }) {
  const { device } = usePortal();
  const place = usePath().split("/")[2] ?? "";
  if (device.state !== "open") return null;
  return <OfPatient client={device.client} patient={side.account} place={place} member={HERSELF} acting />;
}

type OfPatientProps = {
  readonly client: Client;
  readonly patient: string;
  readonly place: string;
  readonly member: Member;
  readonly acting?: boolean;
};

function OfPatient({ client, patient, place, member, acting = false }: OfPatientProps) {
  const record = useGranted(client, patient, member);
  const actions = useActions(client, record);
  const isGranted = client.reading.patients.includes(patient);
  return (
    <>
      {!acting && <Whose client={client} name={record.nameOf(patient)} />}
      {!isGranted && <Notice>{text(record.loading ? "reading.opening" : "patient.gone")}</Notice>}
      {isGranted && place === ADD && (
        <>
          <p class="back">
            <a href={`#/${record.path}`}>{text("data.back")}</a>
          </p>
          <Adding client={client} record={record} member={member} />
        </>
      )}
      {isGranted && place !== ADD && (
        <>
          <For record={record} />
          {place === "" && !client.isPerson && <ToAdd client={client} record={record} />}
          <Record
            record={record}
            actions={actions}
            place={place}
            empty={<Notice>{text("patient.nothing")}</Notice>}
          />
        </>
      )}
    </>
  );
}

/** The way to writing, or why there is none. */
function ToAdd({ client, record: { patient, path } }: { client: Client; record: Granted }) {
  if (destinations(client, patient).size === 0) return <p class="hint">{text("write.no-permit")}</p>;
  return (
    <div class="actions">
      <LinkButton to={`${path}/${ADD}`} look="primary">
        {text("write.title")}
      </LinkButton>
    </div>
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
      options={purposes.map((one) => [one, purposeName(one)])}
      onChoose={choose}
    />
  );
}
