"""Words without the price of stretching them: 256 MiB and more than a second of a worker, hundreds of times.

A page that is told to computes no keys of words itself: its worker asks the test, which computes those of an account
once, with the least memory that is allowed, for the page and for the client of the same person alike. That pages and
clients stretch alike the vectors show; that they do it by themselves, the tests marked `stretches`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pytest
from playwright.sync_api import BrowserContext

from consent.keys import PassphraseKeys

WORKER = """(() => {
  const Begun = Worker;
  const say = (to, data) => to.dispatchEvent(new MessageEvent("message", { data }));
  globalThis.Worker = class extends EventTarget {
    #begin;
    #begun;
    constructor(...how) {
      super();
      this.#begin = () => new Begun(...how);
      queueMicrotask(() => say(this, { ready: true }));
    }
    postMessage(message) {
      if (message.name === "stretch") this.#ask(message.given);
      else if (this.#begun) this.#begun.postMessage(message);
      else this.#start(message);
    }
    terminate() {
      this.#begun?.terminate();
    }
    async #ask(given) {
      say(this, { done: (await stretched(...given)).map((key) => Uint8Array.from(key)) });
    }
    #start(first) {
      this.#begun = this.#begin();
      this.#begun.addEventListener("error", ({ message }) => this.dispatchEvent(new ErrorEvent("error", { message })));
      this.#begun.addEventListener("message", ({ data }) => {
        if ("ready" in data) this.#begun.postMessage(first);
        else say(this, data);
      });
    }
  };
})()"""

LEAST_MEMORY = 64 << 20
_derive = PassphraseKeys.derive


@cache
def keys(account: str, passphrase: str) -> PassphraseKeys:
    """Of an account's words."""
    return _derive(account, passphrase, LEAST_MEMORY)


def for_pages(context: BrowserContext) -> None:
    """Let the pages of a context ask here."""

    def stretched(account: str, passphrase: str) -> list[list[int]]:
        both = keys(account, passphrase)
        return [list(both.sign_in), list(both.wrap_key)]

    context.expose_function("stretched", stretched)
    context.add_init_script(WORKER)


@contextmanager
def for_clients() -> Iterator[None]:
    """Let the clients of this process ask here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PassphraseKeys, "derive", keys)
        yield
