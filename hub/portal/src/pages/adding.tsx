/** What a member of an organisation writes into a patient's record: a measurement, a note, a document. */

import { useEffect, useState } from "preact/hooks";
import { NAMES } from "../categories.ts";
import type { Client } from "../client/client.ts";
import { destinations } from "../client/destinations.ts";
import { closedFor, type Member, performer } from "../client/member.ts";
import { type Into, write } from "../client/writing.ts";
import { account } from "../identifiers.ts";
import { dateTime } from "../measurements.ts";
import { note, type Performer } from "../notes.ts";
import { text } from "../text.ts";
import { LinkButton } from "../ui/button.tsx";
import { Field } from "../ui/field.tsx";
import { Form } from "../ui/form.tsx";
import { Notice } from "../ui/notice.tsx";
import type { Shown } from "../ui/shown.ts";
import { useTask } from "../ui/task.ts";
import { DocumentForm } from "./document_form.tsx";
import { MeasurementForm } from "./measurement_form.tsx";

type AddingProps = { readonly client: Client; readonly record: Shown; readonly member: Member };
type Known = { readonly by: Performer; readonly closed: ReadonlySet<number> };

/** Forms for what the patient permits and the law leaves to the member's profession. */
export function Adding({ client, record: { patient, path }, member }: AddingProps) {
  const [known, setKnown] = useState<Known | null>(null);
  useEffect(() => {
    const look = async () => ({ by: await performer(client, member), closed: await closedFor(client, member, "create") });
    void look().then(setKnown);
  }, [client, member]);
  if (destinations(client, patient).size === 0) return <Notice>{text("write.no-permit")}</Notice>;
  if (known === null) return null;
  const { by, closed } = known;
  const into: Into = { patient, by, path };
  const mayWrite = (name: (typeof NAMES)[number]) => !closed.has(NAMES.indexOf(name));
  return (
    <>
      {closed.size > 0 && <Notice>{text("write.by-law")}</Notice>}
      {mayWrite("care") && <NoteForm client={client} into={into} by={by} />}
      {mayWrite("vitals") && <MeasurementForm client={client} into={into} />}
      {mayWrite("documents") && <DocumentForm client={client} into={into} />}
    </>
  );
}

function NoteForm({ client, into: { patient, path }, by }: { client: Client; into: Into; by: Performer }) {
  const [typed, type] = useState("");
  const [missing, setMissing] = useState(false);
  const [saved, setSaved] = useState(false);
  const saving = useTask(async () => {
    setSaved(false);
    setMissing(typed.trim() === "");
    if (typed.trim() === "") return;
    await write(client, patient, note(account(patient).local, typed.trim(), dateTime(new Date()), by).line);
    setSaved(true);
    type("");
  });
  const look = <LinkButton to={`${path}/care`}>{text("write.notes")}</LinkButton>;
  return (
    <section class="card">
      <h2>{text("write.note")}</h2>
      <Form task={saving} submit={text("write.save-note")} beside={look}>
        <Field
          label={text("write.text")}
          value={typed}
          onInput={type}
          error={missing ? text("write.no-text") : ""}
          kind="lines"
        />
      </Form>
      {saved && <Notice mood="good">{text("write.saved-note")}</Notice>}
    </section>
  );
}
