/** The account's address, to be read and not typed; password managers find it in a field that nobody sees. */

import { text } from "../text.ts";

export function Address({ account, hint }: { account: string; hint?: string }) {
  return (
    <div class="field">
      <p class="label">{text("account.address")}</p>
      {hint && <p class="hint">{hint}</p>}
      <p class="code shown">{account}</p>
      <input hidden readOnly type="text" autocomplete="username" value={account} />
    </div>
  );
}
