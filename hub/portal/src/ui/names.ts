/** How the authors of a record are called. */

import { useEffect, useState } from "preact/hooks";
import type { Side } from "../client/side.ts";
import { Directory } from "../client/directory.ts";
import { Problem } from "../problems.ts";
import { text } from "../text.ts";

/**
 * The name of an account by the directory as it was last heard, she herself told as such. `fresh`: hear it anew; without
 * the hub the names that are known here stay.
 */
export function useNames(client: Side, fresh = false): (account: string) => string {
  const [directory, setDirectory] = useState(() => new Directory([]));
  useEffect(() => {
    const read = async () => setDirectory(await Directory.kept(client.db));
    void read();
    if (fresh) void renewed(client).then(read);
  }, [client]);
  const isSelf = (account: string) => client.isPerson && account === client.account;
  return (account) => (isSelf(account) ? text("data.yourself") : directory.name(account));
}

async function renewed(client: Side): Promise<void> {
  await Directory.renew(client).catch((error: unknown) => {
    if (!(error instanceof Problem)) throw error;
  });
}
