/** What a watch and a phone have recorded: an export of Apple Health, read in a worker and sealed in this page. */

import { useState } from "preact/hooks";
import { NAMES } from "../categories.ts";
import type { Client } from "../client/client.ts";
import { importFile } from "../client/work.ts";
import { account } from "../identifiers.ts";
import { optional, text } from "../text.ts";
import { LinkButton } from "../ui/button.tsx";
import { FileField } from "../ui/file.tsx";
import { Notice, ProblemNotice } from "../ui/notice.tsx";
import { useTask } from "../ui/task.ts";
import type { Batch, Report } from "../wearables/index.ts";

type Progress = { readonly position: number; readonly size: number; readonly records: number };

export function ImportForm({ client }: { client: Client }) {
  const [progress, setProgress] = useState<Progress | null>(null);
  const [report, setReport] = useState<Report | null>(null);
  const importing = useTask(async (file: File) => {
    setReport(null);
    setProgress({ position: 0, size: file.size, records: 0 });
    const sink = {
      seen: (keys: readonly string[]) => client.outbox.seen(keys),
      put: (batch: Batch) => put(client, batch),
      progress: (position: number, size: number, records: number) => setProgress({ position, size, records }),
    };
    const done = importFile(file, account(client.account).local, sink, client.locked);
    setReport(await done.finally(() => setProgress(null)));
  });
  return (
    <section class="card">
      <h2>{text("import.title")}</h2>
      <p>{text("import.why")}</p>
      <details>
        <summary>{text("import.how")}</summary>
        <p>{text("import.steps")}</p>
      </details>
      <FileField
        label={text("import.file")}
        hint={text("import.hint")}
        accept=".zip,application/zip"
        onFile={(file) => void importing.run(file)}
      />
      {progress && <Under progress={progress} />}
      <ProblemNotice problem={importing.problem} />
      {report && <Done report={report} />}
    </section>
  );
}

async function put({ account: patient, outbox }: Client, { category, key, resources, marks }: Batch): Promise<void> {
  const entry = { patient, category: NAMES.indexOf(category), lines: resources, handle: key, deletes: resources.length === 0 };
  await outbox.put([entry], marks);
}

/** Read out by tenths, so that nobody has to listen to every step. */
function Under({ progress: { position, size, records } }: { progress: Progress }) {
  const share = size === 0 ? 0 : position / size;
  return (
    <div class="field">
      <label>
        {text("import.under-way", { records })}
        <progress value={share} max={1} />
      </label>
      <p class="unseen" role="status">
        {text("import.tenths", { percent: Math.floor(share * 10) * 10 })}
      </p>
    </div>
  );
}

function Done({ report: { read, taken, left, duplicates } }: { report: Report }) {
  const reasons = Object.entries(left).map(([reason, count]) => [optional(`import.left-${reason}`), count] as const);
  return (
    <>
      <Notice mood="good">{text("import.done", { read, taken })}</Notice>
      {(duplicates > 0 || reasons.length > 0) && (
        <ul>
          {duplicates > 0 && <li>{text("import.duplicates", { count: duplicates })}</li>}
          {reasons.map(([reason, count]) => (
            <li key={reason}>{text("import.left", { reason, count })}</li>
          ))}
        </ul>
      )}
      <div class="actions">
        <LinkButton to="data/activity" look="primary">
          {text("import.look")}
        </LinkButton>
      </div>
    </>
  );
}
