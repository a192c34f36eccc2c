/** Who may see what, who may write, and who may act for her. The twin of `connectors/patient/overview.py`. */

import type { Delegate } from "../accounts.ts";
import { granted as categoriesOf } from "../steps.ts";
import { type Template } from "../template.ts";
import { type Held, heldBack } from "../guardians.ts";
import { delegates } from "./appointing.ts";
import type { Side } from "./side.ts";
import { known } from "./offers.ts";
import { writers } from "./permits.ts";
import { agreedIn, granted, type Granted } from "./sharing.ts";

/**
 * A grant as it is told. `since`: Unix second of its newest rules; `whole`: null for one that a delegate made; `by`: who
 * signed; `policy`: the template, where there was one; `emergency`: it opens only in a declared one.
 */
export type Told = Granted & {
  readonly gid: string;
  readonly categories: ReadonlySet<number>;
  readonly purposes: readonly string[];
  readonly since: number;
  readonly until: number;
  readonly whole: boolean | null;
  readonly by: string;
  readonly policy: Template | null;
  readonly emergency: boolean;
};

export type Overview = {
  readonly grants: readonly Told[];
  readonly writers: readonly string[];
  readonly delegates: readonly Delegate[];
  /** Of what one guardian grants what another does not. */
  readonly heldBack: readonly Held[];
};

/** Of the patient herself, from what is held here. */
export async function overview(client: Side): Promise<Overview> {
  const vault = await client.vault();
  const told = (await granted(client)).map((one): Told => {
    const { grant, terms } = one;
    const { purpose, until, em } = grant.rules.body;
    return {
      ...one,
      gid: grant.gid,
      categories: categoriesOf(vault, grant),
      purposes: purpose,
      since: grant.rules.iat,
      until,
      whole: terms?.whole ?? null,
      by: grant.rules.by[0],
      policy: terms === null ? null : known(agreedIn(terms).policy),
      emergency: em.length > 0,
    };
  });
  const held = heldBack(client.record, vault, client.hub.now);
  return { grants: told, writers: writers(client), delegates: delegates(client.record), heldBack: held };
}
