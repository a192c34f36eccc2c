/** A new account: its name and six words. The rest of the way is `arriving.tsx`. */

import { useEffect, useState } from "preact/hooks";
import { Hub, type HubInfo } from "../client/api.ts";
import { begin, newName } from "../client/enrolment.ts";
import { usePortal } from "../portal.ts";
import { text } from "../text.ts";
import { ProblemNotice } from "../ui/notice.tsx";
import { Step, STEPS } from "../ui/step.tsx";
import { useTask } from "../ui/task.ts";
import { ChooseWords } from "./choose_words.tsx";

export function SignUp() {
  const { device, comeIn } = usePortal();
  const [hub, setHub] = useState<{ info: HubInfo; name: string } | null>(null);
  const asking = useTask(async () => {
    const info = await new Hub().info();
    setHub({ info, name: newName(info) });
  });
  useEffect(() => void asking.run(), []);
  return (
    <section class="card">
      <Step number={1} of={STEPS} name={text("words.title")} />
      <ProblemNotice problem={asking.problem} />
      <ChooseWords
        account={hub?.name ?? ""}
        onChosen={async (keys) => {
          if (hub !== null) await comeIn(await begin(device.db, hub.info, hub.name, keys));
        }}
      />
    </section>
  );
}
