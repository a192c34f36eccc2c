/** Bring data: what a person measures herself, documents that she has, and what her watch or phone has recorded. */

import type { Client } from "../client/client.ts";
import { ownRecord } from "../client/writing.ts";
import { exact } from "../exact.ts";
import { measurement } from "../measurements.ts";
import { usePath } from "../router.ts";
import { text } from "../text.ts";
import { Notice } from "../ui/notice.tsx";
import { useReading } from "../ui/reading.ts";
import { DocumentForm } from "./document_form.tsx";
import { ImportForm } from "./import_form.tsx";
import { MeasurementForm } from "./measurement_form.tsx";

export function Bring({ client }: { client: Client }) {
  const corrected = usePath().split("/")[1] ?? "";
  if (corrected !== "") return <Correct client={client} id={corrected} />;
  return (
    <>
      <MeasurementForm client={client} into={ownRecord(client)} />
      <DocumentForm client={client} into={ownRecord(client)} />
      <ImportForm client={client} />
    </>
  );
}

function Correct({ client, id }: { client: Client; id: string }) {
  const { stored } = useReading(client);
  const entry = stored.find(({ author, resource }) => author === client.account && resource["id"] === id);
  const found = entry === undefined ? null : measurement(exact(entry.raw));
  if (found === null) return <Notice>{text("bring.not-here")}</Notice>;
  return <MeasurementForm client={client} into={ownRecord(client)} corrects={{ id, ...found }} />;
}
