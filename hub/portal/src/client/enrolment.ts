/**
 * A new account. With `arrival.ts` the twin of `connectors/patient/enrolment.py`.
 *
 * Secrets are kept before anything is sent, so that whatever a closed tab interrupts can be finished after unlocking.
 */

import { AccountState } from "../accounts.ts";
import { newPerson } from "../identifiers.ts";
import { BoxKey, type PassphraseKeys, RecoveryCode, SigningKey } from "../keys.ts";
import * as messages from "../messages.ts";
import { b64, KEY_BYTES, randomBytes, unb64 } from "../primitives.ts";
import * as steps from "../steps.ts";
import { RootCompartment, Vault } from "../vault.ts";
import { AccountWriter } from "./account_writer.ts";
import type { HubInfo } from "./api.ts";
import { arrive, type Arriving, kept } from "./arrival.ts";
import { Client, type Secrets } from "./client.ts";
import type { Database } from "./database.ts";
import { Keyring } from "./keyring.ts";
import { deviceLabel } from "../device_label.ts";
import { Problem, UNDECIDED } from "../problems.ts";
import { type NewSheet, newWords, type NewWords, replaceSheet, setWords } from "./replacing.ts";
import { allWraps, fetchHash } from "./wraps.ts";

/** An account that is still to be made at the hub. */
export type Making = {
  readonly step: "make";
  readonly code: string;
  readonly root: string;
  readonly reading: string;
  readonly now: number;
  readonly signIn: string;
  readonly wrapKey: string;
  /** An organisation's code from the hub's operator; empty for a person. */
  readonly admission: string;
};

/** What is not finished: an account to be made, to arrive, to have other words or another sheet, a sheet to be asked back. */
export type Begun = Making | Arriving | NewWords | NewSheet | { readonly step: "sheet"; readonly code: string };

/**
 * Make all keys of a new account and keep them in the safe. Nothing is sent yet. `admission`: of an organisation.
 * `null` where another tab was first.
 */
export async function begin(
  db: Database,
  info: HubInfo,
  account: string,
  passphrase: PassphraseKeys,
  admission = "",
): Promise<Client | null> {
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
      admission,
    },
  };
  return kept(db, passphrase, secrets);
}

/** The fresh name of a person at this hub. */
export function newName(info: HubInfo): string {
  return String(newPerson(info.domain));
}

/** Finish at the hub what was begun. Returns the code of a sheet that is to be shown and asked back, or `null`. */
export async function goOn(client: Client): Promise<RecoveryCode | null> {
  const { begun } = await client.safe.read();
  if (begun?.step === "make") await make(client, begun);
  else if (begun?.step === "arrive") await arrive(client, begun);
  else if (begun?.step === "words") await setWords(client, begun);
  else if (begun?.step === "new-sheet") await takeSheet(client, begun);
  const code = begun?.code ?? "";
  await keep(client, code ? { step: "sheet", code } : null);
  return code ? RecoveryCode.parse(code) : null;
}

/** New words, from now on. Throws `Problem`; what was begun is finished after the next unlocking. */
export async function chooseWords(client: Client, passphrase: PassphraseKeys): Promise<void> {
  await keep(client, newWords(passphrase));
  await goOn(client);
}

/** A new recovery sheet, to be shown and asked back. */
export async function newSheet(client: Client): Promise<RecoveryCode | null> {
  await keep(client, { step: "new-sheet", code: RecoveryCode.generate().text() });
  return goOn(client);
}

/** A sheet that the account will not take is none. */
async function takeSheet(client: Client, { code }: NewSheet): Promise<void> {
  await replaceSheet(client, RecoveryCode.parse(code)).catch(async (error: unknown) => {
    if (!(error instanceof Problem) || !UNDECIDED.includes(error.code)) await keep(client, null);
    throw error;
  });
}

/** The recovery sheet was asked back: its code is not kept here any longer. */
export async function finish(client: Client): Promise<void> {
  await keep(client, null);
}

async function keep(client: Client, begun: Begun | null): Promise<void> {
  await client.safe.change({ begun });
}

async function make(client: Client, begun: Making): Promise<void> {
  const code = RecoveryCode.parse(begun.code);
  const root = new SigningKey(unb64(begun.root, KEY_BYTES));
  const reading = new BoxKey(unb64(begun.reading, KEY_BYTES));
  const first = { root, reading, code, admission: begun.admission };
  await create(client, first, begun.now).catch(async (error: unknown) => {
    if (!(error instanceof Problem) || error.reason !== "clock") throw error;
    // It never came to the hub, and what is signed too long ago is not taken.
    const { now } = await client.hub.info();
    await keep(client, { ...begun, now });
    await create(client, first, now);
  });
  await client.sync();
  if (client.state.vault[0] === 0) {
    const empty = new Vault({ readingKeys: new Map([[b64(reading.public), reading]]) });
    const vault = client.isPerson ? steps.newSets(empty) : empty; // an organisation has no record of its own
    const { keyring, vaultKey } = client;
    const bare = new RootCompartment(root, keyring.handleKey, randomBytes(KEY_BYTES));
    const first = { state: client.state, root: bare.named(keyring.device, deviceLabel()), vault };
    await client.lockVault(first, allWraps(keyring, vaultKey, code, unb64(begun.wrapKey)), await fetchHash(code));
  }
  await client.hub.setSignIn(unb64(begun.signIn));
  await client.settle();
  if (client.isPerson) await permitHerself(client);
}

type First = {
  readonly root: SigningKey;
  readonly reading: BoxKey;
  readonly code: RecoveryCode;
  readonly admission: string;
};

/** `create`, `device`, `reading`: the first links, in one request; the same bytes whenever it is repeated. */
async function create(client: Client, { root, reading, code, admission }: First, now: number) {
  const { keyring } = client;
  const writer = new AccountWriter(new AccountState(client.account), now);
  const recovery = b64(code.signingKey.public);
  writer.add(root, ["root"], "create", { root: b64(root.public), recovery, class: client.isPerson ? "person" : "org" });
  writer.addDevice(root, keyring);
  writer.add(root, ["root"], "reading", { key: b64(reading.public), bad: 0 });
  const tokenKey = keyring.token.public;
  const said = { acc: client.account, dev: keyring.device, tokenKey, at: now };
  await client.hub.enrol(writer.frames, messages.register(keyring.sign, said), admission);
  await client.chains.take("acct", client.account, "", writer.frames);
}

/** Her own devices write into a set of her own, by a relation with herself. */
async function permitHerself(client: Client): Promise<void> {
  const me = client.account;
  const { signer } = client.keyring;
  if (!client.record.relations.has(me)) {
    await client.post([steps.openRelation(client.record, me, "card", signer, client.hub.now)]);
  }
  const { record } = client;
  const spare = [...record.sets.keys()].sort().find((set) => record.author(set) === null);
  if (record.relation(me).permits.size === 0 && spare !== undefined) {
    await client.post([steps.permit(record, me, spare, signer, client.hub.now)]);
  }
}
