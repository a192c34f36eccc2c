/** A consent's tree, narrowed to one request: only what is left is asked of each resource. */

import { meets } from "./conditions.ts";
import { type Item, meet, type Words } from "./items.ts";
import type { Policy, Rule } from "./policy.ts";
import { actionsAbove, purposesAbove } from "./purposes.ts";
import { type Basis, basis } from "./reasons.ts";
import type { Request } from "./state.ts";

/** The answer for one resource, and what it rests on. */
export type Verdict = { readonly permit: boolean; readonly basis: Basis };

/**
 * A rule that the request meets, and below it those of its exceptions that the request meets.
 *
 * `silent`: at the root of an opt-in list, which says nothing about what it does not mention. `denies`: whether any
 * resource can be refused here.
 */
type Tree = {
  readonly rule: Rule;
  readonly children: readonly Tree[];
  readonly silent: boolean;
  readonly denies: boolean;
  readonly verdict: Verdict;
};

function treeOf(policy: Policy, rule: Rule, children: readonly Tree[], silent: boolean): Tree {
  const { permit, path } = rule;
  const verdict = { permit, basis: basis(permit ? "consent" : "refused", policy.id, path, policy.recorded) };
  const denies = !(permit || silent) || children.some((child) => child.denies);
  return { rule, children, silent, denies, verdict };
}

/** The word of the deepest rule that the item meets; null where the tree is silent. */
function says(tree: Tree, one: Item): Verdict | null {
  if (!meets(tree.rule, one)) return null;
  const reached = deepest(tree, one);
  return reached.silent ? null : reached.verdict;
}

/** The deepest rule below this one, which is met already; among siblings a denial wins. */
function deepest(tree: Tree, one: Item): Tree {
  let permitting: Tree | null = null;
  for (const child of tree.children) {
    if (!meets(child.rule, one)) continue;
    const reached = deepest(child, one);
    if (!reached.rule.permit) return reached;
    permitting ??= reached;
  }
  return permitting ?? tree;
}

/** The tree of a consent for this request; null where it can say nothing to it. */
function specialise(policy: Policy, request: Request): Tree | null {
  const { root, optIn, status } = policy;
  if (root === null || status !== "active") return null;
  const [purposes, actions] = [purposesAbove(request.purpose), actionsAbove(request.action)];
  const tree = specialised(policy, root, request, purposes, actions);
  if (tree === null || !optIn || root.permit) return tree;
  return tree.children.length > 0 ? treeOf(policy, root, tree.children, true) : null;
}

function specialised(policy: Policy, rule: Rule, request: Request, purposes: Words, actions: Words): Tree | null {
  const asked = [
    [rule.actors, request.actor],
    [rule.roles, request.roles],
    [rule.actions, actions],
    [rule.purposes, purposes],
  ] as const;
  const [start, end] = rule.period;
  if (asked.some(([wanted, given]) => wanted.size > 0 && !meet(wanted, given))) return null;
  if (request.at < start || end <= request.at) return null;
  const children = rule.children.map((child) => specialised(policy, child, request, purposes, actions));
  return treeOf(policy, rule, children.filter((child) => child !== null), false);
}

/** The trees of the consents that stand alone, and the groups of those that count together. */
export class Trees {
  readonly #alone: readonly Tree[];
  readonly #together: readonly (readonly (Tree | null)[])[];

  /** Of the records in force (`inForce` of `lineages.ts`), for a request; one that is withdrawn has none. */
  constructor(heads: readonly (readonly Policy[])[], request: Request) {
    const trees = heads.map((head) => head.map((policy) => specialise(policy, request)));
    const alone = trees.filter((head) => head.length === 1).flatMap((head) => head.filter((tree) => tree !== null));
    this.#alone = alone.sort((a, b) => Number(b.denies) - Number(a.denies));
    this.#together = trees.filter((head) => head.length > 1);
  }

  /** What they say of a resource: a refusal before any permit; and whether some that count together differ. */
  says(one: Item): readonly [said: Verdict | null, disputed: boolean] {
    let permitted: Verdict | null = null;
    for (const tree of this.#alone) {
      if (permitted !== null && !tree.denies) continue; // it could only permit
      const said = says(tree, one);
      if (said?.permit === false) return [said, false];
      permitted ??= said;
    }
    let disputed = false;
    for (const head of this.#together) {
      const [said, agreed] = saysTogether(head, one);
      if (said?.permit === false) return [said, false];
      disputed ||= !agreed;
      permitted ??= said;
    }
    return [permitted, disputed];
  }
}

/** What records that count together say, and whether they agree: one that refuses is enough, all have to permit. */
function saysTogether(head: readonly (Tree | null)[], one: Item): readonly [said: Verdict | null, agreed: boolean] {
  const verdicts = head.map((tree) => (tree === null ? null : says(tree, one)));
  const denied = verdicts.find((verdict) => verdict?.permit === false);
  if (denied) return [denied, false];
  const permits = verdicts.filter((verdict) => verdict !== null);
  return permits.length === verdicts.length ? [permits[0] ?? null, true] : [null, permits.length === 0];
}
