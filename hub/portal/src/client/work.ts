/**
 * Slow work beside the page, so that it never freezes: the bundle starts itself as a worker, one for each task.
 *
 * A worker ends with its task, and with it the memory that held a secret.
 */

import { PassphraseKeys } from "../keys.ts";
import { importBy, type Report, type Sink } from "../wearables/index.ts";
import type { ToWorker } from "../wearables/messages.ts";
import { Conversation } from "../wearables/worker.ts";
import { Problem } from "../problems.ts";

/** Whether this script runs as such a worker. */
export const inWorker = !("document" in globalThis);

/** What a worker can do: plain values in, plain values out. */
const TASKS = {
  stretch(account: string, passphrase: string): [Uint8Array, Uint8Array] {
    const keys = PassphraseKeys.derive(account, passphrase);
    return [keys.signIn, keys.wrapKey];
  },
} as const;

type Tasks = typeof TASKS;
type Name = keyof Tasks;
type Call = { readonly name: Name; readonly given: readonly [string, string] };
type Answer<N extends Name> =
  | { readonly ready: true }
  | { readonly done: ReturnType<Tasks[N]> }
  | { readonly failed: string };

/** In the worker: do the one task that is asked for, or hold the one conversation. */
export function serve(): void {
  const conversation = new Conversation((message, transfer) => postMessage(message, { transfer }));
  addEventListener("message", ({ data }: MessageEvent<Call | ToWorker>) => {
    if ("type" in data) {
      conversation.hear(data);
      return;
    }
    const { name, given } = data;
    try {
      postMessage({ done: TASKS[name](...given) });
    } catch (error) {
      postMessage({ failed: String(error) });
    }
  });
  postMessage({ ready: true }); // what was sent before would have been lost while libsodium was loading
}

/** In the page: let a worker do a task. Throws `Problem(internal)`. */
function ask<N extends Name>(name: N, ...given: Parameters<Tasks[N]>): Promise<ReturnType<Tasks[N]>> {
  const worker = new Worker(ownUrl(), { type: "module" });
  return new Promise<ReturnType<Tasks[N]>>((resolve, reject) => {
    worker.addEventListener("message", ({ data }: MessageEvent<Answer<N>>) => {
      if ("ready" in data) worker.postMessage({ name, given });
      else if ("done" in data) resolve(data.done);
      else reject(new Problem("internal", `the task ${name} failed: ${data.failed}`));
    });
    worker.addEventListener("error", ({ message }) => reject(new Problem("internal", `no worker: ${message}`)));
  }).finally(() => worker.terminate());
}

/** The keys that a passphrase yields: a second or two of work, with 256 MiB of memory. */
export async function stretch(account: string, passphrase: string): Promise<PassphraseKeys> {
  return new PassphraseKeys(...(await ask("stretch", account, passphrase)));
}

/** Bring in what a wearable recorded, until `signal` ends it. Throws as `importBy`. */
export function importFile(file: Blob, patient: string, sink: Sink, signal: AbortSignal): Promise<Report> {
  return importBy(new Worker(ownUrl(), { type: "module" }), file, patient, sink, signal);
}

type Policy = { createScriptURL(url: string): string };
type TrustedTypes = { createPolicy(name: string, rules: Policy): Policy };

let policy: Policy | undefined;

/** This script's own address, as a browser with Trusted Types (https://www.w3.org/TR/trusted-types/) wants it said. */
function ownUrl(): string {
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
  policy ??= trustedTypes?.createPolicy("obhut", { createScriptURL: onlyOwn }) ?? { createScriptURL: onlyOwn };
  return policy.createScriptURL(import.meta.url);
}

function onlyOwn(url: string): string {
  if (url !== import.meta.url) throw new TypeError("only the bundle itself is started");
  return url;
}
