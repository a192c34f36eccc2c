/** One entry of the access log, and what she says against it. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Entry } from "../client/access_log.ts";
import { Client } from "../client/client.ts";
import { capital, disagreement, reasons, sentence, who } from "../client/log_words.ts";
import { isAbout, objectTo } from "../client/objecting.ts";
import type { Side } from "../client/side.ts";
import { pad, wall } from "../dates.ts";
import { language, text } from "../text.ts";
import { Button } from "../ui/button.tsx";
import { Done } from "../ui/done.tsx";
import { Field } from "../ui/field.tsx";
import { Form } from "../ui/form.tsx";
import { Heading } from "../ui/step.tsx";
import { useTask } from "../ui/task.ts";

type EntryProps = {
  readonly client: Side;
  readonly entry: Entry;
  readonly focus: boolean;
  readonly onObjected: () => Promise<void>;
};

export function LogEntry({ client, entry, focus, onObjected }: EntryProps) {
  const { account } = client;
  const line = useRef<HTMLLIElement>(null);
  const [stage, setStage] = useState<"" | "asked" | "kept" | "sent">("");
  useLayoutEffect(() => {
    if (focus) line.current?.focus();
  }, [focus]);
  const said = disagreement(entry, language());
  const sent = async () => {
    setStage("sent");
    await onObjected();
  };
  return (
    <li class="entry" ref={line} tabIndex={-1}>
      <p>
        <time>{clock(entry.at)}</time> {sentence(entry, account, language())}.
      </p>
      <p class="hint">{[...reasons(entry, account, language()), text("log.number", { seq: String(entry.seq) })].join(" · ")}</p>
      {stage === "sent" && <Done said={text("log.objected")} />}
      {said.length > 0 && (
        <div class="said">
          {said.map((one) => (
            <p key={one}>{capital(one, language())}.</p>
          ))}
        </div>
      )}
      {stage === "asked" && client instanceof Client && (
        <Objecting client={client} entry={entry} onSent={() => void sent()} onCancel={() => setStage("kept")} />
      )}
      {(stage === "" || stage === "kept") && client.isOwn && !entry.objection && isAbout(entry.actor, account) && (
        <Button
          look="plain"
          focus={stage === "kept"}
          onClick={() => setStage("asked")}
          label={text("log.object-of", { seq: String(entry.seq) })}
        >
          {text("log.object")}
        </Button>
      )}
    </li>
  );
}

type ObjectingProps = {
  readonly client: Client;
  readonly entry: Entry;
  readonly onSent: () => void;
  readonly onCancel: () => void;
};

function Objecting({ client, entry, onSent, onCancel }: ObjectingProps) {
  const [typed, type] = useState(text("log.object-usual"));
  const sending = useTask(async () => {
    const { actor, seq, at, action, purpose, person, role, what, number } = entry;
    await objectTo(client, { actor, seq, at, action, purpose, person, role, what, number }, typed.trim());
    onSent();
  });
  return (
    <div class="panel">
      <Heading>{text("log.object-of", { seq: String(entry.seq) })}</Heading>
      <p>{text("log.object-why", { who: who(entry, client.account, language()) })}</p>
      <Form
        task={sending}
        submit={text("log.object-send")}
        beside={<Button onClick={onCancel}>{text("log.object-cancel")}</Button>}
      >
        <Field label={text("log.object-text")} value={typed} onInput={type} />
      </Form>
    </div>
  );
}

/** The time of day at the patient's place. */
function clock(second: number): string {
  const { hour, minute } = wall(second);
  return `${pad(hour)}:${pad(minute)}`;
}
