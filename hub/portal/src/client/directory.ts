/** The hub's directory as pages use it: who is behind an account, and who is found by words. */

import type { Hub, Organisation } from "./api.ts";
import { type Database, getState, setState } from "./database.ts";

const KEPT = "directory";

export class Directory {
  readonly all: readonly Organisation[];

  constructor(all: readonly Organisation[]) {
    this.all = all;
  }

  /** As it was last heard, for when the hub cannot be reached. */
  static async kept(db: Database): Promise<Directory> {
    return new Directory((await getState<readonly Organisation[]>(db, KEPT)) ?? []);
  }

  /** Keep it as the hub has it now. Throws `Problem`. */
  static async renew({ hub, db }: { readonly hub: Hub; readonly db: Database }): Promise<void> {
    await setState(db, KEPT, await hub.organisations());
  }

  /** How an account is called; its address where the directory does not list it. */
  name(account: string): string {
    return this.all.find((one) => one.account === account)?.name ?? account;
  }

  /** How an account is called, and as what it is listed; an empty type where the directory does not list it. */
  about(account: string): { readonly name: string; readonly type: string } {
    return { name: this.name(account), type: this.all.find((one) => one.account === account)?.type ?? "" };
  }

  /** Of the account's first link; empty where the directory does not list it. */
  fingerprint(account: string): string {
    return this.all.find((one) => one.account === account)?.fingerprint ?? "";
  }

  /** All in whose name or address each of these words occurs. */
  find(words: string): readonly Organisation[] {
    const wanted = words.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    return this.all.filter(({ name, account }) => {
      const text = `${name} ${account}`.toLocaleLowerCase();
      return wanted.every((word) => text.includes(word));
    });
  }
}
