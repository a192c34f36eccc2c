/** A document or a photo of one. */

import { useState } from "preact/hooks";
import type { Client } from "../client/client.ts";
import { type Into, write } from "../client/writing.ts";
import { documentReference } from "../documents.ts";
import { account } from "../identifiers.ts";
import { text } from "../text.ts";
import { LinkButton } from "../ui/button.tsx";
import { Field } from "../ui/field.tsx";
import { FileField } from "../ui/file.tsx";
import { Form } from "../ui/form.tsx";
import { Notice } from "../ui/notice.tsx";
import { useTask } from "../ui/task.ts";

const ACCEPTED = "application/pdf,image/jpeg,image/png,text/plain";

export function DocumentForm({ client, into: { patient, by, path } }: { client: Client; into: Into }) {
  const [file, setFile] = useState<File | null>(null);
  const [title, setTitle] = useState("");
  const [missing, setMissing] = useState(false);
  const [saved, setSaved] = useState("");
  const saving = useTask(async () => {
    setSaved("");
    setMissing(file === null);
    if (file === null) return;
    const content = new Uint8Array(await file.arrayBuffer());
    const name = title.trim() || file.name;
    const document = { content, title: name, created: new Date(file.lastModified), now: new Date(), ...(by && { by }) };
    await write(client, patient, (await documentReference(account(patient).local, document)).line);
    setSaved(name);
    setFile(null);
    setTitle("");
  });
  const look = <LinkButton to={`${path}/documents`}>{text(by ? "write.documents" : "bring.documents")}</LinkButton>;
  return (
    <section class="card">
      <h2>{text("bring.document")}</h2>
      <Form task={saving} submit={text("bring.add")} beside={look}>
        <FileField
          label={text("bring.file")}
          hint={text("bring.file-hint")}
          accept={ACCEPTED}
          error={missing ? text("bring.no-file") : ""}
          chosen={file?.name ?? ""}
          onFile={(chosen) => {
            setFile(chosen);
            setMissing(false);
            setTitle(chosen.name.replace(/\.[a-z]+$/i, ""));
          }}
        />
        <Field label={text("bring.name")} value={title} onInput={setTitle} />
      </Form>
      {saved && <Notice mood="good">{text("bring.saved", { what: saved })}</Notice>}
    </section>
  );
}
