/** Take it with me: everything in the record as one FHIR Bundle, and as pages to print or to keep as a PDF. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { NAMES } from "../categories.ts";
import type { Client } from "../client/client.ts";
import type { Stored } from "../client/stored.ts";
import { collection } from "../collection.ts";
import { moment, text } from "../text.ts";
import { Button } from "../ui/button.tsx";
import { Choice } from "../ui/choice.tsx";
import { Icon } from "../ui/icon.tsx";
import { Notice } from "../ui/notice.tsx";
import { ReadingNotices } from "../ui/reading_notices.tsx";
import { useOwn } from "../ui/shown.ts";
import { Paper } from "./paper.tsx";

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
      {printing && <Paper lead={lead(client)} name={name} entries={taken} onPrinted={() => print(false)} />}
    </>
  );
}

function lead({ account }: Client): string {
  return text("take.of", { account, when: moment(Date.now() / 1000) });
}

function Bundle({ client, entries }: { client: Client; entries: readonly Stored[] }) {
  const [url, setUrl] = useState("");
  useEffect(() => {
    const made = URL.createObjectURL(new Blob(collection(entries), { type: "application/fhir+json" }));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [entries]);
  return (
    <a class="button primary" href={url} download={`${client.account.split("@")[0]}.json`}>
      {text("take.bundle")}
    </a>
  );
}
