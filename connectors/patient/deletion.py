"""What she wrote herself and takes back: it goes at all who read it, with their next page."""

import re

from connectors.entries import Entry
from connectors.local_database import transaction
from connectors.patient.reading import Reading
from consent.sealing import handle
from fhir_profiles.problems import Problem

_NAME = re.compile(r"[A-Z][A-Za-z]*/[A-Za-z0-9.-]{1,64}")


def delete(reading: Reading, name: str) -> None:
    """Take back a resource of her own, `Type/id`. Raises `Problem`.

    What came with others under one handle (an import) first stands alone under its own, so that only it goes. Both
    are queued in one transaction, and with them the ledger is told, so that this device's next import leaves it out.
    """
    # By then `reading` has loaded what a ledger needs; most commands do without.
    from connectors.wearables import ledger  # noqa: PLC0415

    if not _NAME.fullmatch(name):
        raise Problem("invalid", "say which one, as Type/id: obhut patient read lists them")
    client = reading.client
    (found,) = reading.read(name)
    if found.author != client.account:
        raise Problem("forbidden", f"{name} was written by {found.author}: only its author can take it back")
    category = reading.category_of(found)
    to = client.destination(client.account, category)
    if to.stream != found.stream:
        raise Problem("conflict", f"{name} lies in a set that is closed: it cannot be taken back any more")
    entries = [Entry(client.account, category, [], name, deletes=True)]
    if found.handle != handle(to.stream, name, client.keyring.handle_key):
        entries.insert(0, Entry(client.account, category, [found.body], name))
    with transaction(client.db):
        client.outbox.put(entries)
        ledger.SqliteLedger(client.db).add(ledger.deletions(found.id, found.body))
    client.flush()
