/** A record as pages show it: the own one, or what another patient granted, of which each entry shown is told to her. */

import { useEffect, useMemo, useState } from "preact/hooks";
import type { Client } from "../client/client.ts";
import { closedFor, HERSELF, type Member } from "../client/member.ts";
import type { Side } from "../client/side.ts";
import type { Stored } from "../client/stored.ts";
import { account as parseAccount } from "../identifiers.ts";
import { within } from "../purposes.ts";
import { title } from "../summary.ts";
import { text } from "../text.ts";
import { useNames } from "./names.ts";
import { useNoted } from "./noted.ts";
import { useReading } from "./reading.ts";

/** For what is read where nothing else is chosen. */
const USUAL = "TREAT";

/**
 * `path`: where its pages are. `nameOf`: how an account is called beside it. `note`: keep, before they are shown, what the
 * patient is told of these entries; null for the own record, of which nobody is told. `purpose`: for what it is read; empty
 * where none is told.
 */
export type Shown = {
  readonly patient: string;
  readonly path: string;
  readonly entries: readonly Stored[];
  readonly loading: boolean;
  readonly problem: unknown;
  readonly refused: number;
  readonly missing: number;
  readonly nameOf: (account: string) => string;
  readonly note: ((entries: readonly Stored[]) => Promise<void>) | null;
  readonly purpose: string;
};

/** The own record; of a patient for whom somebody acts what was granted with that. */
export function useOwn(client: Side): Shown {
  const { version } = useReading(client);
  const entries = useMemo(() => client.stored, [client, version]);
  const nameOf = useNames(client, true);
  return { ...told(client, client.account), path: "data", entries, nameOf, note: null, purpose: "" };
}

function told({ reading }: Side, patient: string) {
  const { problem, state } = reading;
  const missing = reading.record(patient)?.missing ?? 0;
  return { patient, loading: state === "opening", problem, refused: reading.refused(patient), missing };
}

/** What another patient granted, for one of its purposes; `choose`: another of them. */
export type Granted = Shown & {
  readonly purposes: readonly string[];
  readonly choose: (purpose: string) => void;
};

/** What another patient granted, as a member of this account may see it. */
export function useGranted(client: Client, patient: string, member: Member): Granted {
  const { reading } = client;
  const { version } = useReading(client);
  const names = useNames(client);
  const [chosen, choose] = useState("");
  const [closed, setClosed] = useState<ReadonlySet<number> | null>(null);
  useEffect(() => void closedFor(client, member, "read").then(setClosed), [client, member, version]);
  const purposes = reading.granted.purposes(patient);
  const purpose = purposes.includes(chosen) ? chosen : usual(purposes);
  const entries = useMemo(
    () => (closed === null ? [] : reading.of(patient, { role: member.role, purpose, closed })),
    [version, patient, member.role, purpose, closed],
  );
  const by = { person: member.name, role: member.role, purpose };
  const note = (shown: readonly Stored[]) => client.reports.note(patient, shown.map(({ resource }) => resource), by);
  const noteName = (shown: readonly Stored[]) => client.reports.noteName(patient, shown.map(({ resource }) => resource), by);
  const named = useMemo(() => entries.filter(({ resource }) => resource["resourceType"] === "Patient"), [entries]);
  const master = useNoted({ patient, purpose, note: noteName }, named);
  const whose = patientName(patient, master.shown);
  const reads = told(client, patient);
  return {
    ...reads,
    problem: reads.problem ?? master.problem,
    path: `patient/${patient}`,
    entries,
    nameOf: (account) => (account === patient ? whose : names(account)),
    note,
    purpose,
    purposes,
    choose,
  };
}

/** How a patient is called for whom this person acts. */
export function usePatientName(client: Client, patient: string): string {
  return useGranted(client, patient, HERSELF).nameOf(patient);
}

/** Treatment, where anything is granted for it. */
function usual(purposes: readonly string[]): string {
  return purposes.length === 0 || within(USUAL, purposes) ? USUAL : (purposes[0] ?? USUAL);
}

/** How a patient is called: by what of her master data may be seen, else by her address. */
function patientName(patient: string, named: readonly Stored[]): string {
  const newest = named.at(-1);
  const name = newest === undefined ? "" : title(newest.resource);
  return name || text("patient.unnamed", { address: parseAccount(patient).local.slice(0, 8) });
}
