/** What went wrong: a code of the closed list of `fhir_profiles/problems.py`, said by the hub or found here. */

const PREFIX = "urn:obhut:problem:";

/** Codes that a hub's answer may mean where it names none itself. */
const BY_STATUS: { readonly [status: number]: string } = {
  400: "invalid",
  401: "unauthenticated",
  403: "forbidden",
  404: "not-found",
  409: "conflict",
  410: "gone",
  413: "too-large",
  422: "unprocessable",
  429: "too-many",
  503: "busy",
};

/** `detail` is one sentence without content; `extra` holds further members such as `reason` or `head`. */
export class Problem extends Error {
  readonly code: string;
  readonly extra: { readonly [member: string]: unknown };

  constructor(code: string, detail: string, extra: { readonly [member: string]: unknown } = {}) {
    super(detail);
    this.name = "Problem";
    this.code = code;
    this.extra = extra;
  }

  /** The protocol's word for a refusal, or the empty string. */
  get reason(): string {
    return typeof this.extra["reason"] === "string" ? this.extra["reason"] : "";
  }
}

/** The problem that an answer of the hub means (RFC 9457, or an error of OAuth). */
export async function problemOf(response: Response): Promise<Problem> {
  const fallback = BY_STATUS[response.status] ?? (response.status < 500 ? "invalid" : "internal");
  const detail = `the hub answered ${response.status}`;
  try {
    const members: { [member: string]: unknown } = await response.json();
    const type = String(members["type"] ?? "");
    const code = type.startsWith(PREFIX) ? type.slice(PREFIX.length) : fallback;
    return new Problem(code, String(members["detail"] ?? detail), members);
  } catch {
    return new Problem("busy", detail);
  }
}
