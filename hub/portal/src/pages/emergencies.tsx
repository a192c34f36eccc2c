/** Emergencies that were declared: who, when and why; and what she says of it. */

import { useState } from "preact/hooks";
import type { Side } from "../client/side.ts";
import type { Directory } from "../client/directory.ts";
import { answer, type Emergency, type Verdict } from "../client/emergency.ts";
import { roleOf } from "../client/log_words.ts";
import { language, moment, text } from "../text.ts";
import { Button, LinkButton } from "../ui/button.tsx";
import { Field } from "../ui/field.tsx";
import { Notice, ProblemNotice } from "../ui/notice.tsx";
import { useTask } from "../ui/task.ts";

type Props = {
  readonly client: Side;
  readonly directory: Directory;
  readonly emergencies: readonly Emergency[];
  readonly onDone: () => void;
};

/** That something waits for her word, where she comes by; who acts for her cannot give it. */
export function EmergencyNotice({ emergencies, isOwn }: Pick<Props, "emergencies"> & { readonly isOwn: boolean }) {
  const waiting = emergencies.filter(({ verdict }) => verdict === "");
  if (waiting.length === 0) return null;
  return (
    <Notice mood="warning">
      <p>{text("emergency.declared", { count: waiting.length })}</p>
      {isOwn && <LinkButton to="emergency">{text("emergency.look")}</LinkButton>}
    </Notice>
  );
}

export function Emergencies({ client, directory, emergencies, onDone }: Props) {
  if (emergencies.length === 0) return null;
  return (
    <section class="card">
      <h2>{text("emergency.were")}</h2>
      <ul class="plain">
        {emergencies.map((one) => (
          <OneEmergency key={one.id} client={client} one={one} house={directory.name(one.house)} onDone={onDone} />
        ))}
      </ul>
    </section>
  );
}

type OneProps = {
  readonly client: Side;
  readonly one: Emergency;
  readonly house: string;
  readonly onDone: () => void;
};

function OneEmergency({ client, one, house, onDone }: OneProps) {
  const [words, say] = useState("");
  const answering = useTask(async (verdict: Verdict) => {
    await answer(client, one, verdict, words.trim());
    onDone();
  });
  const role = roleOf(one.role, language()) || text("role.other");
  const isOpen = one.until > client.hub.now;
  return (
    <li>
      <h3>{moment(one.at)}</h3>
      {one.sound ? (
        <p>{text("emergency.who", { person: one.person || role, role, house })}</p>
      ) : (
        <p>{text("emergency.not-sound", { house })}</p>
      )}
      {one.reason && <p>{text("emergency.reason", { reason: one.reason })}</p>}
      <p class="hint">{text(isOpen ? "emergency.open" : "emergency.closed", { until: moment(one.until) })}</p>
      {one.verdict ? (
        <p>{text(one.verdict === "objected" ? "emergency.objected" : "emergency.confirmed")}</p>
      ) : (
        <>
          <Field label={text("emergency.words")} hint={text("emergency.words-hint")} value={words} onInput={say} />
          <ProblemNotice problem={answering.problem} />
          <div class="actions">
            <Button busy={answering.busy} onClick={() => void answering.run("confirmed")}>
              {text("emergency.right")}
            </Button>
            <Button busy={answering.busy} onClick={() => void answering.run("objected")}>
              {text("emergency.wrong")}
            </Button>
          </div>
        </>
      )}
    </li>
  );
}
