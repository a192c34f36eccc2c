/**
 * Finer rules: what a grant's counterpart keeps to, resource by resource, beyond what the hub can check.
 *
 * They travel sealed with the grant, as JSON: a list of policies in the plain form of `policy.ts`, of which a resource
 * is permitted by one at least and refused by none. They say nothing of parties, purposes and times (PROTOCOL.md 4.4).
 */

/** A provision in plain form. */
export type Tree = { readonly [element: string]: unknown };

/** Finer rules as they travel. */
export type FinerRules = { readonly v: number; readonly policies: readonly Tree[] };

export const ALL: Tree = { type: "permit" };

/** Finer rules that leave out these resources, by `Type/id`, besides what `rules` leave out; null for no rules. */
export function hiding(rules: FinerRules | null, references: Iterable<string>): FinerRules | null {
  const instances = [...new Set(references)].sort().map((reference) => ["instance", reference]);
  if (instances.length === 0) return rules;
  const policies = rules === null ? [always(ALL)] : rules.policies;
  return { v: 1, policies: [...policies, always({ type: "deny", data: instances })] };
}

function always(provision: Tree): Tree {
  return { "opt-in": false, provision };
}

/** The finer rules that travel: as agreed, and what is hidden besides; null for none. */
export function finer({ rules, hides = [] }: { readonly rules: unknown; readonly hides?: readonly string[] }): unknown {
  return hides.length > 0 ? hiding((rules ?? null) as FinerRules | null, hides) : (rules ?? null);
}
