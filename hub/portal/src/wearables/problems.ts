/** What is refused, with the codes of `fhir_profiles/problems.py` that an import knows. */

export type Code = "invalid" | "not-supported" | "too-large";

/** A file that cannot be read. The detail names the rule, never what was found. */
export class Problem extends Error {
  readonly code: Code;

  constructor(code: Code, detail: string) {
    super(detail);
    this.name = "Problem";
    this.code = code;
  }
}
