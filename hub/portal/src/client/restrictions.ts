/**
 * What she withholds of what she granted: single entries hidden from all who read, or from one (PROTOCOL.md 4.4). The twin
 * of `connectors/patient/restrictions.py`, as far as entries go.
 */

import type { Side } from "./side.ts";

/** Hide a resource, by `Type/id`, from all who read by a grant, or from one; now and later, not in an emergency. */
export function hide(client: Side, reference: string, counterpart = ""): Promise<void> {
  return change(client, counterpart, (kept) => [...kept, reference]);
}

/** Let it be seen again by who may read its category. */
export function show(client: Side, reference: string, counterpart = ""): Promise<void> {
  return change(client, counterpart, (kept) => kept.filter((one) => one !== reference));
}

type Change = (kept: readonly string[]) => readonly string[];

async function change(client: Side, counterpart: string, changed: Change): Promise<void> {
  await client.sync();
  await client.changeVault((vault) => {
    const kept = counterpart ? (vault.hiddenFrom.get(counterpart) ?? []) : vault.hides;
    return vault.withHides(changed(kept), counterpart);
  });
  await client.settle();
}

/** All that is hidden from anybody. */
export async function hiddenNow(client: Side): Promise<ReadonlySet<string>> {
  const { hides, hiddenFrom } = await client.vault();
  return new Set([...hides, ...[...hiddenFrom.values()].flat()]);
}
