/** Managing for another: who may see what, ended in one step; and handing on what one may read oneself. */

import { useState } from "preact/hooks";
import type { Deputy, Seen } from "../client/delegation.ts";
import { Directory } from "../client/directory.ts";
import { dayOf } from "../dates.ts";
import { account as parseAccount } from "../identifiers.ts";
import { language, moment, text } from "../text.ts";
import { Answers } from "../ui/answers.tsx";
import { Button } from "../ui/button.tsx";
import { Done } from "../ui/done.tsx";
import { Field } from "../ui/field.tsx";
import { Form } from "../ui/form.tsx";
import { useLoaded } from "../ui/load.ts";
import { Notice, Outdated } from "../ui/notice.tsx";
import { Sure, useAsking } from "../ui/sure.tsx";
import { useTask } from "../ui/task.ts";
import * as words from "../words.ts";
import { About, Resigning } from "./acting.tsx";
import { capital, Categories } from "./categories.tsx";
import { sentence, Waiting } from "./share.tsx";

type Props = { readonly side: Deputy; readonly directory: Directory; readonly onDone: (sentence: string) => void };

export function Managing({ client: side }: { client: Deputy }) {
  const [said, say] = useState("");
  const [times, count] = useState(0);
  const local = async () => ({
    seen: side.readable(),
    directory: await Directory.kept(side.client.db),
    open: await side.emergencies(),
  });
  const { value, fresh } = useLoaded(side, local, () => Directory.renew(side.client));
  if (value === null) return <Waiting problem={fresh.problem} />;
  const onDone = (sentence: string) => {
    say(sentence);
    count(times + 1);
    void fresh.run();
  };
  const { seen, directory, open } = value;
  return (
    <>
      <Outdated problem={fresh.problem} away="share.old" />
      {open.map(({ house, until }) => (
        <Notice mood="warning" key={`${house} ${until}`}>
          {text("managing.emergency", { house: directory.name(house), until: moment(until) })}
        </Notice>
      ))}
      <section class="card">
        <About client={side.client} patient={side.account} />
      </section>
      <section class="card">
        <h2>{text("managing.now")}</h2>
        {said && <Done key={times} said={said} />}
        {seen.length === 0 && <p>{text("managing.nobody")}</p>}
        {seen.length > 0 && (
          <ul class="plain">
            {seen.map((one) => (
              <OneSeen key={one.grant.gid} {...{ side, directory, one, onDone }} />
            ))}
          </ul>
        )}
      </section>
      <HandingOn key={times} {...{ side, directory, onDone }} />
      <Resigning client={side.client} patient={side.account} />
    </>
  );
}

function OneSeen({ side, directory, one: { to, grant, categories }, onDone }: Props & { one: Seen }) {
  const { asked, kept, ask, keep } = useAsking();
  const name = to === side.client.account ? text("managing.your-account") : directory.name(to);
  const { purpose: purposes, until } = grant.rules.body;
  const [by] = grant.rules.by;
  const ending = useTask(async () => {
    await side.withdraw(to, grant.gid);
    onDone(text("share.ended", { who: name }));
  });
  return (
    <li>
      <h3>{name}</h3>
      <p>{categories ? sentence(name, { categories, purposes, until }) : text("managing.hidden")}</p>
      {by !== side.account && <p class="hint">{text("managing.by", { who: by })}</p>}
      {asked ? (
        <Sure
          question={text("share.withdraw-of", { who: name })}
          task={ending}
          yes={text("share.withdraw-now")}
          no={text("share.keep")}
          onNo={keep}
        >
          <p>{text("share.ends", { who: name })}</p>
          <p>{text("managing.keys")}</p>
        </Sure>
      ) : (
        <div class="actions">
          <Button focus={kept} onClick={ask} label={text("share.withdraw-of", { who: name })}>
            {text("share.withdraw")}
          </Button>
        </div>
      )}
    </li>
  );
}

/** To somebody with whom she has dealt herself: what one may read, no longer than that, and for no other purpose. */
function HandingOn({ side, directory, onDone }: Props) {
  const [to, choose] = useState("");
  const [categories, setCategories] = useState<ReadonlySet<number>>(new Set());
  const [purpose, setPurpose] = useState("");
  const [day, setDay] = useState("");
  const [tried, setTried] = useState(false);
  const holds = side.holds();
  const met = [...side.record.relations.keys()].filter((one) => one !== side.client.account && one !== side.account);
  const isDay = day === "" || day >= dayOf(side.client.hub.now);
  const handing = useTask(async () => {
    setTried(true);
    if (to === "" || categories.size === 0 || purpose === "" || !isDay) return;
    await side.grant(to, categories, [purpose], day);
    onDone(text("managing.handed", { who: directory.name(to) }));
  });
  const error = (isLacking: boolean) => (tried && isLacking ? text("grant.choose") : "");
  if (holds === null || met.length === 0) {
    return (
      <section class="card">
        <h2>{text("managing.hand-on")}</h2>
        <p>{text(holds === null ? "managing.holds-nothing" : "managing.knows-nobody")}</p>
      </section>
    );
  }
  return (
    <section class="card">
      <h2>{text("managing.hand-on")}</h2>
      <p>{text("managing.hand-on-why", { until: words.until(holds.until, language()) })}</p>
      <Form task={handing} submit={text("managing.hand")}>
        <Answers
          legend={text("managing.to")}
          answers={met.map((one) => ({ value: one, label: directory.name(one), hint: parseAccount(one).isPerson ? "" : one }))}
          isChosen={(one) => one === to}
          onChoose={choose}
          error={error(to === "")}
        />
        <Categories
          legend={text("grant.categories")}
          chosen={categories}
          onChange={setCategories}
          error={error(categories.size === 0)}
          among={holds.categories}
        />
        <Answers
          legend={text("grant.purposes")}
          answers={holds.purposes.map((value) => ({ value, label: capital(words.purpose(value, language())) }))}
          isChosen={(value) => value === purpose}
          onChoose={setPurpose}
          error={error(purpose === "")}
        />
        <Field
          label={text("managing.last-day")}
          kind="date"
          value={day}
          onInput={setDay}
          error={tried && !isDay ? text("relatives.last-day-wrong") : ""}
        />
        {handing.busy && <Notice>{text("grant.signing")}</Notice>}
      </Form>
    </section>
  );
}
