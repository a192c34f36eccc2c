/** Naming a relative, or changing what she may do: who she is, what she may do and read, and until when. */

import { useState } from "preact/hooks";
import { appoint, type Appointed } from "../client/appointing.ts";
import type { Client } from "../client/client.ts";
import { dayOf, interval, SECOND } from "../dates.ts";
import { account, Card } from "../identifiers.ts";
import { AGE_SWITCH, type Kind, KINDS, MOST_CHOSEN, ofAge } from "../mandates.ts";
import { Problem } from "../problems.ts";
import type { Scope } from "../statements.ts";
import { text } from "../text.ts";
import { Answers } from "../ui/answers.tsx";
import { Button } from "../ui/button.tsx";
import { Choice } from "../ui/choice.tsx";
import { Field } from "../ui/field.tsx";
import { Form } from "../ui/form.tsx";
import { Notice } from "../ui/notice.tsx";
import { Scanner } from "../ui/scanner.tsx";
import { Heading } from "../ui/step.tsx";
import { useTask } from "../ui/task.ts";
import { Categories, ORDINARY } from "./categories.tsx";
import { cardOf, typesCard } from "./granting_whom.tsx";

/** Up to this age somebody may decide for a child. */
const OLDEST = 18;
const AGES = Array.from({ length: OLDEST }, (_, before) => String(before + 1));

type Props = {
  readonly client: Client;
  readonly named: readonly Appointed[];
  readonly changed: Appointed | null;
  readonly onDone: (sentence: string) => void;
  readonly onCancel: () => void;
};

/** What is entered; what is not decided yet is empty. */
type Entered = {
  readonly card: string;
  readonly kind: Kind | "";
  readonly scope: Scope | "";
  readonly reads: ReadonlySet<number>;
  readonly day: string;
  readonly born: string;
  readonly years: string;
};

export function Naming({ client, named, changed, onDone, onCancel }: Props) {
  const [entered, setEntered] = useState<Entered>(() => asNamed(changed));
  const [tried, setTried] = useState(false);
  const enter = (more: Partial<Entered>) => setEntered({ ...entered, ...more });
  const { kind, scope, reads } = entered;
  const card = cardOf(entered.card);
  const wrong = whatIsWrong(client, named, entered);
  const error = (of: keyof typeof wrong) => (tried ? wrong[of] : "");
  const naming = useTask(async () => {
    setTried(true);
    if (card === null || kind === "" || scope === "" || Object.values(wrong).some(Boolean)) return;
    await appoint(client, { card, until: untilOf(entered), scope, kind, reads: scope === "manage" ? reads : new Set() });
    onDone(text(changed === null ? "relatives.appointed" : "relatives.changed", { who: String(card.account) }));
  });
  const cancel = changed !== null && <Button onClick={onCancel}>{text("relatives.keep")}</Button>;
  return (
    <section class="card">
      <Heading focus={changed !== null}>{text(changed === null ? "relatives.name" : "relatives.change")}</Heading>
      <Form task={naming} submit={text(changed === null ? "relatives.appoint" : "relatives.save")} beside={cancel}>
        {changed === null ? (
          <>
            <Scanner label={text("relatives.scan")} onRead={typesCard((typed) => enter({ card: typed }))} />
            <Field
              label={text("relatives.card")}
              hint={text("relatives.card-hint")}
              value={entered.card}
              onInput={(typed) => enter({ card: typed })}
              error={error("card")}
              code
            />
          </>
        ) : (
          <p class="lead code">{changed.to}</p>
        )}
        <Answers<Kind>
          legend={text("relatives.kind")}
          answers={KINDS.map((value) => ({ value, label: text(`relatives.kind-${value}`) }))}
          isChosen={(value) => value === kind}
          onChoose={(value) => enter({ kind: value })}
          error={error("kind")}
        />
        <Answers<Scope>
          legend={text("relatives.scope")}
          answers={[
            { value: "manage", label: text("relatives.manage"), hint: text("relatives.manage-hint") },
            { value: "full", label: text("relatives.all"), hint: text("relatives.all-hint") },
          ]}
          isChosen={(value) => value === scope}
          onChoose={(value) => enter({ scope: value })}
          error={error("scope")}
        />
        {scope === "manage" && <Reads reads={reads} onChange={(next) => enter({ reads: next })} />}
        {kind === "guardian" && <Child entered={entered} onEnter={enter} error={error("born")} />}
        <Field
          label={text(kind === "guardian" ? "relatives.earlier" : "relatives.last-day")}
          kind="date"
          value={entered.day}
          onInput={(day) => enter({ day })}
          error={error("day")}
        />
        {naming.busy && <Notice>{text("relatives.wait")}</Notice>}
      </Form>
    </section>
  );
}

type ReadsProps = { readonly reads: ReadonlySet<number>; readonly onChange: (reads: ReadonlySet<number>) => void };

/** What one who manages may read herself; what is not ticked is kept from her, by keys. */
function Reads({ reads, onChange }: ReadsProps) {
  return (
    <>
      <Answers
        legend={text("relatives.reads")}
        answers={[{ value: "reads", label: text("relatives.reads-too") }]}
        isChosen={() => reads.size > 0}
        onChoose={() => onChange(new Set(reads.size > 0 ? [] : ORDINARY))}
        many
      />
      {reads.size > 0 && <Categories legend={text("relatives.reads-what")} chosen={reads} onChange={onChange} />}
    </>
  );
}

type ChildProps = {
  readonly entered: Entered;
  readonly onEnter: (more: Partial<Entered>) => void;
  readonly error: string;
};

/** Until when somebody cares for the child whose account this is. */
function Child({ entered: { born, years }, onEnter, error }: ChildProps) {
  return (
    <>
      <Field
        label={text("relatives.born")}
        hint={text("relatives.born-hint")}
        kind="date"
        value={born}
        onInput={(day) => onEnter({ born: day })}
        error={error}
      />
      <Choice
        label={text("relatives.of-age")}
        value={years}
        options={AGES.map((age) => [age, text("relatives.years", { age })])}
        onChoose={(age) => onEnter({ years: age })}
      />
    </>
  );
}

/** The form as somebody is named; the day of birth is asked for again, because it is kept nowhere. */
function asNamed(one: Appointed | null): Entered {
  const rest = { born: "", years: String(AGE_SWITCH) };
  if (one === null) return { card: "", kind: "", scope: "", reads: new Set(), day: "", ...rest };
  const { to, fp, kind, scope, reads, end } = one;
  const day = kind === "guardian" ? "" : dayOf(end - 1);
  return { card: String(new Card(account(to), fp)), kind, scope, reads: scope === "full" ? new Set() : reads, day, ...rest };
}

/** The Unix second: a guardian's at the latest when the child is of age. */
function untilOf({ kind, day, born, years }: Entered): number {
  const ends = [
    ...(day ? [interval(day)[1] / SECOND] : []),
    ...(kind === "guardian" ? [ofAge(born, Number(years)) / SECOND] : []),
  ];
  return Math.min(...ends);
}

function whatIsWrong(client: Client, named: readonly Appointed[], entered: Entered) {
  const { kind, scope, day, born } = entered;
  const today = dayOf(client.hub.now);
  const isGuardian = kind === "guardian";
  const isDay = isGuardian && day === "" ? true : day > today;
  return {
    card: wrongCard(client, named, entered),
    kind: kind === "" ? text("grant.choose") : "",
    scope: scope === "" ? text("grant.choose") : "",
    born: isGuardian && !isChild(born, entered, client.hub.now) ? text("relatives.born-wrong") : "",
    day: isDay ? "" : text("relatives.last-day-wrong"),
  };
}

/** Whether the child is not of age yet. */
function isChild(born: string, { years }: Entered, now: number): boolean {
  try {
    return born !== "" && now < ofAge(born, Number(years)) / SECOND;
  } catch (error) {
    if (error instanceof Problem) return false;
    throw error;
  }
}

function wrongCard(client: Client, named: readonly Appointed[], { card: typed, kind, scope }: Entered): string {
  const card = cardOf(typed);
  const name = String(card?.account ?? "");
  if (card === null || !card.account.isPerson || name === client.account) return text("relatives.card-wrong");
  if (scope === "full" && card.account.domain !== client.card.account.domain) return text("relatives.elsewhere");
  const live = named.filter((one) => one.to !== name && one.kind === "chosen" && client.hub.now < one.end);
  return kind === "chosen" && live.length >= MOST_CHOSEN ? text("relatives.full") : "";
}
