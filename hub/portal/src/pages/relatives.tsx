/** Relatives who may act for her: named by their card, for a time, and ended in one step. */

import { useState } from "preact/hooks";
import type { Delegate } from "../accounts.ts";
import { appoint, delegates, dismiss, MOST_CHOSEN } from "../client/appointing.ts";
import type { Client } from "../client/client.ts";
import { dayOf, interval, SECOND } from "../dates.ts";
import type { Card } from "../identifiers.ts";
import type { Scope } from "../statements.ts";
import { language, text } from "../text.ts";
import { Answers } from "../ui/answers.tsx";
import { Button } from "../ui/button.tsx";
import { Field } from "../ui/field.tsx";
import { Form } from "../ui/form.tsx";
import { useLoaded } from "../ui/load.ts";
import { Notice, Outdated, ProblemNotice } from "../ui/notice.tsx";
import { Heading } from "../ui/step.tsx";
import { Scanner } from "../ui/scanner.tsx";
import { useTask } from "../ui/task.ts";
import * as words from "../words.ts";
import { cardOf, typesCard } from "./granting_whom.tsx";
import { Waiting } from "./share.tsx";

export function Relatives({ client }: { client: Client }) {
  const [said, say] = useState("");
  const { value, fresh } = useLoaded(client, async () => delegates(client.record));
  if (value === null) return <Waiting problem={fresh.problem} />;
  const done = (sentence: string) => {
    say(sentence);
    void fresh.run();
  };
  return (
    <>
      <p>{text("relatives.why")}</p>
      <Outdated problem={fresh.problem} away="share.old" />
      <section class="card">
        <h2>{text("relatives.now")}</h2>
        {said && (
          <Notice mood="good">
            <Heading look="told" key={said}>
              {said}
            </Heading>
          </Notice>
        )}
        {value.length === 0 && <p>{text("relatives.nobody")}</p>}
        {value.length > 0 && (
          <ul class="plain">
            {value.map((one) => (
              <Relative key={one.to} client={client} delegate={one} onDone={() => done(text("relatives.ended"))} />
            ))}
          </ul>
        )}
      </section>
      <Appointing key={value.length} client={client} named={value} onDone={done} />
    </>
  );
}

type RelativeProps = { readonly client: Client; readonly delegate: Delegate; readonly onDone: () => void };

function Relative({ client, delegate: { to, end, scope }, onDone }: RelativeProps) {
  const ending = useTask(async () => {
    await dismiss(client, to);
    onDone();
  });
  return (
    <li>
      <h3 class="code">{to}</h3>
      <p>
        {end <= client.hub.now
          ? text("relatives.over")
          : text(scope === "full" ? "relatives.until-all" : "relatives.until", { until: words.until(end, language()) })}
      </p>
      <ProblemNotice problem={ending.problem} />
      <Button busy={ending.busy} onClick={() => void ending.run()} label={text("relatives.end-of", { who: to })}>
        {text("relatives.end")}
      </Button>
    </li>
  );
}

type AppointingProps = {
  readonly client: Client;
  readonly named: readonly Delegate[];
  readonly onDone: (sentence: string) => void;
};

function Appointing({ client, named, onDone }: AppointingProps) {
  const [typed, type] = useState("");
  const [day, setDay] = useState("");
  const [scope, setScope] = useState<Scope | "">("");
  const [reads, setReads] = useState(false);
  const [tried, setTried] = useState(false);
  const card = cardOf(typed);
  const cardError = whyNot(card, client, named, scope);
  const dayError = day > dayOf(client.hub.now) ? "" : text("relatives.last-day-wrong");
  const naming = useTask(async () => {
    setTried(true);
    if (card === null || scope === "" || cardError || dayError) return;
    const kept = scope === "manage" && reads ? words.SENSITIVE : new Set<number>();
    await appoint(client, { card, until: interval(day)[1] / SECOND, scope, private: kept });
    onDone(text("relatives.appointed", { who: String(card.account) }));
  });
  return (
    <section class="card">
      <h2>{text("relatives.name")}</h2>
      <Form task={naming} submit={text("relatives.appoint")}>
        <Scanner label={text("relatives.scan")} onRead={typesCard(type)} />
        <Field
          label={text("relatives.card")}
          hint={text("relatives.card-hint")}
          value={typed}
          onInput={type}
          error={tried ? cardError : ""}
          code
        />
        <Answers<Scope>
          legend={text("relatives.scope")}
          answers={[
            { value: "manage", label: text("relatives.manage"), hint: text("relatives.manage-hint") },
            { value: "full", label: text("relatives.all"), hint: text("relatives.all-hint") },
          ]}
          isChosen={(value) => value === scope}
          onChoose={setScope}
          error={tried && scope === "" ? text("grant.choose") : ""}
        />
        {scope === "manage" && (
          <Answers
            legend={text("relatives.reads")}
            answers={[{ value: "reads", label: text("relatives.reads-too") }]}
            isChosen={() => reads}
            onChoose={() => setReads(!reads)}
            many
          />
        )}
        <Field
          label={text("relatives.last-day")}
          kind="date"
          value={day}
          onInput={setDay}
          error={tried ? dayError : ""}
        />
        {naming.busy && <Notice>{text("relatives.wait")}</Notice>}
      </Form>
    </section>
  );
}

function whyNot(card: Card | null, client: Client, named: readonly Delegate[], scope: Scope | ""): string {
  const name = String(card?.account ?? "");
  if (card === null || !card.account.isPerson || name === client.account) return text("relatives.card-wrong");
  if (named.some(({ to }) => to === name)) return text("relatives.already");
  if (scope === "full" && card.account.domain !== client.card.account.domain) return text("relatives.elsewhere");
  const live = named.filter(({ end }) => client.hub.now < end);
  return live.length >= MOST_CHOSEN ? text("relatives.full") : "";
}
