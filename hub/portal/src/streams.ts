/** Stream chains: the epochs of all streams of one author at one patient, a set (PROTOCOL.md 2.3). */

import { authority, byDevice, witnesses } from "./accounts.ts";
import { type Accounts, Chain, replayInto } from "./chains.ts";
import { binaryId } from "./identifiers.ts";
import { b64, broken, labelHash, unb64 } from "./primitives.ts";
import { type Position, STREAMS } from "./shapes.ts";
import type { ChainKind, StatementOf } from "./statements.ts";

export const SUITES: readonly [string, string] = ["HS1", "HS2"];
export const MAX_GRACE_SECONDS = 2_592_000;
export const MAX_EPOCHS = 4096;

/** `ed`: what an epoch is, in 16 bytes. */
export function epochDigest(setId: string, number: number, publics: readonly Uint8Array[]): Uint8Array {
  return labelHash("obhut-epoch", setId, number, ...publics).slice(0, 16);
}

/** `dg`: the digests of consecutive epochs as one (base64url of 16 bytes). */
export function rangeDigest(digests: readonly Uint8Array[]): string {
  return b64(labelHash("obhut-epochs", ...digests).slice(0, 16));
}

/** One epoch: 32 public keys, the least suite, and how long the epoch before still takes deposits (seconds). */
export type Epoch = {
  readonly number: number;
  readonly publics: readonly Uint8Array[];
  readonly suite: string;
  readonly grace: number;
  readonly link: StatementOf<"set", "start" | "epoch">;
  readonly digest: Uint8Array;
};

/** The set `oth` of the patient `acc`: its stream ids by index, and its epochs from 1. */
export class SetState extends Chain<"set"> {
  ids = new Map<string, number>();
  epochs: Epoch[] = [];
  used = new Set<string>();

  get kind(): "set" {
    return "set";
  }

  /** The number of the current epoch. */
  get current(): number {
    return this.epochs.length;
  }

  /** An epoch by number. Throws `Rejected(broken, epoch)`. */
  epoch(number: number): Epoch {
    const found = this.epochs[number - 1];
    if (found === undefined) throw broken("epoch");
    return found;
  }

  /** The number of the epoch that was current at a position of this chain. */
  currentAt(seq: number): number {
    return this.epochs.filter((epoch) => epoch.link.seq <= seq).length;
  }

  /** The digests of started epochs `first` … `last`. */
  digests(first: number, last: number): Uint8Array[] {
    return Array.from({ length: Math.max(last - first + 1, 0) }, (_, i) => this.epoch(first + i).digest);
  }
}

/** The state of a stream chain. Throws `BadLink`. */
export function replay(frames: readonly Uint8Array[], acc: string, setId: string, accounts: Accounts): SetState {
  return replayInto(
    () => new SetState(acc, setId),
    frames,
    (state, raw) => apply(state, raw, accounts),
  );
}

/** The state after one more link. Throws `Rejected`. */
export function extend(state: SetState, raw: Uint8Array, accounts: Accounts): SetState {
  const twin = state.fork();
  apply(twin, raw, accounts);
  return twin;
}

function apply(state: SetState, raw: Uint8Array, accounts: Accounts): void {
  const st = state.place(raw);
  state.follow(st, witnesses(st), accounts);
  byDevice(st.by);
  st.frame.verify("obhut-sig-set", authority(st, accounts));
  if (st.typ === "close") state.closed = true;
  else epoch(state, st);
  state.append(st);
}

function epoch(state: SetState, st: StatementOf<"set", "start" | "epoch">): void {
  const { ep, pks, suite, grace } = st.body;
  if (st.typ === "start") {
    binaryId(state.oth);
    state.ids = new Map(st.body.ids.map((stream, index) => [stream, index]));
    if (state.ids.size !== STREAMS) throw broken("ids");
  }
  if (state.epochs.length >= MAX_EPOCHS) throw broken("limits");
  if (ep !== state.current + 1) throw broken("epoch");
  if (new Set(pks).size !== STREAMS) throw broken("keys");
  if (pks.some((pk) => state.used.has(pk))) throw broken("key-reuse");
  const least = SUITES.indexOf(state.epochs.at(-1)?.suite ?? "HS1");
  if (!SUITES.includes(suite) || SUITES.indexOf(suite) < least) throw broken("suite");
  if (grace > (state.epochs.length ? MAX_GRACE_SECONDS : 0)) throw broken("grace");
  for (const pk of pks) state.used.add(pk);
  const publics = pks.map((pk) => unb64(pk));
  state.epochs.push({ number: ep, publics, suite, grace, link: st, digest: epochDigest(state.oth, ep, publics) });
}

/** The head of a chain that has one. */
export function position(state: Chain<ChainKind>): Position {
  if (state.head === null) throw broken("seq");
  return state.head;
}
