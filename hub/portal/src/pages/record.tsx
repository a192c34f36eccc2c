/** A record: what is in it by category, one category, or all in the order of time; searched on this device. */

import { useMemo, useState } from "preact/hooks";
import { asked, newestFirst, NO_QUESTION, type Question } from "../asking.ts";
import { NAMES } from "../categories.ts";
import type { ComponentChildren } from "preact";
import type { Stored } from "../client/stored.ts";
import { counts, localDate, when } from "../summary.ts";
import { type Key, language, text } from "../text.ts";
import { LinkButton } from "../ui/button.tsx";
import { Choice } from "../ui/choice.tsx";
import { Field } from "../ui/field.tsx";
import { Notice } from "../ui/notice.tsx";
import { ReadingNotices } from "../ui/reading_notices.tsx";
import { useNoted } from "../ui/noted.ts";
import type { Shown } from "../ui/shown.ts";
import { Category } from "./category.tsx";
import { type Actions, Entries } from "./entry.tsx";

const TIMELINE = "timeline";

/** The title of a category, or of the timeline. */
export function titleOf(behind: string): Key | null {
  const name = NAMES.find((one) => one === behind);
  return name === undefined ? (behind === TIMELINE ? "data.timeline" : null) : `category.${name}`;
}

/**
 * `place`: a category, the timeline, or nothing for all categories; `empty`: what stands where there is no entry;
 * `beside`: what stands beside the way to the timeline.
 */
type RecordProps = {
  readonly record: Shown;
  readonly actions: Actions;
  readonly place: string;
  readonly empty: ComponentChildren;
  readonly beside?: ComponentChildren;
};

export function Record({ record, actions, place, empty, beside }: RecordProps) {
  const { entries, loading, path } = record;
  const [question, ask] = useState<Question>(NO_QUESTION);
  const found = useMemo(() => newestFirst(asked(entries, question)), [entries, question, language()]);
  const number = NAMES.findIndex((one) => one === place);
  const isList = place === TIMELINE || question.words.trim() !== "";
  const open = useMemo(() => {
    if (number >= 0) return found.filter(({ category }) => category === number);
    return isList ? found : [];
  }, [found, number, isList]);
  const noted = useNoted(record, open);
  const name = NAMES[number];
  return (
    <>
      <ReadingNotices record={{ ...record, problem: record.problem ?? noted.problem }} />
      {actions?.told}
      {loading && <Notice>{text("reading.opening")}</Notice>}
      {place !== "" && (
        <p class="back">
          <a href={`#/${path}`}>{text("data.back")}</a>
        </p>
      )}
      {entries.length > 0 && <Asking record={record} question={question} ask={ask} />}
      {entries.length === 0 && !loading && empty}
      <p role="status" class="unseen">
        {loading ? "" : text("data.count", { count: found.length })}
      </p>
      {entries.length > 0 && found.length === 0 && <Notice>{text("data.none-found")}</Notice>}
      {name !== undefined ? (
        <Category key={name} name={name} record={record} actions={actions} entries={noted.shown} />
      ) : isList ? (
        <Entries record={record} actions={actions} entries={noted.shown} byDay />
      ) : (
        <Categories path={path} entries={found} beside={beside} />
      )}
    </>
  );
}

type AskingProps = {
  readonly record: Shown;
  readonly question: Question;
  readonly ask: (question: Question) => void;
};

function Asking({ record: { entries, nameOf }, question, ask }: AskingProps) {
  const authors = useMemo(() => [...new Set(entries.map(({ author }) => author))].sort(), [entries]);
  const names = authors.map((author) => [author, nameOf(author)] as const);
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

type CategoriesProps = {
  readonly path: string;
  readonly entries: readonly Stored[];
  readonly beside: ComponentChildren;
};

function Categories({ path, entries, beside }: CategoriesProps) {
  const found = useMemo(() => {
    const by = NAMES.map((name) => ({ name, count: 0, newest: "" }));
    for (const { category, resource } of entries) {
      const one = by[category];
      if (one === undefined) continue;
      if (counts(resource)) one.newest ||= when(resource);
      one.count += 1;
    }
    return by.filter(({ count }) => count > 0);
  }, [entries]);
  return (
    <>
      <ul class="tiles">
        {found.map(({ name, count, newest }) => (
          <li key={name}>
            <a href={`#/${path}/${name}`}>
              <strong>{text(`category.${name}`)}</strong>
              <span>{text(count === 1 ? "overview.entry" : "overview.entries", { count })}</span>
              {newest && <span class="muted">{text("data.newest", { when: localDate(newest) })}</span>}
            </a>
          </li>
        ))}
      </ul>
      {entries.length > 0 && (
        <div class="actions">
          <LinkButton to={`${path}/${TIMELINE}`}>{text("data.timeline")}</LinkButton>
          {beside}
        </div>
      )}
    </>
  );
}
