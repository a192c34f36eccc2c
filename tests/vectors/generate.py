"""Write the vectors: `python -m tests.vectors.generate [NAME…]`.

The files are part of the format: once frozen they are not written again, and the tests check that each still holds.
"""

import sys
from collections.abc import Callable

from tests.vectors import (
    account_chain,
    basics,
    bundles,
    declaring,
    deposits,
    envelopes,
    hub_words,
    joint,
    locking,
    objects,
    owing,
    pairings,
    relation_chain,
    releases,
    stream_chain,
    vaults,
)
from tests.vectors.making import HERE, Source, fixed, text

Maker = Callable[[Source], list[dict[str, object]] | tuple[list[dict[str, object]], dict[str, object]]]

FILES: dict[str, Maker] = {
    "label-hash": basics.label_hashes,
    "canonical": basics.canonical,
    "padding": basics.paddings,
    "identifiers": basics.names,
    "derivation": basics.derivations,
    "account-chain": account_chain.vectors,
    "stream-chain": stream_chain.vectors,
    "relation-chain": relation_chain.vectors,
    "bundle": bundles.vectors,
    "opening": envelopes.opening,
    "heads": hub_words.vectors,
    "declaration": declaring.vectors,
    "object": objects.vectors,
    "opening-object": objects.openings,
    "deposit": deposits.vectors,
    "joint-rules": joint.vectors,
    "owed": owing.vectors,
    "release": releases.vectors,
    "vault": vaults.vectors,
    "lockout": locking.vectors,
    "pairing": pairings.vectors,
}


def main(wanted: list[str]) -> None:
    """Write the files named, or all."""
    for name in wanted or FILES:
        with fixed(f"obhut vectors 1 {name}") as source:
            made = FILES[name](source)
        vectors, shared = made if isinstance(made, tuple) else (made, {})
        (HERE / f"{name}.json").write_text(text(name, vectors, **shared), encoding="ascii")
        print(name, len(vectors), (HERE / f"{name}.json").stat().st_size)


if __name__ == "__main__":
    main(sys.argv[1:])
