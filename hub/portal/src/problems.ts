/** The closed list of errors, of the hub and of what is found here. The twin of `fhir_profiles/problems.py`. */

import { Rejected } from "./rejected.ts";

/** Code → the status by which a hub's answer means it where it names none itself; 0 for what no hub says. */
const STATUS = {
  invalid: 400,
  structure: 0,
  value: 0,
  "not-supported": 0,
  unauthenticated: 401,
  forbidden: 403,
  "not-found": 404,
  conflict: 409,
  refused: 0,
  gone: 410,
  "too-large": 413,
  "media-type": 415,
  unprocessable: 422,
  "too-many": 429,
  internal: 500,
  busy: 503,
  stale: 0,
  /** No passkey came, for whatever reason: only a browser can say this. */
  "no-passkey": 0,
  /** A device that another hub's page showed; data that is not sent yet: found here, and said by no hub. */
  "other-hub": 0,
  waiting: 0,
} as const;

export type Code = keyof typeof STATUS;

/** Problems after which it is not known or not decided whether the hub takes what was sent: it is sent again. */
export const UNDECIDED: readonly Code[] = ["busy", "stale", "internal", "too-many", "unauthenticated"];
export type Extra = { readonly [member: string]: unknown };

/**
 * An error out of the closed list: a sentence without content, and the place by FHIRPath, if there is one.
 *
 * `extra` holds further members such as `reason` or `head`.
 */
export class Problem extends Error {
  readonly code: Code;
  readonly expression: string | null;
  readonly extra: Extra;

  constructor(code: Code, detail: string, expression: string | null = null, extra: Extra = {}) {
    super(detail);
    this.name = "Problem";
    this.code = code;
    this.expression = expression;
    this.extra = extra;
  }

  /** The protocol's word for a refusal, or the empty string. */
  get reason(): string {
    return typeof this.extra["reason"] === "string" ? this.extra["reason"] : "";
  }
}

/** What nobody foresaw is for the console, too; all else the page says in words. */
export function reportUnforeseen(error: unknown): void {
  if (!(error instanceof Problem || error instanceof Rejected)) reportError(error);
}

const PREFIX = "urn:obhut:problem:";

/** The problem that an answer of the hub means (RFC 9457, or an error of OAuth); `status` as in HTTP. */
export function fromDetails(status: number, details: Extra): Problem {
  const code = String(details["type"] ?? "").replace(PREFIX, "");
  const detail = String(details["detail"] ?? `the hub answered ${status}`);
  return new Problem(isCode(code) ? code : byStatus(status), detail, null, details);
}

function isCode(code: string): code is Code {
  return Object.hasOwn(STATUS, code);
}

function byStatus(status: number): Code {
  const codes = Object.keys(STATUS) as Code[];
  return codes.find((code) => STATUS[code] === status) ?? (status < 500 ? "invalid" : "internal");
}
