/** An organisation asks a patient for access, by the card that she showed. */

import { useState } from "preact/hooks";
import type { Client } from "../client/client.ts";
import { presets } from "../client/offers.ts";
import { ask } from "../client/sharing.ts";
import { language, text } from "../text.ts";
import { Choice } from "../ui/choice.tsx";
import { Field } from "../ui/field.tsx";
import { Form } from "../ui/form.tsx";
import { Notice } from "../ui/notice.tsx";
import { useTask } from "../ui/task.ts";
import { cardOf } from "./granting_whom.tsx";

export function AskingFor({ client, type }: { client: Client; type: string }) {
  const templates = presets(type);
  const [typed, setTyped] = useState("");
  const [chosen, choose] = useState(templates[0]?.id ?? "");
  const [wrong, setWrong] = useState(false);
  const [sent, setSent] = useState(false);
  const asking = useTask(async () => {
    setSent(false);
    const card = cardOf(typed);
    const wanted = templates.find(({ id }) => id === chosen);
    setWrong(card === null || !card.account.isPerson);
    if (card === null || !card.account.isPerson || wanted === undefined) return;
    await ask(client, card, wanted);
    setSent(true);
    setTyped("");
  });
  return (
    <section class="card">
      <h2>{text("ask.title")}</h2>
      <p>{text("ask.why")}</p>
      <Form task={asking} submit={text("ask.send")}>
        <Field
          label={text("relatives.card")}
          hint={text("ask.card-hint")}
          value={typed}
          onInput={setTyped}
          error={wrong ? text("relatives.card-wrong") : ""}
          code
        />
        <Choice
          label={text("ask.what")}
          value={chosen}
          options={templates.map(({ id, title }) => [id, title[language()]])}
          onChoose={choose}
        />
      </Form>
      {sent && <Notice mood="good">{text("ask.sent")}</Notice>}
    </section>
  );
}
