/** My data: what is in the record by category, one category, or all in the order of time; searched on this device. */

import { useMemo, useState } from "preact/hooks";
import { asked, newestFirst, NO_QUESTION, type Question } from "../asking.ts";
import { NAMES } from "../categories.ts";
import type { Client } from "../client/client.ts";
import type { Stored } from "../client/stored.ts";
import { usePath } from "../router.ts";
import { localDate, when } from "../summary.ts";
import { type Key, text } from "../text.ts";
import { LinkButton } from "../ui/button.tsx";
import { Choice } from "../ui/choice.tsx";
import { Field } from "../ui/field.tsx";
import { useNames } from "../ui/names.ts";
import { Notice } from "../ui/notice.tsx";
import { useReading } from "../ui/reading.ts";
import { ReadingNotices } from "../ui/reading_notices.tsx";
import { Category } from "./category.tsx";
import { Entries } from "./entry.tsx";

const TIMELINE = "timeline";

/** The title of a category, or of the timeline. */
export function titleOf(behind: string): Key | null {
  const name = NAMES.find((one) => one === behind);
  return name === undefined ? (behind === TIMELINE ? "data.timeline" : null) : `category.${name}`;
}

export function Data({ client }: { client: Client }) {
  const reading = useReading(client);
  const { stored: entries } = reading;
  const loading = reading.state === "opening";
  const [question, ask] = useState<Question>(NO_QUESTION);
  const place = usePath().split("/")[1] ?? "";
  const found = useMemo(() => newestFirst(asked(entries, question)), [entries, question]);
  const number = NAMES.findIndex((one) => one === place);
  const name = NAMES[number];
  return (
    <>
      <ReadingNotices reading={reading} />
      {loading && <Notice>{text("reading.opening")}</Notice>}
      {place !== "" && (
        <p class="back">
          <a href="#/data">{text("data.back")}</a>
        </p>
      )}
      {entries.length > 0 && <Asking entries={entries} question={question} ask={ask} client={client} />}
      {entries.length === 0 && !loading && <Nothing />}
      <p role="status" class="unseen">
        {loading ? "" : text("data.count", { count: found.length })}
      </p>
      {entries.length > 0 && found.length === 0 && <Notice>{text("data.none-found")}</Notice>}
      {name !== undefined ? (
        <Category key={name} name={name} client={client} entries={found.filter(({ category }) => category === number)} />
      ) : place === TIMELINE || question.words.trim() !== "" ? (
        <Entries client={client} entries={found} byDay />
      ) : (
        <Categories entries={found} />
      )}
    </>
  );
}

function Nothing() {
  return (
    <section class="card">
      <p>{text("data.nothing")}</p>
      <div class="actions">
        <LinkButton to="bring" look="primary">
          {text("bring.title")}
        </LinkButton>
      </div>
    </section>
  );
}

type AskingProps = {
  readonly entries: readonly Stored[];
  readonly question: Question;
  readonly ask: (question: Question) => void;
  readonly client: Client;
};

function Asking({ entries, question, ask, client }: AskingProps) {
  const name = useNames(client, true);
  const authors = useMemo(() => [...new Set(entries.map(({ author }) => author))].sort(), [entries]);
  const names = authors.map((author) => [author, name(author)] as const);
  return (
    <search class="asking">
      <Field
        label={text("data.search")}
        value={question.words}
        onInput={(words) => ask({ ...question, words })}
        kind="search"
      />
      {authors.length > 1 && (
        <Choice
          label={text("data.author")}
          value={question.author}
          options={[["", text("data.all-authors")], ...names]}
          onChoose={(author) => ask({ ...question, author })}
        />
      )}
      <Choice
        label={text("data.since")}
        value={String(question.days)}
        options={[
          ["0", text("data.always")],
          ["31", text("data.month")],
          ["366", text("data.year")],
        ]}
        onChoose={(days) => ask({ ...question, days: Number(days) })}
      />
    </search>
  );
}

function Categories({ entries }: { entries: readonly Stored[] }) {
  const found = useMemo(() => {
    const by = NAMES.map((name) => ({ name, count: 0, newest: "" }));
    for (const { category, resource } of entries) {
      const one = by[category];
      if (one === undefined) continue;
      one.newest ||= when(resource);
      one.count += 1;
    }
    return by.filter(({ count }) => count > 0);
  }, [entries]);
  return (
    <>
      <ul class="tiles">
        {found.map(({ name, count, newest }) => (
          <li key={name}>
            <a href={`#/data/${name}`}>
              <strong>{text(`category.${name}`)}</strong>
              <span>{text(count === 1 ? "overview.entry" : "overview.entries", { count })}</span>
              {newest && <span class="muted">{text("data.newest", { when: localDate(newest) })}</span>}
            </a>
          </li>
        ))}
      </ul>
      {entries.length > 0 && (
        <div class="actions">
          <LinkButton to={`data/${TIMELINE}`}>{text("data.timeline")}</LinkButton>
          <LinkButton to="take">{text("take.title")}</LinkButton>
        </div>
      )}
    </>
  );
}
