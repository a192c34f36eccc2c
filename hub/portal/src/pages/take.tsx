/** Take it with me: everything in the record as one FHIR Bundle, and as pages to print or to keep as a PDF. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { newestFirst } from "../asking.ts";
import { NAMES } from "../categories.ts";
import type { Client } from "../client/client.ts";
import type { Stored } from "../client/stored.ts";
import { exact } from "../exact.ts";
import { utf8 } from "../primitives.ts";
import { facts, flag, localDate, title, value, when } from "../summary.ts";
import { moment, text } from "../text.ts";
import { Button } from "../ui/button.tsx";
import { Choice } from "../ui/choice.tsx";
import { Icon } from "../ui/icon.tsx";
import { Notice } from "../ui/notice.tsx";
import { ReadingNotices } from "../ui/reading_notices.tsx";
import { useOwn } from "../ui/shown.ts";

const ALL = "all";

export function Take({ client }: { client: Client }) {
  const record = useOwn(client);
  const [chosen, choose] = useState(ALL);
  const [printing, print] = useState(false);
  const { entries: stored, nameOf: name } = record;
  const taken = useMemo(() => {
    return stored.filter(({ category }) => chosen === ALL || NAMES[category] === chosen);
  }, [stored, chosen]);
  if (stored.length === 0) {
    return (
      <>
        <ReadingNotices record={record} />
        <Notice>{text(record.loading ? "reading.opening" : "overview.empty")}</Notice>
      </>
    );
  }
  const present = NAMES.filter((_, number) => stored.some(({ category }) => category === number));
  return (
    <>
      <ReadingNotices record={record} />
      <section class="card taking">
        <p>{text("take.why")}</p>
        <Choice
          label={text("take.what")}
          value={chosen}
          options={[[ALL, text("take.all")], ...present.map((name) => [name, text(`category.${name}`)] as const)]}
          onChoose={(name) => {
            choose(name);
            print(false);
          }}
        />
        <p role="status">{text(taken.length === 1 ? "overview.entry" : "overview.entries", { count: taken.length })}</p>
        <div class="actions">
          <Bundle client={client} entries={taken} />
          <Button onClick={() => print(true)}>
            <Icon name="print" />
            {text("take.print")}
          </Button>
        </div>
        <p class="hint">{text("take.careful")}</p>
      </section>
      {printing && <Paper account={client.account} name={name} entries={taken} onPrinted={() => print(false)} />}
    </>
  );
}

/** The resources as they were written, byte for byte, in one Bundle (https://hl7.org/fhir/R4/bundle.html). */
function Bundle({ client, entries }: { client: Client; entries: readonly Stored[] }) {
  const [url, setUrl] = useState("");
  useEffect(() => {
    const made = URL.createObjectURL(bundle(entries));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [entries]);
  return (
    <a class="button primary" href={url} download={`${client.account.split("@")[0]}.json`}>
      {text("take.bundle")}
    </a>
  );
}

function bundle(entries: readonly Stored[]): Blob {
  const head = `{"resourceType":"Bundle","type":"collection","timestamp":"${new Date().toISOString()}"`;
  const parts = entries.flatMap(({ raw }, i) => [utf8(`${i === 0 ? ',"entry":[' : ","}{"resource":`), raw, utf8("}")]);
  const all = [utf8(head), ...parts, utf8(entries.length > 0 ? "]}" : "}")];
  return new Blob(all as Uint8Array<ArrayBuffer>[], { type: "application/fhir+json" });
}

type PaperProps = {
  readonly account: string;
  readonly name: (account: string) => string;
  readonly entries: readonly Stored[];
  readonly onPrinted: () => void;
};

/** What is printed; the browser's own dialog makes a PDF of it. */
function Paper({ account, name, entries, onPrinted }: PaperProps) {
  useEffect(() => {
    window.print();
    addEventListener("afterprint", onPrinted, { once: true });
    return () => removeEventListener("afterprint", onPrinted);
  }, []);
  const groups = NAMES.map((one, number) => {
    return [one, newestFirst(entries.filter(({ category }) => category === number))] as const;
  });
  return (
    <article class="paper">
      <p>{text("take.of", { account, when: moment(Date.now() / 1000) })}</p>
      {groups.map(
        ([one, some]) =>
          some.length > 0 && (
            <section key={one}>
              <h2>{text(`category.${one}`)}</h2>
              <ul>
                {some.map((entry, i) => (
                  <li key={i}>
                    <Line entry={entry} author={name(entry.author)} />
                  </li>
                ))}
              </ul>
            </section>
          ),
      )}
    </article>
  );
}

function Line({ entry: { raw, resource }, author }: { entry: Stored; author: string }) {
  const full = exact(raw);
  const mark = flag(full);
  const said = [localDate(when(resource)), value(full), mark && text(`flag.${mark}`)].filter(Boolean).join(" · ");
  const more = facts(full).map(([label, fact]) => `${text(label)}: ${fact}`);
  const by = `${text("data.author")}: ${author}`;
  return (
    <>
      <strong>{title(resource)}</strong> {said}
      <br />
      <small>{[...more, by].join(" · ")}</small>
    </>
  );
}
