"""Key material of a set: 32 streams, one in use and one stand-in for each category (PROTOCOL.md 2.3).

Everything follows from `set_key` and, for each epoch, an independent `master`. Only the patient's vault has them.
"""

from dataclasses import dataclass
from functools import cached_property

from consent.categories import NAMES
from consent.keys import BoxKey
from consent.primitives import b64, label_hash
from consent.statements import STREAMS
from consent.streams import epoch_digest

CATEGORIES = len(NAMES)
IN_USE, STAND_IN = 0, 1


@dataclass(frozen=True, repr=False)
class SetKey:
    """What names the streams of a set and orders them."""

    secret: bytes

    def __repr__(self) -> str:
        return "<SetKey>"

    @cached_property
    def ids(self) -> list[str]:
        """The 32 stream ids by index."""
        return [b64(label_hash("obhut-stream-id", i, key=self.secret)[:16]) for i in range(STREAMS)]

    @cached_property
    def order(self) -> list[tuple[int, int]]:
        """Index → (category, lane); lane 0 is in use, lane 1 its stand-in."""
        pairs = [(category, lane) for category in range(CATEGORIES) for lane in (IN_USE, STAND_IN)]
        return sorted(pairs, key=lambda pair: label_hash("obhut-order", *pair, key=self.secret))

    def index(self, category: int, lane: int = IN_USE) -> int:
        """The index of a category's stream."""
        return self.order.index((category, lane))

    def indices(self, granted: frozenset[int]) -> list[int]:
        """One index a category, in the order of categories: in use where granted, the stand-in where withheld."""
        return [self.index(c, IN_USE if c in granted else STAND_IN) for c in range(CATEGORIES)]

    def mask(self, granted: frozenset[int]) -> int:
        """The 16 of 32 bits of a grant of these categories."""
        return sum(1 << index for index in self.indices(granted))

    def granted(self, mask: int) -> frozenset[int]:
        """The categories that a mask grants: whoever made it, and whatever the vault says of its terms."""
        return frozenset(c for c in range(CATEGORIES) if mask >> self.index(c) & 1)


@dataclass(frozen=True, repr=False)
class Master:
    """The seeds of one epoch of a set."""

    secret: bytes

    def __repr__(self) -> str:
        return "<Master>"

    def seed(self, index: int) -> bytes:
        """The seed of the stream at `index`: an X25519 secret key."""
        return label_hash("obhut-stream-seed", index, key=self.secret)

    @cached_property
    def publics(self) -> list[bytes]:
        """The 32 public keys by index."""
        return [BoxKey(self.seed(i)).public for i in range(STREAMS)]

    def digest(self, set_id: str, epoch: int) -> bytes:
        """`ed` of the epoch that this master makes."""
        return epoch_digest(set_id, epoch, self.publics)
