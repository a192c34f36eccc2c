/** Account chains: devices, delegates, reading keys, the vault's version, recovery (PROTOCOL.md 2.2). */

import { type Accounts, Chain, replayInto } from "./chains.ts";
import * as identifiers from "./identifiers.ts";
import { broken, unb64 } from "./primitives.ts";
import type { Bodies, ChainKind, Citations, Class, Role, Scope, Signer, StatementOf } from "./statements.ts";

export const RECOVERY_SECONDS = 7 * 24 * 3600;
export const MAX_DEVICES: { readonly [cls in Class]: number } = { person: 64, org: 4096, service: 4096 };
export const MAX_DELEGATES = 16;
/** What a delegate of the scope `manage` may sign; one of the scope `full` may sign all. */
export const DELEGATE_TYPES: readonly string[] = ["grant", "keys", "end"];

/** A device and the positions between which it was one. */
export type Device = {
  readonly name: string;
  readonly role: Role;
  readonly sign: Uint8Array;
  readonly box: Uint8Array;
  readonly since: number;
  readonly until: number | null;
};

/** Who may act for the patient, how far, and between which positions and times. */
export type Delegate = {
  readonly to: string;
  readonly fp: string;
  readonly scope: Scope;
  readonly nb: number;
  readonly end: number;
  readonly since: number;
  readonly until: number | null;
};

/** A position from which on seeds handed out before must count as seen by a stranger; `client`: one of its own. */
export type Loss = { readonly seq: number; readonly iat: number; readonly client: boolean };

type Statement = StatementOf<"acct">;
type Of<T extends keyof Bodies["acct"]> = StatementOf<"acct", T>;

/** Whether it was there at position `at`. */
function present({ since, until }: Device | Delegate, at: number): boolean {
  return since <= at && (until === null || at < until);
}

/** An account as its chain tells it, now and at every earlier position. */
export class AccountState extends Chain<"acct"> {
  fingerprint = "";
  cls: Class | "" = "";
  roots: (readonly [seq: number, key: Uint8Array])[] = [];
  recoveries: (readonly [iat: number, key: Uint8Array])[] = [];
  readingKeys: (readonly [seq: number, key: string])[] = [];
  badKeys = new Set<string>();
  devices = new Map<string, Device>();
  delegates: Delegate[] = [];
  losses: Loss[] = [];
  vault: readonly [version: number, hash: string] = [0, ""];
  used = new Set<string>();

  get kind(): "acct" {
    return "acct";
  }

  /** The head's sequence number. */
  get last(): number {
    return this.links.length - 1;
  }

  /** The device, if it was one at a moment of this Unix second. Throws `Rejected(broken, signer)`. */
  deviceIn(name: string, second: number): Device {
    const found = this.devices.get(name);
    const [first, last] = [second - 1, second].map((time) => this.links.filter((link) => link.iat <= time).length - 1);
    for (let at = first ?? 0; found !== undefined && at <= (last ?? 0); at += 1) if (present(found, at)) return found;
    throw broken("signer");
  }

  /** The device as it was at position `at` (default: now). Throws `Rejected(broken, signer)`. */
  device(name: string, at = this.last): Device {
    const found = this.devices.get(name);
    if (found === undefined || !present(found, at)) throw broken("signer");
    return found;
  }

  /** The device, if it may sign statements. Throws `Rejected(broken, signer)`. */
  client(name: string, at = this.last): Device {
    const found = this.device(name, at);
    if (found.role !== "client") throw broken("signer");
    return found;
  }

  /** The live delegation to an account. Throws `Rejected(broken, delegate)`. */
  delegate(to: string, time: number, at = this.last): Delegate {
    const found = this.delegates.find((d) => d.to === to && present(d, at) && d.nb <= time && time < d.end);
    if (found === undefined) throw broken("delegate");
    return found;
  }

  /** The newest reading key at position `at` (base64url), or the empty string. */
  readingKey(at = this.last): string {
    return this.readingKeys.filter(([seq]) => seq <= at).at(-1)?.[1] ?? "";
  }

  /** The key that is root now. */
  get root(): Uint8Array {
    return last(this.roots)[1];
  }

  /** The keys a recovery may be signed with: the present one, and the one before for 7 days after its change. */
  recoveryKeys(time: number): Uint8Array[] {
    const [changed, present] = last(this.recoveries);
    const before = this.recoveries.at(-2);
    return before !== undefined && time < changed + RECOVERY_SECONDS ? [present, before[1]] : [present];
  }
}

/** The last of a list that `create` made the first entry of. */
function last<T>(list: readonly T[]): T {
  const found = list.at(-1);
  if (found === undefined) throw broken("order");
  return found;
}

/**
 * The state of an account chain. `fingerprint`: as on the card or as first seen; `accounts`: of its delegates.
 *
 * Throws `BadLink`.
 */
export function replay(
  frames: readonly Uint8Array[],
  account: string,
  fingerprint: string | null = null,
  accounts: Accounts = new Map(),
): AccountState {
  return replayInto(
    () => new AccountState(account),
    frames,
    (state, raw) => apply(state, raw, accounts, fingerprint),
  );
}

/** The state after one more link. Throws `Rejected`. */
export function extend(
  state: AccountState,
  raw: Uint8Array,
  accounts: Accounts = new Map(),
  fingerprint: string | null = null,
): AccountState {
  const twin = state.fork();
  apply(twin, raw, accounts, fingerprint);
  return twin;
}

const BY_ROOT: readonly string[] = [
  "create",
  "device",
  "undevice",
  "reading",
  "delegate",
  "undelegate",
  "recovery",
  "close",
];

function apply(state: AccountState, raw: Uint8Array, accounts: Accounts, fingerprint: string | null): void {
  const st = state.place(raw);
  const stranger = st.by.length === 2 && st.by[0] !== st.acc ? [st.by[0]] : [];
  state.follow(st, new Set(stranger), accounts);
  st.frame.verify("obhut-sig-acct", ...signers(state, st, accounts));
  rule(state, st, fingerprint);
  state.append(st);
}

/** The keys of which one must have signed. Throws `signer` or `delegate`. */
function signers(state: AccountState, st: Statement, accounts: Accounts): Uint8Array[] {
  if (st.by.length === 2) {
    const [name, dev] = st.by;
    if (name === st.acc && st.typ === "vault") return [state.client(dev).sign];
    if (name !== st.acc && (st.typ === "vault" || st.typ === "undelegate")) {
      return [delegateSigner(state, st, cited(accounts, name), dev)];
    }
  } else if (st.by[0] === "root" && BY_ROOT.includes(st.typ)) {
    return [st.typ === "create" ? unb64(st.body.root) : state.root];
  } else if (st.by[0] === "recovery" && st.typ === "root") {
    return state.recoveryKeys(st.iat);
  }
  throw broken("signer");
}

function delegateSigner(
  state: AccountState,
  st: Of<"vault" | "undelegate">,
  other: AccountState,
  dev: string,
): Uint8Array {
  const key = other.client(dev, citedAt(st.cite, other.acc)).sign;
  if (st.typ === "undelegate" && st.body.to !== other.acc) throw broken("signer");
  const found = state.delegate(other.acc, st.iat);
  if (found.fp !== other.fingerprint || (st.typ === "vault" && found.scope !== "full")) throw broken("delegate");
  return key;
}

function rule(state: AccountState, st: Statement, fingerprint: string | null): void {
  switch (st.typ) {
    case "create":
      return create(state, st, fingerprint);
    case "device":
      return device(state, st);
    case "undevice":
      return undevice(state, st);
    case "reading":
      return reading(state, st);
    case "delegate":
      return delegate(state, st);
    case "undelegate":
      return undelegate(state, st);
    case "vault":
      return vault(state, st);
    case "recovery":
      return recovery(state, st);
    case "root":
      return root(state, st);
    case "close":
      state.closed = true;
  }
}

/** A key or device name is used once in an account, in one role, for ever. */
function use(state: AccountState, ...keys: string[]): void {
  if (new Set(keys).size < keys.length || keys.some((key) => state.used.has(key))) throw broken("key-reuse");
  for (const key of keys) state.used.add(key);
}

function create(state: AccountState, st: Of<"create">, fingerprint: string | null): void {
  const { body } = st;
  const name = identifiers.account(st.acc);
  state.fingerprint = identifiers.fingerprint(st.acc, unb64(body.root));
  if (fingerprint !== null && fingerprint !== state.fingerprint) throw broken("fingerprint");
  if ((body.class === "person") !== name.isPerson) throw broken("class");
  use(state, body.root, body.recovery);
  state.cls = body.class;
  state.roots.push([st.seq, unb64(body.root)]);
  state.recoveries.push([st.iat, unb64(body.recovery)]);
}

function device(state: AccountState, st: Of<"device">): void {
  const { dev, role, sign, box } = st.body;
  const count = [...state.devices.values()].filter((d) => d.until === null).length;
  if (state.cls === "" || count >= MAX_DEVICES[state.cls]) throw broken("limits");
  use(state, dev, sign, box);
  state.devices.set(dev, { name: dev, role, sign: unb64(sign), box: unb64(box), since: st.seq, until: null });
}

function undevice(state: AccountState, st: Of<"undevice">): void {
  const found = state.devices.get(st.body.dev);
  if (found === undefined || found.until !== null) throw broken("unknown");
  state.devices.set(found.name, { ...found, until: st.seq });
  if (found.role === "client") state.losses.push({ seq: st.seq, iat: st.iat, client: true });
}

function reading(state: AccountState, st: Of<"reading">): void {
  use(state, st.body.key);
  if (st.body.bad) for (const [, key] of state.readingKeys) state.badKeys.add(key);
  state.readingKeys.push([st.seq, st.body.key]);
}

function delegate(state: AccountState, st: Of<"delegate">): void {
  const { to, fp, scope, nb, until } = st.body;
  if (state.cls !== "person" || !identifiers.account(to).isPerson || to === st.acc) throw broken("class");
  const current = state.delegates.filter((d) => d.until === null);
  if (current.length >= MAX_DELEGATES) throw broken("limits");
  if (current.some((d) => d.to === to)) throw broken("delegate");
  state.delegates.push({ to, fp, scope, nb, end: until, since: st.seq, until: null });
}

function undelegate(state: AccountState, st: Of<"undelegate">): void {
  const found = state.delegates.find((d) => d.to === st.body.to && d.until === null);
  if (found === undefined) throw broken("unknown");
  state.delegates = state.delegates.map((d) => (d === found ? { ...d, until: st.seq } : d));
  if (found.scope === "full") state.losses.push({ seq: st.seq, iat: st.iat, client: false });
}

function vault(state: AccountState, st: Of<"vault">): void {
  if (st.body.ver !== state.vault[0] + 1) throw broken("version");
  state.vault = [st.body.ver, st.body.hash];
}

function recovery(state: AccountState, st: Of<"recovery">): void {
  if (st.iat < last(state.recoveries)[0] + RECOVERY_SECONDS) throw broken("time");
  use(state, st.body.key);
  state.recoveries.push([st.iat, unb64(st.body.key)]);
}

function root(state: AccountState, st: Of<"root">): void {
  const ended = <T extends Device | Delegate>(one: T): T => (one.until === null ? { ...one, until: st.seq } : one);
  use(state, st.body.root, st.body.recovery);
  state.roots.push([st.seq, unb64(st.body.root)]);
  state.recoveries.push([st.iat, unb64(st.body.recovery)]);
  state.devices = new Map([...state.devices].map(([name, d]) => [name, ended(d)]));
  state.delegates = state.delegates.map(ended);
  state.losses.push({ seq: st.seq, iat: st.iat, client: true });
}

// --- for the other chains -----------------------------------------------------------------------------------------

/** The account that a statement cites; `checkCitations` came before. Throws `stale`. */
export function cited(accounts: Accounts, name: string): AccountState {
  const found = accounts.get(name);
  if (found === undefined) throw broken("cite");
  return found;
}

/** The position at which a statement cites an account; `follow` came before. */
export function citedAt(cite: Citations, name: string): number {
  const place = cite.get(name);
  if (place === undefined) throw broken("cite");
  return place[0];
}

/** Of a stream or relation statement or a permit what tells whose word it is. */
export type Claim = {
  readonly by: Signer;
  readonly cite: Citations;
  readonly typ: string;
  readonly iat: number;
  readonly acc: string;
};

/**
 * Whose key must have signed a stream or relation statement or a permit: judged at the cited positions.
 *
 * Throws `signer` (not a client, or the type is not allowed to it) or `delegate` (scope or time).
 */
export function authority({ by, cite, typ, iat, acc }: Claim, accounts: Accounts): Uint8Array {
  const [name, dev] = byDevice(by);
  const signing = cited(accounts, name);
  const key = signing.client(dev, citedAt(cite, name)).sign;
  if (name !== acc) {
    const found = cited(accounts, acc).delegate(name, iat, citedAt(cite, acc));
    if (found.fp !== signing.fingerprint || (found.scope !== "full" && !DELEGATE_TYPES.includes(typ))) {
      throw broken("delegate");
    }
  }
  return key;
}

/** The account and device that signed; a root or recovery key signs account chains only. */
export function byDevice(by: Signer): readonly [account: string, device: string] {
  if (by.length !== 2) throw broken("signer");
  return by;
}

/** The accounts that a stream or relation statement has to cite: the patient's and the signer's. */
export function witnesses(st: StatementOf<Exclude<ChainKind, "acct">>): Set<string> {
  return new Set(st.by.length === 2 ? [st.acc, st.by[0]] : [st.acc]);
}
