/** The first page of a device that is nobody's yet. */

import { text } from "../text.ts";
import { LinkButton } from "../ui/button.tsx";

export function Welcome() {
  return (
    <section class="card">
      <p class="lead">{text("welcome.lead")}</p>
      <ul>
        <li>{text("welcome.sealed")}</li>
        <li>{text("welcome.decide")}</li>
        <li>{text("welcome.log")}</li>
      </ul>
      <div class="actions">
        <LinkButton to="sign-up" look="primary">
          {text("welcome.sign-up")}
        </LinkButton>
        <LinkButton to="sign-in">{text("welcome.sign-in")}</LinkButton>
        <LinkButton to="house" look="plain">
          {text("welcome.house")}
        </LinkButton>
      </div>
    </section>
  );
}
