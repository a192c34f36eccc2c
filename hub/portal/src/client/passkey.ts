/**
 * A passkey as a way to unlock this device: its PRF extension gives a secret that only its owner can ask for.
 *
 * https://www.w3.org/TR/webauthn-3/#prf-extension. The hub learns nothing of it: challenge and answer stay here.
 */

import { b64, equal, randomBytes } from "../primitives.ts";
import type { Client } from "./client.ts";
import { Problem } from "../problems.ts";
import { passkeyUnlock, type Way } from "./safe.ts";

const SALT_BYTES = 32;
const ALGORITHMS = [-8, -7, -257].map((alg) => ({ type: "public-key", alg }) as const);

/** Whether this browser knows passkeys; whether its authenticators have the PRF extension shows only when asked. */
export function knowsPasskeys(): boolean {
  return "PublicKeyCredential" in globalThis;
}

/** Make a passkey and let it unlock this device. Throws `Problem`: `not-supported` where it has no PRF extension. */
export async function addPasskey({ account, safe }: Client, label: string): Promise<void> {
  const salt = randomBytes(SALT_BYTES);
  const made = await asked(() =>
    navigator.credentials.create({
      publicKey: {
        challenge: bytes(randomBytes(32)),
        rp: { name: label },
        user: { id: bytes(randomBytes(16)), name: account, displayName: label },
        pubKeyCredParams: ALGORITHMS,
        authenticatorSelection: { residentKey: "preferred", userVerification: "required" },
        extensions: { prf: { eval: { first: bytes(salt) } } },
      },
    }),
  );
  const { enabled, results } = made.getClientExtensionResults().prf ?? {};
  if (!enabled && !results) throw new Problem("not-supported", "this passkey has no PRF extension");
  const credential = new Uint8Array(made.rawId);
  // Many give the secret only when they are asked once more.
  const output = results ? outputOf(results.first) : await ask(credential, salt);
  await safe.addWay({ name: `passkey ${b64(credential)}`, kind: "passkey", credential, salt }, passkeyUnlock(output, account));
}

/** The unlock key that a passkey gives. Throws `Problem`. */
export async function askPasskey(account: string, { credential, salt }: Way): Promise<Uint8Array> {
  if (credential === undefined || salt === undefined) throw new Problem("not-found", "there is no such passkey");
  return passkeyUnlock(await ask(credential, salt), account);
}

async function ask(credential: Uint8Array, salt: Uint8Array): Promise<Uint8Array> {
  const found = await asked(() =>
    navigator.credentials.get({
      publicKey: {
        challenge: bytes(randomBytes(32)),
        allowCredentials: [{ type: "public-key", id: bytes(credential) }],
        userVerification: "required",
        extensions: { prf: { eval: { first: bytes(salt) } } },
      },
    }),
  );
  const results = found.getClientExtensionResults().prf?.results;
  if (!results || !equal(new Uint8Array(found.rawId), credential)) {
    throw new Problem("not-supported", "this passkey has no PRF extension");
  }
  return outputOf(results.first);
}

/** What was cancelled, refused or took too long is one thing to the user: no passkey came. */
async function asked(dialog: () => Promise<Credential | null>): Promise<PublicKeyCredential> {
  const found = await dialog().catch(() => null);
  if (found === null) throw new Problem("no-passkey", "no passkey was used");
  return found as PublicKeyCredential;
}

function outputOf(first: BufferSource): Uint8Array {
  return ArrayBuffer.isView(first) ? new Uint8Array(first.buffer) : new Uint8Array(first);
}

function bytes(data: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(data);
}
