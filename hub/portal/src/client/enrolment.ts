/**
 * How a device comes to an account. The twin of `connectors/patient/enrolment.py`.
 *
 * Secrets are kept before anything is sent, so that whatever a closed tab interrupts can be finished after unlocking.
 */

import * as accounts from "../accounts.ts";
import { AccountState } from "../accounts.ts";
import { newId, newPerson } from "../identifiers.ts";
import { BoxKey, type PassphraseKeys, RecoveryCode, SigningKey } from "../keys.ts";
import * as messages from "../messages.ts";
import { b64, KEY_BYTES, randomBytes, unb64 } from "../primitives.ts";
import { Master, SetKey } from "../sets.ts";
import { type Bodies, type Signer, sign } from "../statements.ts";
import * as vaults from "../vault.ts";
import { RootCompartment, Vault } from "../vault.ts";
import type { HubInfo, Wraps } from "./api.ts";
import { Client, type Secrets } from "./client.ts";
import type { Database } from "./database.ts";
import { Keyring } from "./keyring.ts";
import { Problem } from "./problem.ts";
import { passphraseUnlock, Safe } from "./safe.ts";

/** Sets are made in blocks ahead of need: a spare set makes a new author readable without touching any grant. */
const BLOCK = 4;

/** A way in that is not finished: the account is still to be made at the hub, or its sheet to be asked back. */
export type Begun =
  | {
      readonly step: "make";
      readonly code: string;
      readonly root: string;
      readonly reading: string;
      readonly now: number;
      readonly signIn: string;
      readonly wrapKey: string;
    }
  | { readonly step: "sheet"; readonly code: string };

/** The fresh name of a person at this hub. */
export function newName(info: HubInfo): string {
  return String(newPerson(info.domain));
}

/** Make all keys of a new account and keep them in the safe. Nothing is sent yet. */
export async function begin(db: Database, info: HubInfo, account: string, passphrase: PassphraseKeys): Promise<Client> {
  const secrets: Secrets = {
    keyring: Keyring.generate(account, info.key).dump(),
    vaultKey: b64(randomBytes(KEY_BYTES)),
    begun: {
      step: "make",
      code: RecoveryCode.generate().text(),
      root: b64(randomBytes(KEY_BYTES)),
      reading: b64(randomBytes(KEY_BYTES)),
      now: info.now,
      signIn: b64(passphrase.signIn),
      wrapKey: b64(passphrase.wrapKey),
    },
  };
  const safe = await Safe.make(db, account, passphraseUnlock(passphrase.wrapKey, account), secrets);
  return Client.open(db, safe, secrets);
}

/** Make the account at the hub, or finish what was begun of it. Returns the code of the recovery sheet. */
export async function make(client: Client): Promise<RecoveryCode> {
  const secrets = await client.safe.read();
  const { begun } = secrets;
  if (begun === null) throw new Problem("conflict", "this account is made already");
  const code = RecoveryCode.parse(begun.code);
  if (begun.step === "sheet") return code;
  const root = new SigningKey(unb64(begun.root, KEY_BYTES));
  const reading = new BoxKey(unb64(begun.reading, KEY_BYTES));
  await create(client, root, reading, code, begun.now).catch(async (error: unknown) => {
    if (!(error instanceof Problem) || error.reason !== "clock") throw error;
    // It never came to the hub, and what is signed too long ago is not taken.
    const { now } = await client.hub.info();
    await client.safe.write({ ...secrets, begun: { ...begun, now } });
    await create(client, root, reading, code, now);
  });
  await client.sync();
  if (client.state.vault[0] === 0) {
    const vault = newSets(new Vault({ readingKeys: new Map([[b64(reading.public), reading]]) }));
    const own = new RootCompartment(root, client.keyring.handleKey, randomBytes(KEY_BYTES));
    await client.lockVault(own, vault, firstWraps(client, code, unb64(begun.wrapKey)), await fetchHash(code));
  }
  await client.hub.setSignIn(unb64(begun.signIn));
  await client.safe.write({ ...secrets, begun: { step: "sheet", code: begun.code } });
  return code;
}

/** The recovery sheet was asked back: its code is not kept here any longer. */
export async function finish(client: Client): Promise<void> {
  await client.safe.write({ ...(await client.safe.read()), begun: null });
}

/** `create`, `device`, `reading`: the first links, in one request; the same bytes whenever it is repeated. */
async function create(client: Client, root: SigningKey, reading: BoxKey, code: RecoveryCode, now: number) {
  const { keyring } = client;
  const writer = new AccountWriter(client.account, new AccountState(client.account), now);
  const recovery = b64(code.signingKey.public);
  writer.add(root, ["root"], "create", { root: b64(root.public), recovery, class: "person" });
  writer.addDevice(root, keyring);
  writer.add(root, ["root"], "reading", { key: b64(reading.public), bad: 0 });
  const tokenKey = keyring.token.public;
  const said = { acc: client.account, dev: keyring.device, tokenKey, at: now };
  await client.hub.enrol(writer.frames, messages.register(keyring.sign, said));
  await client.chains.take("acct", client.account, "", writer.frames);
}

function firstWraps({ keyring, vaultKey, account }: Client, code: RecoveryCode, wrapKey: Uint8Array): Wraps {
  return {
    [keyring.device]: vaults.wrapForBox(vaultKey, account, keyring.device, keyring.box.public),
    sheet: vaults.wrapForSecret(vaultKey, account, "sheet", code.wrapKey),
    passphrase: vaults.wrapForSecret(vaultKey, account, "passphrase", wrapKey),
  };
}

/** The vault with fresh sets; what is owed then starts their chains. */
function newSets(vault: Vault): Vault {
  let filled = vault;
  for (let count = 0; count < BLOCK; count += 1) {
    filled = filled.withSet(newId(), new SetKey(randomBytes(KEY_BYTES)), new Master(randomBytes(KEY_BYTES)));
  }
  return filled;
}

/** What the hub keeps of the sheet's fetch token. */
async function fetchHash(code: RecoveryCode): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(code.fetchToken)));
}

/** Writes links of an account chain one after another, before they are sent. */
class AccountWriter {
  readonly frames: Uint8Array[] = [];
  readonly #account: string;
  readonly #now: number;
  #state: AccountState;

  constructor(account: string, state: AccountState, now: number) {
    this.#account = account;
    this.#state = state;
    this.#now = now;
  }

  /** Sign the next link and take it in. */
  add<T extends keyof Bodies["acct"]>(key: SigningKey, by: Signer, typ: T, body: Bodies["acct"][T]): void {
    const iat = Math.max(this.#now, this.#state.links.at(-1)?.iat ?? 0);
    const frame = sign(key, { kind: "acct", acc: this.#account, head: this.#state.head, iat, typ, by, body });
    this.#state = accounts.extend(this.#state, frame);
    this.frames.push(frame);
  }

  /** Certify a device of the role `client`. */
  addDevice(root: SigningKey, { device, sign: signing, box }: Keyring): void {
    const body = { dev: device, role: "client", sign: b64(signing.public), box: b64(box.public) } as const;
    this.add(root, ["root"], "device", body);
  }
}
