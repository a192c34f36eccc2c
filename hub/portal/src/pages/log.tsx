/** Who looked: the access log by day, checked in this page, with what she chooses to see of it. */

import { useEffect, useState } from "preact/hooks";
import { type Entry, explained } from "../client/access_log.ts";
import type { Side } from "../client/side.ts";
import { accept, isWhole, kept, look, type Proof } from "../client/log_proof.ts";
import { report } from "../client/log_words.ts";
import { dayOf } from "../dates.ts";
import { language, text } from "../text.ts";
import { Button } from "../ui/button.tsx";
import { Choice } from "../ui/choice.tsx";
import { Done } from "../ui/done.tsx";
import { Notice, Outdated } from "../ui/notice.tsx";
import { Heading } from "../ui/step.tsx";
import { useTask } from "../ui/task.ts";
import * as words from "../words.ts";
import { LogEntry } from "./log_entry.tsx";
import { chosen, FACETS, OTHERS } from "./log_facets.ts";

/** So many entries are shown at once. */
const PAGE = 50;

type Looked = { readonly proof: Proof; readonly entries: readonly Entry[] };

async function looked(client: Side): Promise<Looked | null> {
  const proof = await kept(client);
  return proof && { proof, entries: await explained(client, proof.entries) };
}

export function Log({ client }: { client: Side }) {
  const [value, setValue] = useState<Looked | null>(null);
  const [accepted, setAccepted] = useState(false);
  const looking = useTask(async () => {
    setValue(await looked(client));
    await look(client);
    setValue(await looked(client));
  });
  const again = () => {
    setAccepted(true);
    void looking.run();
  };
  useEffect(() => void looking.run(), []);
  return (
    <>
      <p>{text("log.why")}</p>
      <Outdated problem={looking.problem} away="log.old" />
      {accepted && <Done said={text("log.accepted")} />}
      {looking.busy && <Notice>{text("log.loading")}</Notice>}
      {value !== null && !looking.busy && (
        <Checked client={client} proof={value.proof} onAccepted={again} />
      )}
      {value !== null && (
        <Entries client={client} entries={value.entries} onObjected={async () => setValue(await looked(client))} />
      )}
    </>
  );
}

// --- whether it is whole ----------------------------------------------------------------------------------------------

type CheckedProps = { readonly client: Side; readonly proof: Proof; readonly onAccepted: () => void };

/** Faults that a device goes on to find until she says that she knows of them. */
const LASTING = ["shortened", "replaced"];

function Checked({ client, proof, onAccepted }: CheckedProps) {
  const accepting = useTask(async () => {
    await accept(client, proof);
    onAccepted();
  });
  const [verdict, faults, more] = report(proof, language());
  if (isWhole(proof)) {
    return (
      <Notice mood="good">
        {verdict} {more.join(" ")}
      </Notice>
    );
  }
  return (
    <Notice mood="bad">
      <Heading focus={false} look="told">
        {verdict}
      </Heading>
      <ul>
        {faults.map((fault) => (
          <li key={fault}>{fault}</li>
        ))}
      </ul>
      <p>{text("log.ask")}</p>
      {proof.faults.some(({ kind }) => LASTING.includes(kind)) && (
        <Button busy={accepting.busy} onClick={() => void accepting.run()}>
          {text("log.accept")}
        </Button>
      )}
    </Notice>
  );
}

// --- the entries ------------------------------------------------------------------------------------------------------

type EntriesProps = {
  readonly client: Side;
  readonly entries: readonly Entry[];
  readonly onObjected: () => Promise<void>;
};

function Entries({ client, entries, onObjected }: EntriesProps) {
  const { account } = client;
  const [choices, choose] = useState<{ readonly [facet: string]: string }>({ who: OTHERS });
  const [shown, show] = useState(PAGE);
  const found = newestFirst(chosen(entries, choices, account));
  const days = byDay(found.slice(0, shown));
  return (
    <section class="card">
      <h2>{text("log.entries")}</h2>
      <div class="choices">
        {FACETS.map((facet) => (
          <Choice
            key={facet.name}
            label={text(`log.${facet.name}`)}
            value={choices[facet.name] ?? ""}
            options={facet.options(entries, account)}
            onChoose={(value) => {
              choose({ ...choices, [facet.name]: value });
              show(PAGE);
            }}
          />
        ))}
      </div>
      <p class="hint" role="status">
        {found.length > 0
          ? text("log.shown", { shown: Math.min(shown, found.length), all: found.length })
          : text(isUnfiltered(choices) ? "log.nobody" : "log.no-match")}
      </p>
      {days.map(([day, its]) => (
        <section key={day} aria-labelledby={`day-${day}`}>
          <h3 class="day" id={`day-${day}`}>
            {words.day(its[0].at, language())}
          </h3>
          <ul class="plain">
            {its.map((entry) => (
              <LogEntry
                key={entry.seq}
                client={client}
                entry={entry}
                focus={shown > PAGE && entry === found[shown - PAGE]}
                onObjected={onObjected}
              />
            ))}
          </ul>
        </section>
      ))}
      {found.length > shown && (
        <div class="actions">
          <Button onClick={() => show(shown + PAGE)}>{text("log.older")}</Button>
        </div>
      )}
    </section>
  );
}

function isUnfiltered({ who, ...others }: { readonly [facet: string]: string }): boolean {
  return who === OTHERS && Object.values(others).every((value) => value === "");
}

/** By when it happened: a house may report later what was read there. */
function newestFirst(entries: readonly Entry[]): Entry[] {
  return [...entries].sort((a, b) => b.at - a.at || b.seq - a.seq);
}

/** Days as `2026-10-01`, the same in each language, so that what is under way on the page outlives its change. */
function byDay(entries: readonly Entry[]): [day: string, entries: [Entry, ...Entry[]]][] {
  const days = new Map<string, [Entry, ...Entry[]]>();
  for (const entry of entries) {
    const day = dayOf(entry.at);
    const its = days.get(day);
    if (its === undefined) days.set(day, [entry]);
    else its.push(entry);
  }
  return [...days];
}
