"""What a connector brings goes into the patient's outbox, and its marks into the ledger: both or neither."""

from pathlib import Path

from connectors.entries import Entry
from connectors.local_database import transaction
from connectors.patient.client import Client
from connectors.wearables.importer import Batch
from connectors.wearables.ledger import SqliteLedger
from consent.categories import INDEX
from consent.identifiers import account


class Intake:
    """A patient's account as an importer sees it: `patient` is her `Patient.id`, `ledger` what was taken before."""

    def __init__(self, directory: Path) -> None:
        self._client = Client.open(directory)
        self._client.sync()
        self.patient = account(self._client.account).local
        self.ledger = SqliteLedger(self._client.db)

    def put(self, batch: Batch) -> None:
        """Queue a batch, durably."""
        account, category = self._client.account, INDEX[batch.category]
        entry = Entry(account, category, batch.resources, batch.key, deletes=not batch.resources)
        with transaction(self._client.db):
            self._client.outbox.put([entry])
            self.ledger.add(batch.marks)

    def flush(self) -> None:
        """Seal and send what is queued, this import's and any before."""
        self._client.settle()
        self._client.flush()
