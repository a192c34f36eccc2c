/** Emergency access: off until she allows it, for departments and categories she chooses; and a card to carry. */

import { useState } from "preact/hooks";
import type { Client } from "../client/client.ts";
import { Directory } from "../client/directory.ts";
import { allow, CATEGORIES, declared, DEPARTMENT, forbid } from "../client/emergency.ts";
import { overview, type Told } from "../client/overview.ts";
import { language, text } from "../text.ts";
import { Answers, toggled } from "../ui/answers.tsx";
import { Button } from "../ui/button.tsx";
import { Done } from "../ui/done.tsx";
import { Form } from "../ui/form.tsx";
import { Icon } from "../ui/icon.tsx";
import { useLoaded } from "../ui/load.ts";
import { Notice, Outdated, ProblemNotice } from "../ui/notice.tsx";
import { QrCode } from "../ui/qr.tsx";
import { useTask } from "../ui/task.ts";
import * as words from "../words.ts";
import { Categories } from "./categories.tsx";
import { Emergencies } from "./emergencies.tsx";
import { Waiting } from "./share.tsx";

export function EmergencyAccess({ client }: { client: Client }) {
  const [changes, count] = useState(0);
  const local = async () => ({
    allowed: (await overview(client)).grants.filter((one) => one.emergency),
    directory: await Directory.kept(client.db),
    emergencies: await declared(client),
  });
  const { value, fresh } = useLoaded(client, local, () => Directory.renew(client));
  if (value === null) return <Waiting problem={fresh.problem} />;
  const done = () => {
    count(changes + 1);
    void fresh.run();
  };
  return (
    <>
      <p>{text("emergency.why")}</p>
      <Outdated problem={fresh.problem} away="share.old" />
      <Emergencies client={client} directory={value.directory} emergencies={value.emergencies} onDone={done} />
      <section class="card">
        <h2>{text("emergency.now")}</h2>
        {changes > 0 && <Done key={changes} said={text("emergency.changed")} />}
        {value.allowed.length === 0 && <p>{text("emergency.nobody")}</p>}
        {value.allowed.length > 0 && (
          <ul class="plain">
            {value.allowed.map((told) => (
              <Allowed key={told.gid} client={client} told={told} name={value.directory.name(told.to)} onDone={done} />
            ))}
          </ul>
        )}
      </section>
      <Allowing key={changes} client={client} directory={value.directory} onDone={done} />
      {value.allowed.length > 0 && <EmergencyCard client={client} />}
    </>
  );
}

type AllowedProps = { readonly client: Client; readonly told: Told; readonly name: string; readonly onDone: () => void };

function Allowed({ client, told, name, onDone }: AllowedProps) {
  const ending = useTask(async () => {
    await forbid(client, told.to);
    onDone();
  });
  return (
    <li>
      <h3>{name}</h3>
      <p>{text("emergency.sees", { what: words.categories(told.categories, language()) })}</p>
      <ProblemNotice problem={ending.problem} />
      <Button busy={ending.busy} onClick={() => void ending.run()} label={text("emergency.forbid-of", { who: name })}>
        {text("emergency.forbid")}
      </Button>
    </li>
  );
}

type AllowingProps = { readonly client: Client; readonly directory: Directory; readonly onDone: () => void };

function Allowing({ client, directory, onDone }: AllowingProps) {
  const [chosen, choose] = useState<ReadonlySet<string>>(new Set());
  const [categories, setCategories] = useState<ReadonlySet<number>>(new Set());
  const [tried, setTried] = useState(false);
  const departments = directory.all.filter(({ type }) => type === DEPARTMENT);
  const allowing = useTask(async () => {
    setTried(true);
    if (chosen.size === 0 || categories.size === 0) return;
    for (const one of departments) if (chosen.has(one.account)) await allow(client, one, categories);
    onDone();
  });
  const error = (isLacking: boolean) => (tried && isLacking ? text("grant.choose") : "");
  return (
    <section class="card">
      <h2>{text("emergency.allow")}</h2>
      {departments.length === 0 ? (
        <p>{text("emergency.none")}</p>
      ) : (
        <Form task={allowing} submit={text("emergency.sign")}>
          <Answers
            legend={text("emergency.departments")}
            answers={departments.map(({ account, name }) => ({ value: account, label: name, hint: account }))}
            isChosen={(account) => chosen.has(account)}
            onChoose={(account) => choose(toggled(chosen, account))}
            error={error(chosen.size === 0)}
            many
          />
          <Button onClick={() => setCategories(CATEGORIES)}>{text("emergency.usual")}</Button>
          <Categories
            legend={text("emergency.categories")}
            chosen={categories}
            onChange={setCategories}
            error={error(categories.size === 0)}
          />
          {allowing.busy && <Notice>{text("grant.signing")}</Notice>}
        </Form>
      )}
    </section>
  );
}

/** What she carries: where to ask. Names and numbers she writes onto it by hand. */
function EmergencyCard({ client }: { client: Client }) {
  const card = String(client.card);
  return (
    <section class="card">
      <h2>{text("emergency.card")}</h2>
      <p>{text("emergency.card-why")}</p>
      <article class="sheet account">
        <QrCode content={card} label={text("overview.qr")} />
        <div>
          <h3>{text("emergency.card")}</h3>
          <p>{text("emergency.card-text")}</p>
          <p class="blank">{text("emergency.card-name")}</p>
          <p class="blank">{text("emergency.card-call")}</p>
          <p class="code">{card}</p>
        </div>
      </article>
      <div class="actions">
        <Button onClick={() => print()}>
          <Icon name="print" />
          {text("grant.print")}
        </Button>
      </div>
    </section>
  );
}
