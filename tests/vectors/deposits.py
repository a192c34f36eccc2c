"""Vectors of the deposit check: each refusal, and their order."""

from dataclasses import replace
from typing import Any

from consent import envelope, steps, streams
from consent.grants import Record
from consent.keys import SigningKey
from tests.consent.world import START, Client, Identity, organisation
from tests.vectors.chains import OTHER_HASH, OTHER_ID, resigned
from tests.vectors.joint import branch
from tests.vectors.making import OK, Source, broken
from tests.vectors.post import GRACE, Letter, Post, observation
from tests.vectors.records import Records


class Deposits:
    """Makes the file `deposit`."""

    def __init__(self) -> None:
        self.post = Post()
        self.file = Records()
        self.post.home.now = START + 200

    def letter(self, **fields: Any) -> Letter:
        """What the author would send next."""
        return Letter(self.post, [observation(self.post.home, 3)], **({"header": {}} | fields))

    def add(
        self, name: str, letter: Letter, expect: Any = OK, now: int = START + 200, home: Client | None = None,
        caller: Identity | None = None, record: Record | None = None,
    ) -> None:  # fmt: skip
        """One vector. `last`: the last envelope of this device in this stream."""
        hub = (home or self.post.home).hub
        raw = letter.frame()
        seen = envelope.parse(raw)
        last = hub.last(seen.aut, seen.dev, seen.str)
        place = {}
        if expect == OK:
            place = {"place": [self.post.set, self.post.state.ids[seen.str], seen.ep]}
        self.file.add(
            name, expect, record=self.file.record(record or hub.record), caller=(caller or self.post.author).account,
            frame=self.file.pool(raw), last=None if last is None else list(last), now=now, **place,
        )  # fmt: skip

    def make(self) -> None:
        """All vectors."""
        post, letter = self.post, self.letter
        old = {"header": {"ep": 1}}
        self.add("next of the sequence", letter())
        self.add("first of a writer", letter(author=post.devices["writer"]))
        self.add("first of a client", letter(author=post.devices["client"]))
        self.add("first into a stand-in", letter(header={"str": self._stand_in(), "seq": 1, "prev": ""}))
        self.add("the epoch before, last second of its grace", letter(**old), now=START + 100 + GRACE - 1)
        self.add("the epoch before, grace over", letter(**old), broken("stale-epoch"), START + 100 + GRACE)
        self.add("an epoch to come", letter(header={"ep": 3}), broken("stale-epoch"))
        self.add("stream unknown", letter(header={"str": OTHER_ID}), broken("unknown"))
        self.add("the caller is not the author", letter(), broken("unknown"), caller=post.reader)
        foreign = letter(header={"aut": post.reader.account, "dev": post.reader.device}, key=post.reader.sign)
        self.add("author without a permit", foreign, broken("no-permit"), caller=post.reader)
        self.add("device unknown", letter(header={"dev": "d" + "z" * 16}), broken("device"))
        self.add("device removed", letter(author=post.gone), broken("device"))
        self.add("device of role service", letter(author=post.devices["service"]), broken("device"))
        self.add("signed by another device", letter(key=post.late.sign), broken("signature"))
        self.add("number left out", letter(header={"seq": 4, "prev": OTHER_HASH}), broken("gap"))
        self.add("number again", letter(header={"seq": 2, "prev": OTHER_HASH}), broken("gap"))
        self.add("another envelope before", letter(header={"prev": OTHER_HASH}), broken("gap"))
        self.add("first, but there are others", letter(header={"seq": 1, "prev": ""}), broken("gap"))
        second = {"seq": 2, "prev": OTHER_HASH}
        self.add("second, but there is no first", letter(author=post.late, header=second), broken("gap"))
        self._ended()
        self._orders()

    def _stand_in(self) -> str:
        key = self.post.home.vault.sets[self.post.set]
        return key.ids[key.index(1, 1)]

    def _ended(self) -> None:
        post = self.post
        home, me = branch(post.home), post.home.me
        home.post(steps.unpermit(home.hub.record, post.author.account, post.set, me.signer, home.now))
        self.add("permit ended", self.letter(), broken("no-permit"), home=home)
        shut = branch(post.home)
        shut.post(steps.close_set(shut.hub.record, post.set, me.signer, shut.now))
        self.add("set closed", self.letter(), broken("no-permit"), home=shut)
        gone = branch(post.home)
        gone.post(gone.account("close", {}))
        self.add("account closed", self.letter(), broken("no-permit"), home=gone)
        record = post.home.hub.record
        chain = [post.state.frames[0], resigned(post.state.frames[1], me.sign, lambda h: h["body"].update(suite="HS2"))]
        high = replace(
            record, sets={**record.sets, post.set: streams.replay(chain, me.account, post.set, record.accounts)}
        )
        self.add("suite below what the chain demands", self.letter(), broken("suite"), record=high)

    def _orders(self) -> None:
        post, letter = self.post, self.letter
        other = SigningKey(bytes(32))
        stranger = organisation("fremd")
        post.home.hub.know(stranger)
        self.add(
            "two faults: unknown stream + unknown device",
            letter(header={"str": OTHER_ID, "dev": "d" + "z" * 16}),
            broken("unknown"),
        )
        none = letter(header={"aut": stranger.account, "ep": 3})
        self.add("two faults: no permit + epoch", none, broken("no-permit"), caller=stranger)
        self.add("two faults: device + signature", letter(author=post.gone, key=other), broken("device"))
        self.add("two faults: signature + epoch", letter(key=other, header={"ep": 3}), broken("signature"))
        self.add("two faults: epoch + gap", letter(header={"ep": 3, "prev": OTHER_HASH}), broken("stale-epoch"))
        self.add("two faults: signature + gap", letter(key=other, header={"prev": OTHER_HASH}), broken("signature"))


def vectors(_: Source) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The file `deposit`."""
    made = Deposits()
    made.make()
    return made.file.made
