// The portal's twin as a patient's client: its chains and vault under a name, what is owed, written, hidden and told.
//
// The same is asked of Python in `twin_steps.py`.

import * as consent from "../../hub/static/portal/consent.js";
import { stepValue } from "./verdicts.mjs";

const { accounts, grants, guardians, hidden, identifiers, keys, lockout, owed, preview } = consent;
const { primitives, receipts, relations, rules, steps, streams, told, vault, who } = consent;
const { b64, unb64 } = primitives;

const homes = new Map();

function all(texts) {
  return texts.map((text) => unb64(text));
}

/** All chains of a patient with the links that came since. */
function grown(before, acc, came) {
  const record = before ?? new grants.Record({ account: new accounts.AccountState(acc) });
  const others = new Map(record.accounts);
  const states = { set: new Map(record.sets), rel: new Map(record.relations) };
  for (const [kind, oth, links] of came) {
    for (const raw of all(links)) {
      if (kind === "acct") {
        others.set(oth, accounts.extend(others.get(oth) ?? new accounts.AccountState(oth), raw, others));
      } else {
        const { extend, SetState, RelationState } = { set: streams, rel: relations }[kind];
        const known = states[kind].get(oth) ?? new (SetState ?? RelationState)(acc, oth);
        states[kind].set(oth, extend(known, raw, others));
      }
    }
  }
  return record.with({ account: others.get(acc), accounts: others, sets: states.set, relations: states.rel });
}

/** A step from its JSON. */
function stepOf([name, ...fields]) {
  const names = { "extend": ["oth", "gid", "sets"], "hand-out": ["oth", "gid", "sets"], "drop": ["sets"] };
  const placed = (names[name] ?? [name === "prepare" ? "sets" : "set"]).map((field, i) => [field, fields[i]]);
  return { step: name, ...Object.fromEntries(placed) };
}

const WRITE = {
  join: ({ record, vault: own, signer, now }) => guardians.amend(record, own, signer, now),
  fresh: ({ record, vault: own, now }) => lockout.fresh(record, own, now),
  hide: ({ record, vault: own, signer, now }) => hidden.amend(record, own, signer, now),
  perform: ({ record, vault: own, signer, now }, { step }) => steps.perform(record, own, stepOf(step), signer, now),
  prepare: ({ record, vault: own, now }, { sets: due }) => steps.prepare(record, own, due, now),
  open: ({ record, signer, now }, { oth, met }) => steps.openRelation(record, oth, met, signer, now),
  permit: ({ record, signer, now }, { oth, set }) => steps.permit(record, oth, set, signer, now),
  unpermit: ({ record, signer, now }, { oth, set }) => steps.unpermit(record, oth, set, signer, now),
  hand_on({ record, vault: own, signer, now }, { gid, like, oth, cover, seeds }) {
    const held = (...where) => seeds[where.join(" ")].map(([index, seed]) => [index, unb64(seed)]);
    const covered = new Map(cover.map(([set, from, mask]) => [set, { from, mask }]));
    return steps.handOn(record, held, gid, { ...own.terms.get(like), oth }, covered, signer, now);
  },
  end: ({ record, signer, now }, { oth, gid }) => steps.end(record, oth, gid, signer, now),
  grant: ({ record, vault: own, signer, now }, { gid }) =>
    steps.grant(record, own, gid, own.terms.get(gid), signer, now),
  own_grant: ({ record, vault: own, signer, now }, { gid, set }) =>
    steps.ownGrant(record, own, gid, set, own.terms.get(gid), signer, now),
};

function loaded(text) {
  return vault.Vault.load(unb64(text));
}

/** An entry of the record as Python's JSON has it. */
function entryOf({ withheld, ...rest }) {
  return { ...rest, withheld: new Set(withheld) };
}

function stretch({ oth, gid, start, stop, ended, own, rules: link }) {
  return [oth, gid, start, stop, ended, own, link.hash];
}

export const answers = {
  home({ home, acc, chains: came }) {
    homes.set(home, { ...homes.get(home), record: grown(homes.get(home)?.record, acc, came) });
    return null;
  },
  vault({ home, vault: text }) {
    homes.set(home, { ...homes.get(home), vault: loaded(text) });
    return null;
  },
  owed: ({ home, now }) => stepValue(owed.owed(homes.get(home).record, homes.get(home).vault, now)),
  owed_after: ({ home, ended }) => stepValue(owed.owedAfter(homes.get(home).record, homes.get(home).vault, ended)),
  write({ home, does, signer: by, now, ...rest }) {
    const signer = by && { account: by.account, device: by.device, key: new keys.SigningKey(unb64(by.seed)) };
    const made = WRITE[does]({ ...homes.get(home), signer, now }, rest);
    if (made === null) return null;
    if (made instanceof vault.Vault) return { vault: b64(made.dump()) };
    return { frame: b64(made.frame), blob: made.blob && b64(made.blob) };
  },
  new_sets: ({ vault: text, count }) => b64(steps.newSets(loaded(text), count).dump()),
  admit({ home, raw, blob, now }) {
    const { record } = homes.get(home);
    const after = rules.admit(record, unb64(raw), blob && unb64(blob), now);
    return [after.account.links.length, after.sets.size, after.relations.size];
  },

  who: ({ home, at }) => who.who(homes.get(home).record, homes.get(home).vault, at),
  told({ home, at, language, patient }) {
    return told.lines(who.who(homes.get(home).record, homes.get(home).vault, at), language, patient);
  },
  stretches: ({ home, oth }) => who.stretches(homes.get(home).record, homes.get(home).record.relation(oth)).map(stretch),
  latest: ({ home }) => who.latest(homes.get(home).record),
  preview({ home, oth, at, entries, categories, whole, gids, effect, language }) {
    const { record } = homes.get(home);
    const live = who.stretches(record, record.relation(oth)).filter((one) => who.holds(one, at));
    const found = entries.map(entryOf);
    const made = gids
      ? preview.withdrawing(found, live, oth, gids, effect)
      : preview.granting(found, live, oth, new Set(categories), whole);
    return [preview.plain(made), preview.lines(made, language)];
  },
  receipt_of({ home, oth, gid, kept }) {
    const { record, vault: own } = homes.get(home);
    return b64(receipts.make(record, oth, gid, own.terms.get(kept)));
  },
  receipt({ raw, card }) {
    const found = receipts.verify(unb64(raw), card && identifiers.card(card));
    const { terms, events, ended, replaced, head } = found;
    const categories = [...terms.categories].sort((a, b) => a - b);
    return { mark: receipts.mark(found), categories, purposes: terms.purposes, events, ended, replaced, head: head.hash };
  },
  guardians({ home, now }) {
    const { record, vault: own } = homes.get(home);
    const ascending = (categories) => [...categories].sort((a, b) => a - b);
    const held = guardians.heldBack(record, own, now);
    const told = held.map(({ oth, by, categories, refuses }) => [oth, by, ascending(categories), refuses]);
    return [[...guardians.guardians(record, own, now)].sort(), told];
  },
  together({ vault: text, live, now }) {
    const counted = guardians.counted(loaded(text).words.get("x") ?? new Map(), new Set(live));
    const found = guardians.together([...counted.values()], now);
    const dumped = found && JSON.parse(primitives.utf8Text(new vault.Vault().withTerms("x", found).dump(), "vault"));
    return [[...counted.keys()], dumped && dumped.terms.x];
  },
  lockout({ home, shared, now }) {
    const { record, vault: own } = homes.get(home);
    const left = lockout.leftBehind(record, own, shared, now).map(([name, grant]) => [name, grant.gid]);
    return [lockout.mustChange(record, shared, now), lockout.holders(record, shared, now), left];
  },
  hidden({ home, now }) {
    const { record, vault: own } = homes.get(home);
    return [hidden.unreached(record, own, now), hidden.assumed(record, own, now)];
  },
};
