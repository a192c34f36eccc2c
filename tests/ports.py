"""Ports for programs that tests start. A program needs a while until it takes what was free: it is kept till then."""

import os
import socket
from collections import deque
from itertools import cycle, islice

STEP = 200
BASES = range(10_000, 32_000, STEP)
"""Below the ports that the system gives to clients."""
KEEPER = STEP - 1
"""Behind a base, where no program listens: who holds this port holds those from the base on, on the whole machine."""

# Other runs of the tests on this machine do the same, and begin elsewhere.
_bases = islice(cycle(BASES), os.getpid() % len(BASES), None)
_kept: deque[socket.socket] = deque()
_KEPT_AT_MOST = 8


def free_port(*offsets: int) -> int:
    """A port that is free, and so are the ones at these offsets behind it."""
    if len(_kept) == _KEPT_AT_MOST:
        _kept.popleft().close()
    for base in islice(_bases, len(BASES)):
        keeper = socket.socket()
        try:
            keeper.bind(("127.0.0.1", base + KEEPER))
            for offset in (0, *offsets):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", base + offset))
        except OSError:
            keeper.close()
            continue
        _kept.append(keeper)
        return base
    raise AssertionError("no free ports")
