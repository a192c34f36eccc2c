"""Vectors about all chains of a patient: deposits, joint rules, and what is owed."""

import json
from dataclasses import dataclass, field
from typing import Any

from consent.grants import Record
from consent.vault import Vault
from tests.vectors.making import OK, Pool


@dataclass
class Records:
    """The vectors of a file, and the records and vaults that they share by name."""

    pool: Pool = field(default_factory=Pool)
    records: dict[str, Any] = field(default_factory=dict)
    vaults: dict[str, Any] = field(default_factory=dict)
    vectors: list[dict[str, Any]] = field(default_factory=list)

    def record(self, record: Record) -> str:
        """The name under which a record is written; the same record has one name."""
        value = {
            "acc": record.account.acc, "account": self.pool.all(record.account.frames),
            "accounts": {
                acc: self.pool.all(state.frames) for acc, state in record.accounts.items() if acc != record.account.acc
            },
            "sets": {set_id: self.pool.all(state.frames) for set_id, state in record.sets.items()},
            "relations": {oth: self.pool.all(state.frames) for oth, state in record.relations.items()},
        }  # fmt: skip
        return _named(self.records, value, "r")

    def vault(self, vault: Vault) -> str:
        """As `record`."""
        return _named(self.vaults, json.loads(vault.dump()), "v")

    def add(self, name: str, expect: Any = OK, **more: Any) -> None:
        """One vector."""
        self.vectors.append({"name": name, **more, "expect": expect})

    @property
    def made(self) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Vectors and what stands beside them."""
        shared = {"frames": self.pool.table, "records": self.records, "vaults": self.vaults}
        return self.vectors, {name: value for name, value in shared.items() if value}


def _named(table: dict[str, Any], value: Any, letter: str) -> str:
    for name, known in table.items():
        if json.dumps(known) == json.dumps(value):
            return name
    name = f"{letter}{len(table)}"
    table[name] = value
    return name
