"""Vectors of objects over 1 MiB: every check of 3.5 alone, every byte of a small one, and how an envelope names one."""

from collections.abc import Iterator, Sequence
from typing import Any

from nacl import bindings

from consent import canonical, envelope, primitives
from consent.envelope import context
from consent.objects import CHUNK_BYTES, MAX_OBJECT, object_hash, sealed_size
from consent.primitives import STREAM_CHUNK_OVERHEAD, STREAM_HEADER_BYTES, b64
from consent.sealing import ObjectKey, seal_object
from tests.vectors.envelopes import Made
from tests.vectors.making import OK, Pool, Source, broken, stale
from tests.vectors.post import Letter, Post, observation

STEP = CHUNK_BYTES + STREAM_CHUNK_OVERHEAD
FINAL = bindings.crypto_secretstream_xchacha20poly1305_TAG_FINAL
MESSAGE = bindings.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
PUSH = bindings.crypto_secretstream_xchacha20poly1305_TAG_PUSH
REKEY = bindings.crypto_secretstream_xchacha20poly1305_TAG_REKEY
LONG = 140_000
"""Bytes that make three chunks, the last one shorter."""


class Objects:
    """Makes the file `object`. `plaintext` of a vector is `size` bytes, each that of its place modulo 251."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.pool = Pool()
        self.vectors: list[dict[str, Any]] = []
        self.key = ObjectKey(source.draw(32), source.draw(32))
        self.small = self.sealed(40)
        self.long = self.sealed(LONG)

    def sealed(self, size: int) -> bytes:
        """As an author seals it."""
        return b"".join(seal_object([plaintext(size)], size, self.key))

    def add(
        self, name: str, sealed: bytes, size: int, expect: Any = OK, *, key: bytes = b"", ctx: bytes = b"",
        hash_: str = "", reference: bytes = b"", parts: list[Any] | None = None,
    ) -> None:  # fmt: skip
        """One vector; the reference names these bytes, so that only what is said is wrong."""
        value = {
            "v": 1, "key": b64(key or self.key.key), "size": size, "hash": hash_ or object_hash([sealed], len(sealed)),
        }  # fmt: skip
        self.vectors.append({
            "name": name, "sealed": parts or [self.pool(sealed)], "ctx": b64(ctx or self.key.ctx),
            "reference": b64(reference or canonical.dump(value)), "size": size, "expect": expect,
        })  # fmt: skip

    def opens(self) -> None:
        """Sizes around those at which padding and chunks change."""
        for size in (1, 40, 255, 256, CHUNK_BYTES - 1, CHUNK_BYTES):
            self.add(f"opens: {size} bytes", self.sealed(size), size)
        self.add("opens: three chunks", self.long, LONG)

    def whole(self) -> None:
        """What the size and the hash tell before anything is opened."""
        good = object_hash([self.long], len(self.long))
        two = STREAM_HEADER_BYTES + 2 * STEP
        cut = len(self.long) - 1
        self.add("size: cut within the last chunk", self.long[:-1], LONG, broken("size"), parts=[["f1", 0, cut]])
        self.add("size: the last chunk is missing", self.long[:two], LONG, broken("size"), parts=[["f1", 0, two]])
        self.add("size: a byte behind the last chunk", self.small + b"\0", 40, broken("size"))
        self.add("size: the header alone", self.small[:STREAM_HEADER_BYTES], 40, broken("size"))
        self.add("size: nothing", b"", 40, broken("size"))
        self.add("size: told as more", self.small, 300, broken("size"))
        self.add("size: told as one more, padded alike", self.small, 41, broken("size"))
        self.add("size: told as one less, padded alike", self.small, 39, broken("size"))
        self.add("hash: of another object", self.small, 40, broken("hash"), hash_=good)
        self.add("hash: two faults, size first", self.small + b"\0", 40, broken("size"), hash_=good)

    def chunks(self) -> None:
        """The author names exactly these bytes: the chunks themselves tell."""
        header, one, two, three = self.cut(self.long)
        last = len(three) - STREAM_CHUNK_OVERHEAD
        self.named("chunks swapped", [header, two, one, three], LONG, broken("aead"))
        self.named("first chunk twice", [header, one, one, three], LONG, broken("aead"))
        self.named("first chunk dropped", [header, two, three], _size(CHUNK_BYTES + last), broken("aead"))
        self.named("middle chunk dropped", [header, one, three], _size(CHUNK_BYTES + last), broken("aead"))
        self.named("last chunk dropped", [header, one, two], _size(2 * CHUNK_BYTES), broken("tag"))
        self.named("header of another object", [self.small[:24], one, two, three], LONG, broken("aead"))
        self.add("key of another object", self.small, 40, broken("aead"), key=self.source.draw(32))
        self.add("context of another envelope", self.small, 40, broken("aead"), ctx=self.source.draw(32))
        pieces = [(plaintext(CHUNK_BYTES), FINAL), (plaintext(CHUNK_BYTES), FINAL)]
        self.add("bytes behind the final tag", self.raw(pieces), 2 * CHUNK_BYTES - 1, broken("tag"))
        for name, tag in (("message", MESSAGE), ("push", PUSH), ("rekey", REKEY)):
            self.add(f"last chunk tagged as {name}", self.raw([(padded(40), tag)]), 40, broken("tag"))
        first = [(plaintext(CHUNK_BYTES), PUSH), (plaintext(CHUNK_BYTES - 1) + b"\x80", FINAL)]
        self.add("a chunk tagged as push", self.raw(first), 2 * CHUNK_BYTES - 1, broken("tag"))
        self.add("not padded", self.raw([(plaintext(256), FINAL)]), 40, broken("padding"))
        self.add("padded with something", self.raw([(padded(40)[:-1] + b"\1", FINAL)]), 40, broken("padding"))
        self.add("padded longer than need be", self.raw([(padded(40) + bytes(48), FINAL)]), 300, broken("padding"))

    def bytes_of_a_small_one(self) -> None:
        """Each byte altered, and named by the hash of what it then is."""
        for place in range(len(self.small)):
            raw = self.small[:place] + bytes([self.small[place] ^ 1 << place % 8]) + self.small[place + 1 :]
            parts = [["f0", 0, place], b64(raw[place : place + 1]), ["f0", place + 1, len(raw)]]
            self.add(f"byte {place} altered", raw, 40, broken("aead"), parts=parts)

    def references(self) -> None:
        """What stands in the envelope."""
        hash_ = object_hash([self.small], len(self.small))
        good = {"v": 1, "key": b64(self.key.key), "size": 40, "hash": hash_}

        def faulty(name: str, reason: str, raw: bytes) -> None:
            self.add(f"reference: {name}", self.small, 40, broken(reason), reference=raw)

        faulty("white space", "canon", canonical.dump(good) + b" ")
        faulty("a resource", "canon", b'{"resourceType":"Observation"}')
        for field in good:
            faulty(f"without {field}", "fields", canonical.dump({k: v for k, v in good.items() if k != field}))
        faulty("another field", "fields", canonical.dump(good | {"cty": "x"}))
        wrong = {"v": [2, "1"], "key": ["", b64(bytes(31))], "size": [0, "40"], "hash": ["", b64(bytes(16))]}
        for field, values in wrong.items():
            for value in values:
                faulty(f"{field} is {value!r}", "fields", canonical.dump(good | {field: value}))
        faulty("larger than an object may be", "limits", canonical.dump(good | {"size": MAX_OBJECT + 1}))
        faulty("as large as an object may be", "size", canonical.dump(good | {"size": MAX_OBJECT}))

    def cut(self, sealed: bytes) -> list[bytes]:
        """Header and chunks."""
        starts = range(STREAM_HEADER_BYTES, len(sealed), STEP)
        return [sealed[:STREAM_HEADER_BYTES], *(sealed[start : start + STEP] for start in starts)]

    def named(self, name: str, pieces: Sequence[bytes], size: int, expect: Any) -> None:
        """Pieces of the long one, put together otherwise."""
        raw = b"".join(pieces)
        assert len(raw) == sealed_size(size), name
        places = [next((n, whole.index(p)) for n, whole in self.pooled() if p in whole) for p in pieces]
        parts = [[n, at, at + len(piece)] for (n, at), piece in zip(places, pieces, strict=True)]
        self.add(name, raw, size, expect, parts=parts)

    def pooled(self) -> Iterator[tuple[str, bytes]]:
        """The two that others are cut from."""
        yield self.pool(self.small), self.small
        yield self.pool(self.long), self.long

    def raw(self, chunks: Sequence[tuple[bytes, int]]) -> bytes:
        """Chunks sealed with any tags."""
        state, header = primitives.begin_stream(self.key.key)
        push = bindings.crypto_secretstream_xchacha20poly1305_push
        return header + b"".join(push(state, chunk, self.key.ctx, tag) for chunk, tag in chunks)


def plaintext(size: int) -> bytes:
    """As the README of the vectors says."""
    return bytes(place % 251 for place in range(size))


def padded(size: int) -> bytes:
    """It, padded."""
    return primitives.pad(plaintext(size))


def _size(padded_size: int) -> int:
    """A size of plaintext that is padded to so many bytes."""
    return padded_size - 1


def vectors(source: Source) -> Made:
    """The file `object`."""
    made = Objects(source)
    assert [name for name, _ in made.pooled()] == ["f0", "f1"]
    made.opens()
    made.whole()
    made.chunks()
    made.bytes_of_a_small_one()
    made.references()
    return made.vectors, {"frames": made.pool.table}


def openings(source: Source) -> Made:
    """The file `opening-object`: an envelope that names an object, and what the reader got of it."""
    post, pool = Post(), Pool()
    readers = post.readers(pool)
    made: list[dict[str, Any]] = []
    lines = [observation(post.home, n, note=[{"text": "ü" * 300}]) for n in (3, 4)]
    odd = observation(post.home, 5, subject={"reference": "Patient/" + "b" * 28})

    def add(
        name: str, expect: Any = OK, *, of: Sequence[bytes] = lines, n: int = 0, given: str = "", **out: Any
    ) -> None:
        bid, size = b64(source.draw(16)), len(b"\n".join(of))
        letter = Letter(post, [], {"cty": envelope.OBJECT, "bid": bid, "n": n or len(of)})
        seq, _ = post.home.hub.last(post.author.account, post.author.device, post.stream(1)) or (0, "")
        about = {
            "suite": "HS1", "str": post.stream(1), "ep": post.state.current, "aut": post.author.account,
            "dev": post.author.device, "bid": bid if given != "context" else b64(bytes(16)), "seq": seq + 1,
        }  # fmt: skip
        key = ObjectKey(source.draw(32), context(post.home.me.account, about))
        sealed = b"".join(seal_object([b"\n".join(of)], size, key))
        hash_ = object_hash([sealed], len(sealed))
        reference = canonical.dump({"v": 1, "key": b64(key.key), "size": size, "hash": hash_})
        letter = letter.but(lines=[*of] if given == "lines" else [reference])
        if expect == OK:
            out = {"lines": [b64(line) for line in of], "quarantined": [], "missing": 0, "category": 1} | out
        vector = letter.vector(name, pool, expect, **out)
        if given == "altered":
            sealed = sealed[:-1] + bytes([sealed[-1] ^ 1])
        made.append(vector if given == "nothing" else vector | {"object": pool(sealed)})

    add("opens: two resources in an object")
    add("quarantined: one of two", of=[lines[0], odd], lines=[b64(lines[0])], quarantined=[b64(odd)])
    add("object: not to be had", stale("object"), given="nothing")
    add("object: altered", broken("hash"), given="altered")
    add("object: sealed for another envelope", broken("aead"), given="context")
    add("object: resources in place of its name", broken("canon"), given="lines")
    add("content: one resource less than told", broken("count"), n=3)
    add("content: not FHIR", broken("fhir"), of=[b"{}"])
    return made, {"frames": pool.table, "readers": readers}
