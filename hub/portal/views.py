"""Routes: the portal's one page, the page that opens links, and the files of both, at paths that hold their SHA-256."""

import gzip
from base64 import b64encode
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path

from flask import Blueprint, Response, render_template, request

from fhir_profiles.problems import Problem
from hub.context import hub
from hub.wire import answer

BUILT = Path(__file__).resolve().parents[1] / "static/portal"
SCRIPTS = ("portal.js", "qr_draw.js", "qr_read.js")
MEDIA = {
    **dict.fromkeys((*SCRIPTS, "link.js"), "text/javascript"), "portal.css": "text/css", "icon.svg": "image/svg+xml",
    "texts.de.json": "application/json", "texts.en.json": "application/json",
}  # fmt: skip
FOR_EVER = "public, max-age=31536000, immutable"

# The script may make one policy of Trusted Types, `obhut`, which lets it start itself as a worker and nothing else.
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; frame-src blob:; worker-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types obhut"
)

PERMISSIONS = "camera=(self), microphone=(), geolocation=(), display-capture=()"
"""The camera is for QR codes: https://www.w3.org/TR/permissions-policy/"""

# Who opens a link has no keys to unwrap: no WebAssembly, no worker, no policy of Trusted Types, no camera.
VIEWER_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "frame-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
VIEWER_PERMISSIONS = PERMISSIONS.replace("(self)", "()")

pages = Blueprint("portal", __name__, template_folder="templates")


@dataclass(frozen=True)
class File:
    """A built file as it is served."""

    name: str
    content: bytes = field(repr=False)
    zipped: bytes = field(repr=False)
    digest: bytes

    @property
    def path(self) -> str:
        """Where it is served: another content has another path, so that it may be kept for ever."""
        return f"/portal/{self.digest.hex()}/{self.name}"

    @property
    def integrity(self) -> str:
        """What the browser checks before it uses it: https://www.w3.org/TR/sri-2/"""
        return f"sha256-{b64encode(self.digest).decode()}"


@cache
def file(name: str) -> File:
    """A file of the bundle, read once."""
    content = (BUILT / name).read_bytes()
    return File(name, content, gzip.compress(content, mtime=0), sha256(content).digest())


@pages.get("/portal/")
def shell() -> Response:
    """The one page; which of its views is shown stands behind the # and never comes to the hub."""
    return _page("portal.js", POLICY, PERMISSIONS)


@pages.get("/link")
def viewer() -> Response:
    """Where somebody without an account opens a SMART Health Link; it stands behind the #, with its key."""
    return _page("link.js", VIEWER_POLICY, VIEWER_PERMISSIONS)


def _page(script: str, policy: str, permissions: str) -> Response:
    html = render_template(
        "portal.html", title=hub().config.title, language="de", script=file(script), style=file("portal.css"),
        icon=file("icon.svg"),
    )  # fmt: skip
    headers = {"Content-Security-Policy": policy, "Cross-Origin-Opener-Policy": "same-origin"}
    headers["Permissions-Policy"] = permissions
    return Response(html, content_type="text/html; charset=utf-8", headers=headers)


@pages.get("/portal/bundle.json")
def bundle() -> Response:
    """SHA-256 of each file of the bundle, to be compared with what the makers of this version published."""
    return answer({name: file(name).digest.hex() for name in MEDIA})


@pages.get("/portal/<digest>/<name>")
def built(digest: str, name: str) -> Response:
    """A file of the bundle. Its policy counts where the browser starts it as a worker."""
    if name not in MEDIA or digest != file(name).digest.hex():
        raise Problem("not-found", "This file is not of the version that runs here.")
    one, zips = file(name), request.accept_encodings.quality("gzip") > 0
    headers = {"Cache-Control": FOR_EVER, "Content-Security-Policy": POLICY, "Vary": "Accept-Encoding"}
    headers |= {"Content-Encoding": "gzip"} if zips else {}
    content_type = f"{MEDIA[name]}; charset=utf-8"
    return Response(one.zipped if zips else one.content, content_type=content_type, headers=headers)
