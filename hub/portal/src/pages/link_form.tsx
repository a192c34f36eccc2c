/** What goes into a link for someone outside, for how long, and with which passcode. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { asked, NO_QUESTION } from "../asking.ts";
import type { Client } from "../client/client.ts";
import { LABEL_LENGTH, make, MOST_BYTES, type Noted, shareable, SHORTEST, suggested } from "../client/health_links.ts";
import type { Stored } from "../client/stored.ts";
import { type Key, text } from "../text.ts";
import { Choice } from "../ui/choice.tsx";
import { Field } from "../ui/field.tsx";
import { Form } from "../ui/form.tsx";
import { Notice } from "../ui/notice.tsx";
import { useReading } from "../ui/reading.ts";
import { useTask } from "../ui/task.ts";
import { Categories } from "./categories.tsx";

const SINCE: readonly (readonly [string, Key])[] = [
  ["0", "data.always"],
  ["31", "data.month"],
  ["366", "data.year"],
];
const LASTS: readonly (readonly [string, Key])[] = [
  ["1", "outside.one-day"],
  ["7", "outside.week"],
  ["30", "outside.month"],
  ["90", "outside.quarter"],
];

type Props = { readonly client: Client; readonly onMade: (noted: Noted) => void };

export function LinkForm({ client, onMade }: Props) {
  const reading = useReading(client);
  const { stored } = reading;
  const [all, setAll] = useState<readonly Stored[]>([]);
  const [categories, setCategories] = useState<ReadonlySet<number>>(new Set());
  const [since, setSince] = useState("0");
  const [days, setDays] = useState("7");
  const [label, setLabel] = useState("");
  const [passcode, setPasscode] = useState(suggested);
  const [tried, setTried] = useState(false);
  useEffect(() => void shareable(client).then(setAll), [stored]);
  const present = useMemo(() => new Set(all.map(({ category }) => category)), [all]);
  const taken = useMemo(() => {
    return asked(all.filter(({ category }) => categories.has(category)), { ...NO_QUESTION, days: Number(since) });
  }, [all, categories, since]);
  const error = {
    what: whyNot(categories, taken),
    label: label.length > LABEL_LENGTH ? text("outside.label-long", { most: LABEL_LENGTH }) : "",
    passcode: passcode.trim().length < SHORTEST ? text("outside.passcode-short", { least: SHORTEST }) : "",
  };
  const making = useTask(async () => {
    setTried(true);
    if (Object.values(error).some(Boolean)) return;
    onMade(await make(client, taken, { label: label.trim(), passcode: passcode.trim(), days: Number(days) }));
  });
  if (all.length === 0) {
    return <Notice>{text(reading.state === "opening" ? "reading.opening" : "overview.empty")}</Notice>;
  }
  return (
    <section class="card">
      <h2>{text("outside.new")}</h2>
      <Form task={making} submit={text("outside.make")}>
        <Categories
          legend={text("grant.categories")}
          chosen={categories}
          onChange={setCategories}
          error={tried ? error.what : ""}
          among={present}
        />
        <Choice label={text("data.since")} value={since} options={said(SINCE)} onChoose={setSince} />
        <p role="status">{text(taken.length === 1 ? "overview.entry" : "overview.entries", { count: taken.length })}</p>
        <Choice label={text("grant.end")} value={days} options={said(LASTS)} onChoose={setDays} />
        <Field
          label={text("outside.label")}
          hint={text("outside.label-hint")}
          value={label}
          onInput={setLabel}
          error={tried ? error.label : ""}
        />
        <Field
          label={text("outside.passcode")}
          hint={text("outside.passcode-hint")}
          value={passcode}
          onInput={setPasscode}
          error={tried ? error.passcode : ""}
          code
        />
        <p class="hint">{text("outside.careful")}</p>
      </Form>
    </section>
  );
}

function whyNot(categories: ReadonlySet<number>, taken: readonly Stored[]): string {
  if (categories.size === 0) return text("grant.choose");
  const size = taken.reduce((sum, { raw }) => sum + raw.length, 0);
  return taken.length === 0 ? text("data.none-found") : size > MOST_BYTES ? text("outside.too-much") : "";
}

function said(options: readonly (readonly [string, Key])[]): readonly (readonly [string, string])[] {
  return options.map(([value, key]) => [value, text(key)]);
}
