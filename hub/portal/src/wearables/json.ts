/** JSON, part of which is text already: so numbers keep their digits, and what is always the same is written once. */

/** JSON text that is written as it stands, such as a number by its digits. */
export class Verbatim {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type Json = string | number | Verbatim | readonly Json[] | { readonly [name: string]: Json };

/** The JSON text of a value, members in the order in which they were put. */
export function dump(value: Json): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number") return String(value);
  if (value instanceof Verbatim) return value.text;
  if (isList(value)) return `[${value.map(dump).join(",")}]`;
  const members = Object.entries(value).map(([name, member]) => `${JSON.stringify(name)}:${dump(member)}`);
  return `{${members.join(",")}}`;
}

function isList(value: object): value is readonly Json[] {
  return Array.isArray(value);
}
