/** Other words than before, chosen while she is signed in. */

import { useState } from "preact/hooks";
import type { Client } from "../client/client.ts";
import { chooseWords } from "../client/enrolment.ts";
import { text } from "../text.ts";
import { LinkButton } from "../ui/button.tsx";
import { Done } from "../ui/done.tsx";
import { ChooseWords } from "./choose_words.tsx";

export function NewWords({ client }: { client: Client }) {
  const [done, setDone] = useState(false);
  const back = <LinkButton to="security">{text("browser.back")}</LinkButton>;
  const choose = async (keys: Parameters<typeof chooseWords>[1]) => {
    await chooseWords(client, keys);
    setDone(true);
  };
  return (
    <section class="card" key={String(done)}>
      {done ? <Done said={text("new-words.done")} /> : <p>{text("new-words.why")}</p>}
      {!done && <ChooseWords account={client.account} onChosen={choose} />}
      <div class="actions">{back}</div>
    </section>
  );
}
