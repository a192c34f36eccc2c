/**
 * Declarations: a person of a house says that it is an emergency, and a grant made for that opens (PROTOCOL.md 5.13).
 *
 * The home hub reads patient, grant, role and time. Who it is and why is sealed to the patient: no text of a human
 * enters clear JSON.
 */

import type { AccountState } from "./accounts.ts";
import * as frames from "./frames.ts";
import type { Frame } from "./frames.ts";
import type { BoxKey } from "./keys.ts";
import * as primitives from "./primitives.ts";
import { broken, Rejected, unb64 } from "./primitives.ts";
import { type Grant, live, type RelationState } from "./relations.ts";
import { accountName, binaryText, choice, type Fields, id16, number, require, shape, text } from "./shapes.ts";

const CLOCK_SECONDS = 600;
const GATEWAY = "gateway";

const DECLARE: Fields = {
  v: number,
  typ: choice("declare"),
  acc: accountName,
  from: accountName,
  gid: id16,
  person: binaryText,
  role: text,
  reason: binaryText,
  rnd: id16,
  at: number,
};

type Header = {
  readonly acc: string;
  readonly from: string;
  readonly gid: string;
  readonly person: string;
  readonly role: string;
  readonly reason: string;
  readonly rnd: string;
  readonly at: number;
};

/**
 * A house's word that there is an emergency: for the grant `gid` of the patient `acc`, by somebody of this role.
 *
 * `person`, `reason`: sealed to the patient's reading key (`tell` opens them). `rnd` counts once, `at`: Unix seconds.
 */
export class Declaration {
  readonly acc: string;
  readonly sender: string;
  readonly gid: string;
  readonly role: string;
  readonly rnd: string;
  readonly at: number;
  readonly person: string;
  readonly reason: string;
  readonly frame: Frame;

  constructor(frame: Frame) {
    const header = frame.header as unknown as Header;
    this.acc = header.acc;
    this.sender = header.from;
    this.gid = header.gid;
    this.role = header.role;
    this.rnd = header.rnd;
    this.at = header.at;
    this.person = header.person;
    this.reason = header.reason;
    this.frame = frame;
  }

  /**
   * Check what does not depend on the patient: sender, time, signature.
   *
   * One of the gateways that the sender has at the head of its chain must have signed; where the home hub says in which
   * second the declaration `came`, that it had then. Throws `Rejected(broken, …)` with `signer`, `clock` or `signature`,
   * in this order.
   */
  verify(sender: AccountState, now: number, came?: number): void {
    if (this.sender !== sender.acc) throw broken("signer");
    if (Math.abs(this.at - now) > CLOCK_SECONDS) throw broken("clock");
    const gateways = [...sender.devices.values()].filter((one) => one.role === GATEWAY && had(sender, one.name, came));
    if (gateways.length === 0) throw broken("signer");
    this.frame.verify("obhut-declare", ...gateways.map((one) => one.sign));
  }

  /**
   * The grant that this opens now, for its span. Throws `Rejected(broken, …)`.
   *
   * In this order: `unknown` (no such grant of this patient to this house), `ended` (or not live), `time` (not begun),
   * `emergency` (not a grant for emergencies), `role`.
   */
  opens(relation: RelationState, now: number): Grant {
    const grant = relation.grants.get(this.gid);
    if (grant === undefined || relation.acc !== this.acc || relation.oth !== this.sender) throw broken("unknown");
    if (!live(grant, now)) throw broken("ended");
    if (grant.rules.body.nb > now) throw broken("time");
    if (grant.rules.body.em.length === 0) throw broken("emergency");
    if (!grant.rules.body.em.slice(1).includes(this.role)) throw broken("role");
    return grant;
  }

  /** Who declared and why, opened by the patient's reading keys. Throws `not-for-you`, `broken` (`fields`). */
  tell(keys: ReadonlyMap<string, BoxKey>): { readonly person: string; readonly reason: string } {
    return { person: unsealed(this.person, keys), reason: unsealed(this.reason, keys) };
  }
}

function had(sender: AccountState, device: string, came: number | undefined): boolean {
  try {
    if (came === undefined) sender.device(device);
    else sender.deviceIn(device, came);
  } catch (error) {
    if (error instanceof Rejected) return false;
    throw error;
  }
  return true;
}

/** Read a declaration's frame. Throws `Rejected(broken, …)` with `limits`, `frame`, `canon` or `fields`. */
export function read(raw: Uint8Array): Declaration {
  const frame = frames.parse(raw);
  shape(frame.header, DECLARE);
  require(frame.header["v"] === 1);
  return new Declaration(frame);
}

function unsealed(sealed: string, keys: ReadonlyMap<string, BoxKey>): string {
  const data = unb64(sealed);
  for (const key of keys.values()) {
    const padded = opened(data, key);
    if (padded !== null) return primitives.utf8Text(primitives.unpad(padded), "fields");
  }
  throw new Rejected("not-for-you", "key");
}

function opened(sealed: Uint8Array, key: BoxKey): Uint8Array | null {
  try {
    return key.open(sealed);
  } catch (error) {
    if (error instanceof Rejected) return null;
    throw error;
  }
}
