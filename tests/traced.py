"""Counts a program's calls of fsync and fdatasync, by ptrace: the kernel's own word, without a tool to be installed.

`PTRACE_GET_SYSCALL_INFO`: https://man7.org/linux/man-pages/man2/ptrace.2.html
"""

import ctypes
import os
import platform
import signal
from pathlib import Path

TRACEME, SYSCALL, SETOPTIONS, GET_SYSCALL_INFO = 0, 24, 0x4200, 0x420E
SYSGOOD, EXITKILL = 1, 0x100000
ENTRY = 1
SYNCS = {"x86_64": (74, 75), "aarch64": (82, 83)}
"""The numbers of fsync and fdatasync."""


class Info(ctypes.Structure):
    """struct ptrace_syscall_info, as far as it is read here."""

    _fields_ = (
        ("op", ctypes.c_uint8), ("pad", ctypes.c_uint8 * 3), ("arch", ctypes.c_uint32), ("ip", ctypes.c_uint64),
        ("sp", ctypes.c_uint64), ("number", ctypes.c_uint64), ("rest", ctypes.c_uint64 * 8),
    )  # fmt: skip


def syncs(words: list[str], output: Path) -> int:
    """Run a program of one thread to its end; how often it called fsync or fdatasync. Asserts that it ended well."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
    pid = os.fork()
    if pid == 0:
        try:
            for stream in (1, 2):
                os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
            libc.ptrace(TRACEME, 0, None, None)
            os.execv(words[0], words)
        finally:
            os._exit(127)
    os.waitpid(pid, 0)  # stops at exec
    assert libc.ptrace(SETOPTIONS, pid, None, SYSGOOD | EXITKILL) == 0, os.strerror(ctypes.get_errno())
    count, deliver, info = 0, 0, Info()
    while True:
        libc.ptrace(SYSCALL, pid, None, deliver)
        _, status = os.waitpid(pid, 0)
        if os.WIFEXITED(status) or os.WIFSIGNALED(status):
            assert os.waitstatus_to_exitcode(status) == 0, output.read_text()
            return count
        deliver = os.WSTOPSIG(status)
        if deliver == signal.SIGTRAP | 0x80:
            deliver = 0
            libc.ptrace(GET_SYSCALL_INFO, pid, ctypes.sizeof(info), ctypes.byref(info))
            count += info.op == ENTRY and info.number in SYNCS[platform.machine()]
