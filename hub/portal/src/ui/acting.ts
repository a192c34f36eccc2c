/** For whom the user acts: herself, or a patient who has named her; and that this can be over at any moment. */

import { useEffect, useMemo, useState } from "preact/hooks";
import type { Client } from "../client/client.ts";
import { Deputy } from "../client/delegation.ts";
import { type Mandate, mandates, Representative } from "../client/representative.ts";
import { Problem } from "../problems.ts";
import { useReading } from "./reading.ts";

const AGAIN_MS = 10_000;
/** A timer of more milliseconds than 31 bits hold would run at once. */
const LONGEST_MS = 2 ** 31 - 1;

/** By which mandate, null once it is over; and what acts, by its scope. */
export type Acting = {
  readonly mandate: Mandate | null;
  readonly full: Representative | null;
  readonly manages: Deputy | null;
};

/** For whom this account may act now, followed as it changes. */
export function useMandates(client: Client): readonly Mandate[] {
  useReading(client);
  const [, again] = useState(0);
  const found = mandates(client);
  const ends = Math.min(...found.map(({ until }) => until));
  useEffect(() => {
    const left = (ends - client.hub.now) * 1000;
    if (left > LONGEST_MS) return undefined;
    const timer = setTimeout(() => again((count) => count + 1), Math.max(left, 0));
    return () => clearTimeout(timer);
  }, [client, ends]);
  return found;
}

/** What acts for a patient, and whether it still may. */
export function useActing(client: Client, patient: string): Acting {
  const mandate = useMandates(client).find((one) => one.patient === patient) ?? null;
  const scope = mandate?.scope;
  const full = useMemo(() => (scope === "full" ? new Representative(client, patient) : null), [client, patient, scope]);
  const manages = useMemo(() => (scope === "manage" ? new Deputy(client, patient) : null), [client, patient, scope]);
  useNews(client);
  return { mandate, full, manages };
}

/** What is new at the hub is taken in at once: that somebody may act no more must not wait for the next minute. */
function useNews(client: Client): void {
  const [round, next] = useState(0);
  useEffect(() => {
    let isOver = false;
    const wait = async () => {
      try {
        if (await client.news()) await client.reading.refresh();
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        await new Promise((go) => setTimeout(go, AGAIN_MS));
      }
      if (!isOver) next(round + 1);
    };
    void wait();
    return () => {
      isOver = true;
    };
  }, [client, round]);
}
