/** A measurement of her own, entered or corrected. */

import { useState } from "preact/hooks";
import type { Client } from "../client/client.ts";
import { type Into, write } from "../client/writing.ts";
import { localNumber } from "../exact.ts";
import { account } from "../identifiers.ts";
import { dateTime, digits, KINDS, MEASURED, type Measured, type Measurement, observation } from "../measurements.ts";
import { language, text } from "../text.ts";
import { LinkButton } from "../ui/button.tsx";
import { Choice } from "../ui/choice.tsx";
import { Field } from "../ui/field.tsx";
import { Form } from "../ui/form.tsx";
import { Notice } from "../ui/notice.tsx";
import { useTask } from "../ui/task.ts";

type FormProps = {
  readonly client: Client;
  readonly into: Into;
  readonly corrects?: Measurement & { readonly id: string };
};

/** A clock may be a little ahead of the one that measured. */
const LENIENCY_MS = 60_000;

export function MeasurementForm({ client, into: { patient, by, path }, corrects }: FormProps) {
  const [kind, setKind] = useState<Measured>(corrects?.kind ?? "body-weight");
  const [typed, type] = useState<readonly string[]>(() => corrects?.values.map(local) ?? ["", ""]);
  const [at, setAt] = useState(() => localMinute(corrects === undefined ? new Date() : new Date(corrects.at)));
  const [wrong, setWrong] = useState<readonly boolean[]>([]);
  const [wrongTime, setWrongTime] = useState(false);
  const [saved, setSaved] = useState("");
  const saving = useTask(async () => {
    setSaved("");
    const values = MEASURED[kind].map((bounds, i) => digits(typed[i] ?? "", bounds));
    const moment = new Date(at);
    const isTime = moment.getTime() <= Date.now() + LENIENCY_MS;
    setWrong(values.map((value) => value === null));
    setWrongTime(!isTime);
    if (!isTime || !values.every((value) => value !== null)) return;
    const made = { kind, values, at: dateTime(moment) };
    await write(client, patient, observation(account(patient).local, made, corrects?.id, by).line);
    setSaved(`${text(`measured.${kind}`)}: ${values.map(local).join(" / ")}`);
    if (corrects === undefined) type(["", ""]);
  });
  const look = <LinkButton to={`${path}/vitals`}>{text(by ? "write.look" : "bring.look")}</LinkButton>;
  return (
    <section class="card">
      <h2>{text(by ? "write.measurement" : corrects === undefined ? "bring.measurement" : "bring.correct")}</h2>
      <Form task={saving} submit={text("bring.save")} beside={look}>
        {corrects === undefined && (
          <Choice
            label={text("bring.kind")}
            value={kind}
            options={KINDS.map((one) => [one, text(`measured.${one}`)])}
            onChoose={(value) => {
              setKind(value as Measured);
              setWrong([]);
            }}
          />
        )}
        <div class="beside">
          {MEASURED[kind].map((_, i) => (
            <Field
              key={`${kind} ${i}`}
              label={text(valueLabel(kind, i))}
              value={typed[i] ?? ""}
              onInput={(value) => type(typed.map((old, j) => (i === j ? value : old)))}
              error={wrong[i] ? text("bring.wrong-value") : ""}
              kind="decimal"
            />
          ))}
        </div>
        <Field
          label={text("bring.when")}
          value={at}
          onInput={setAt}
          error={wrongTime ? text("bring.wrong-time") : ""}
          kind="datetime-local"
        />
      </Form>
      {saved && <Notice mood="good">{text("bring.saved", { what: saved })}</Notice>}
    </section>
  );
}

function local(digits: string): string {
  return localNumber(digits, language());
}

function valueLabel(kind: Measured, place: number) {
  if (kind === "blood-pressure") return place === 0 ? "bring.systolic" : "bring.diastolic";
  return `bring.value-${kind}` as const;
}

/** As the browser's field for date and time has it. */
function localMinute(moment: Date): string {
  return dateTime(moment).slice(0, 16);
}
