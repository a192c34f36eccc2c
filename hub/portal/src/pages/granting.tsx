/** Allowing access, in steps: to whom, what and how long, a look at it all, and the receipt of what was signed. */

import { useState } from "preact/hooks";
import type { Side } from "../client/side.ts";
import type { Directory } from "../client/directory.ts";
import type { Offer } from "../client/offers.ts";
import { Button } from "../ui/button.tsx";
import { text } from "../text.ts";
import { Step } from "../ui/step.tsx";
import { Counterpart } from "./granting_whom.tsx";
import { Terms } from "./granting_what.tsx";
import { Review, type Signed } from "./granting_review.tsx";
import { Receipt } from "./granting_receipt.tsx";
import type { Draft } from "./share.tsx";

type GrantingProps = {
  readonly client: Side;
  readonly directory: Directory;
  readonly draft: Draft;
  readonly onDone: () => void;
};

/** Whom it is for: an account, the fingerprint of its card, empty where the directory vouches, and as what it is listed there. */
export type Party = {
  readonly account: string;
  readonly fingerprint: string;
  readonly name: string;
  readonly type: string;
};

type Stage = "whom" | "what" | "review" | "receipt";
const STAGES: readonly Stage[] = ["whom", "what", "review", "receipt"];

export function Granting({ client, directory, draft, onDone }: GrantingProps) {
  const [party, setParty] = useState<Party | null>(() => partyOf(draft.offer, directory));
  const [offer, setOffer] = useState(draft.offer);
  const [stage, setStage] = useState<Stage>(draft.request ? "review" : draft.offer ? "what" : "whom");
  const [signed, setSigned] = useState<Signed>({ gid: "", permitted: false });
  const step = <Step number={STAGES.indexOf(stage) + 1} of={STAGES.length} name={text(`grant.step-${stage}`)} focus />;
  const cancel = <Button onClick={onDone}>{text("grant.cancel")}</Button>;
  const view = () => {
    if (stage === "whom" || party === null) {
      const choose = (found: Party) => {
        setParty(found);
        setOffer(null);
        setStage("what");
      };
      return <Counterpart directory={directory} onChosen={choose} beside={cancel} />;
    }
    if (stage === "what" || offer === null) {
      const onOffer = (next: Offer) => {
        setOffer(next);
        setStage("review");
      };
      return <Terms {...{ client, party, offer, onOffer }} beside={cancel} />;
    }
    if (stage === "review") {
      const onSigned = (made: Signed) => {
        setSigned(made);
        setStage("receipt");
      };
      return <Review {...{ client, party, offer, draft, onSigned, beside: cancel }} onBack={() => setStage("what")} />;
    }
    return <Receipt {...{ client, party, offer, signed, onDone }} replaced={draft.replaces !== null} />;
  };
  return (
    <section class="card" key={stage}>
      {step}
      {view()}
    </section>
  );
}

function partyOf(offer: Offer | null, directory: Directory): Party | null {
  if (offer === null) return null;
  return { account: offer.to, fingerprint: offer.fingerprint, ...directory.about(offer.to) };
}
