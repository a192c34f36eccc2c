"""A desk acts for a patient without a device: her account is here for one visit, and on paper afterwards.

The code of her sheet is kept in the directory before the account has it, until it is printed. One request ends the
visit at the hub; a file `ended` is there before anything is removed. So whatever is cut off, the same command goes on.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from connectors.keyring import FILE, write_private
from connectors.patient import enrolment, receipt_pdf, sheet_pdf
from connectors.patient.client import Client
from connectors.patient.receipt import receipt
from connectors.patient.sharing import visited
from consent import receipts
from consent.keys import RecoveryCode
from consent.primitives import unb64
from consent.statements import Statement
from fhir_profiles.problems import Problem

VISIT, ENDED, PAPERS = "visit.json", "ended", "papers"
_BEGUN = ("enrolment.json", "arrival.json")
_BLOCK = 1 << 20


def visit(
    directory: Path, hub_url: str, desk: str, *, fingerprint: str = "", account: str = "",
    code: RecoveryCode | None = None, clock: Callable[[], float] = time.time,
) -> Client:  # fmt: skip
    """Open a new account for this visit or, with `account` and the `code` of her sheet, the one that she has.

    `desk`: the account of the organisation whose desk it is; the vault says that this device was there. Running it
    again finishes what was begun. Raises `Problem`: `conflict` for a directory that holds something else.
    """
    if (directory / ENDED).exists():
        raise Problem("conflict", f"the visit in {directory} has ended: obhut desk end removes what is left of it")
    sheet = _sheet(directory, account)
    if is_open(directory):
        client = Client.open(directory, clock)
        client.sync()
    elif not account:
        client, _ = enrolment.enrol(directory, hub_url, clock, sheet)
    elif code:
        client, _ = enrolment.recover(directory, hub_url, account, code, clock, sheet)
    else:
        raise Problem("invalid", "to open her account takes the code of her sheet")
    if visited(client) not in ("", desk):
        raise Problem("conflict", f"this is a visit at the desk of {visited(client)}")
    _check_desk(client, desk, fingerprint)
    if not visited(client):
        client.anew(lambda: client.save_vault(client.vault.with_desk(client.keyring.device, desk)))
    return client


def is_open(directory: Path) -> bool:
    """Whether the account is in the directory, with nothing of its coming there left to do."""
    return (directory / FILE).exists() and not any((directory / name).exists() for name in _BEGUN)


def papers(directory: Path, client: Client, language: str) -> list[Path]:
    """Write PDFs into the directory: the sheet, and a receipt of each grant that was signed or ended in this visit."""
    finish(client)
    folder = directory / PAPERS
    folder.mkdir(exist_ok=True, mode=0o700)
    made = []
    for name, gid in _due(client).items():
        made.append(folder / name)
        if gid:
            content = receipt_pdf.paper(receipts.verify(receipt(client, gid)), language)
        else:
            content = sheet_pdf.sheet(client.account, _kept_code(directory), language)
        write_private(made[-1], content)
    return made


def end(directory: Path, clock: Callable[[], float] = time.time) -> None:
    """End a visit whose papers are in her hands: the desk's device leaves the account, and the directory is wiped.

    Raises `Problem`: `conflict` while a paper is to be printed, `not-found` where no visit is.
    """
    if not (directory / ENDED).exists():
        code = _kept_code(directory)
        if not is_open(directory):
            raise Problem("conflict", "this visit has not begun to the end: obhut desk visit goes on with it")
        with closing(Client.open(directory, clock)) as client:
            if not has_left(client):
                finish(client)
                if any(not (directory / PAPERS / name).exists() for name in _due(client)):
                    raise Problem(
                        "conflict", "there are papers that were not printed: obhut desk end without --printed"
                    )
                client.anew(lambda: enrolment.leave(client, code))
        write_private(directory / ENDED, b"")
    wipe(directory)


def has_left(client: Client) -> bool:
    """Whether the hub does not know this device any more: the visit was ended, or her sheet was used elsewhere.

    What a power cut left unsent is sent first.
    """
    try:
        client.resume()
        client.chains.refresh("acct", client.account)
    except Problem as problem:
        if problem.code != "unauthenticated":
            raise
        return True
    return False


def finish(client: Client) -> None:
    """Do what is owed, and bring to the hub what waits. Raises `Problem(busy)` where something is left."""
    client.sync()
    client.settle()
    client.flush()
    if client.outbox.waiting:
        raise Problem("busy", "the hub has not taken everything yet: say it again in a while")


def wipe(directory: Path) -> None:
    """Overwrite and remove all files, keys first, then the directory. A drive may keep old blocks: encrypt it."""
    files = sorted((one for one in directory.rglob("*") if one.is_file() and one.name != ENDED), key=_keys_last)
    for path in reversed(files):
        with path.open("r+b") as file:
            left = path.stat().st_size
            while left > 0:
                left -= file.write(bytes(min(left, _BLOCK)))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
    for folder in sorted((one for one in directory.rglob("*") if one.is_dir()), reverse=True):
        folder.rmdir()
    (directory / ENDED).unlink()
    directory.rmdir()


def _check_desk(client: Client, desk: str, fingerprint: str) -> None:
    try:
        state = client.chains.account(desk, fingerprint)
    except Problem as problem:
        if problem.code != "not-found":
            raise
        raise Problem(
            "not-found", f"the hub knows no organisation {desk}: say it again with the desk's account"
        ) from None
    if state.cls == "person":
        raise Problem("value", "a desk is an organisation's: say it again with that account")


def _keys_last(path: Path) -> tuple[bool, bool, str]:
    return (path.name == FILE, path.name == VISIT, str(path))


def _sheet(directory: Path, account: str) -> RecoveryCode:
    """The code that the sheet of this visit will have; made and kept before anything else."""
    kept = directory / VISIT
    if not kept.exists():
        if directory.exists() and any(directory.iterdir()):
            raise Problem("conflict", f"there is something else in {directory}: choose an empty directory")
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(kept, json.dumps({"account": account, "code": str(RecoveryCode.generate())}).encode())
    if json.loads(kept.read_bytes())["account"] != account:
        raise Problem("conflict", f"in {directory} another visit was begun: end it, or choose another directory")
    return _kept_code(directory)


def _kept_code(directory: Path) -> RecoveryCode:
    try:
        return RecoveryCode.parse(json.loads((directory / VISIT).read_bytes())["code"])
    except FileNotFoundError:
        raise Problem("not-found", f"there is no visit in {directory}: it has ended, or never began") from None


def _due(client: Client) -> dict[str, str]:
    """Name → grant id of the papers: the sheet, without one, and a receipt of each grant, by what was done last."""
    receipts_of = {str(link.body["gid"]): link.seq for link in _signed(client)}
    names = {f"receipt-{unb64(gid, 16).hex()}-{seq}.pdf": gid for gid, seq in receipts_of.items()}
    return {f"sheet-{client.keyring.device}.pdf": "", **names}


def _signed(client: Client) -> Iterator[Statement]:
    """Consents given, changed or withdrawn by this device; what only hands out further keys is none."""
    terms = client.vault.terms
    for _, relation in sorted(client.record.relations.items()):
        named: dict[str, str] = {}
        for link in relation.links:
            if link.typ in ("grant", "end") and (gid := link.body["gid"]) in terms and terms[gid].consent:
                changed = named.get(gid) != link.body.get("consent")
                named[gid] = link.body.get("consent", "")
                if changed and link.by == client.keyring.signer.by:
                    yield link
