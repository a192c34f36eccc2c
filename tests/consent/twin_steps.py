"""A patient's client whose steps are written by the portal's twin, each compared with what Python would write."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from consent import guardians, hidden, lockout, owed, preview, rules, steps, told, who, words
from consent.chains import Chain
from consent.grants import Record
from consent.identifiers import new_id
from consent.preview import Entry, Preview
from consent.primitives import Rejected, b64, unb64
from consent.relations import RelationState
from consent.statements import parse
from consent.steps import Signer, Written
from consent.vault import Terms, Vault, Word
from tests.consent.twin import Twin
from tests.consent.verdicts import step_value

SEALED = {"key", "lst"}
"""What of a statement follows from the bundle's own key, which is random."""


class TwinSteps:
    """`steps` and `next_step` of a `Client`: the functions of `consent.steps`, written by Node.js.

    The twin keeps the patient's chains under a name and is sent only the links that are new.
    """

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._home = new_id()
        self._told: dict[tuple[str, str], int] = {}
        self._vault: Vault | None = None

    def next_step(self, record: Record, vault: Vault, now: int) -> owed.Step | None:
        """The next step, the same to both."""
        self._tell(record, vault)
        mine = owed.owed(record, vault, now)
        assert self._twin.make("owed", home=self._home, now=now) == step_value(mine)
        return mine

    def owed_after(self, record: Record, vault: Vault, ended: list[tuple[str, str, int]]) -> owed.Prepare | None:
        """What is owed when emergencies are over, the same to both."""
        self._tell(record, vault)
        mine = owed.owed_after(record, vault, ended)
        assert self._twin.make("owed_after", home=self._home, ended=ended) == step_value(mine)
        return mine

    def perform(self, record: Record, vault: Vault, step: owed.Step, signer: Signer, now: int) -> Written | Vault:
        """What a step writes."""
        made = self._write(record, vault, "perform", signer, now, step=step_value(step))
        mine = steps.perform(record, vault, step, signer, now)
        if isinstance(mine, Vault):
            return _same_vault(mine, Vault.load(unb64(made["vault"])))
        return _same(mine, made)

    def prepare(self, record: Record, vault: Vault, set_ids: Iterable[str], now: int) -> Vault:
        """The vault with candidates."""
        made = self._write(record, vault, "prepare", None, now, sets=list(set_ids))
        return _same_vault(steps.prepare(record, vault, list(set_ids), now), Vault.load(unb64(made["vault"])))

    def new_sets(self, vault: Vault, count: int = steps.BLOCK) -> Vault:
        """The vault with fresh sets."""
        made = self._twin.make("new_sets", vault=b64(vault.dump()), count=count)
        found = Vault.load(unb64(made))
        assert len(found.sets) == len(vault.sets) + count
        for set_id in found.sets.keys() - vault.sets.keys():
            candidate = found.candidates[set_id]
            assert (candidate.epoch, candidate.account_seq, candidate.iat) == (1, 0, 0)
            assert found.master(set_id, 1, candidate.master.digest(set_id, 1)) == candidate.master
        return found

    def open_relation(self, record: Record, oth: str, met: str, signer: Signer, now: int) -> Written:
        """The first link with a counterpart."""
        made = self._write(record, None, "open", signer, now, oth=oth, met=met)
        return _same(steps.open_relation(record, oth, met, signer, now), made)

    def permit(self, record: Record, oth: str, set_id: str, signer: Signer, now: int) -> Written:
        """A permit."""
        made = self._write(record, None, "permit", signer, now, oth=oth, set=set_id)
        return _same(steps.permit(record, oth, set_id, signer, now), made)

    def unpermit(self, record: Record, oth: str, set_id: str, signer: Signer, now: int) -> Written:
        """The end of a permit."""
        made = self._write(record, None, "unpermit", signer, now, oth=oth, set=set_id)
        return _same(steps.unpermit(record, oth, set_id, signer, now), made)

    def end(self, record: Record, oth: str, gid: str, signer: Signer, now: int) -> Written:
        """The end of a grant."""
        made = self._write(record, None, "end", signer, now, oth=oth, gid=gid)
        return _same(steps.end(record, oth, gid, signer, now), made)

    def grant(self, record: Record, vault: Vault, gid: str, terms: Terms, signer: Signer, now: int) -> Written:
        """A grant by terms that the vault holds."""
        assert vault.terms[gid] == terms
        made = self._write(record, vault, "grant", signer, now, gid=gid)
        return _same(steps.grant(record, vault, gid, terms, signer, now), made)

    def own_grant(
        self, record: Record, vault: Vault, gid: str, set_id: str, terms: Terms, signer: Signer, now: int
    ) -> Written:
        """An author's grant of its own set."""
        assert vault.terms[gid] == terms
        made = self._write(record, vault, "own_grant", signer, now, gid=gid, set=set_id)
        return _same(steps.own_grant(record, vault, gid, set_id, terms, signer, now), made)

    def hand_on(
        self, record: Record, vault: Vault, own: str, oth: str, seeds: dict[tuple[str, int, int], bytes],
        category_of: Callable[[str, int], int | None], signer: Signer, now: int
    ) -> Written:  # fmt: skip
        """A grant by a delegate, of all that the grant `own` gave it, by the same terms."""
        cover, gid = record.relations[vault.terms[own].oth].grants[own].cover, new_id()

        def held(set_id: str, epoch: int, mask: int) -> list[tuple[int, bytes]]:
            indices = [i for s, e, i in seeds if (s, e) == (set_id, epoch) and mask >> i & 1]
            return [(i, seeds[set_id, epoch, i]) for i in sorted(indices, key=lambda i: category_of(set_id, i) or 0)]

        packed = {
            f"{set_id} {epoch.number} {mask}": [[i, b64(seed)] for i, seed in held(set_id, epoch.number, mask)]
            for set_id, (_, mask) in cover.items() for epoch in record.sets[set_id].epochs
        }  # fmt: skip
        rows = [[set_id, *place] for set_id, place in cover.items()]
        made = self._write(record, vault, "hand_on", signer, now, gid=gid, like=own, oth=oth, cover=rows, seeds=packed)
        terms = replace(vault.terms[own], oth=oth)
        return _same(steps.hand_on(record, held, gid, terms, dict(cover), signer, now), made)

    def hide(self, record: Record, vault: Vault, signer: Signer, now: int) -> Vault | Written | None:
        """What is still to be written so that each grant hides what is hidden."""
        made = self._write(record, vault, "hide", signer, now)
        found = self._twin.make("hidden", home=self._home, now=now)
        assert found == [hidden.unreached(record, vault, now), hidden.assumed(record, vault, now)]
        mine = hidden.amend(record, vault, signer, now)
        if mine is None:
            assert made is None
            return None
        if isinstance(mine, Written):
            return _same(mine, made)
        theirs = Vault.load(unb64(made["vault"]))
        assert _unsalted(theirs) == _unsalted(mine)
        return theirs

    def joined(self, record: Record, vault: Vault, signer: Signer, now: int) -> Vault | Written | None:
        """What is still to be written of what guardians decided, and what one holds back of it."""
        made = self._write(record, vault, "join", signer, now)
        held_back = guardians.held_back(record, vault, now)
        held = [[one.oth, one.by, sorted(one.categories), one.refuses] for one in held_back]
        acting = sorted(guardians.guardians(record, vault, now))
        found = self._twin.make("guardians", home=self._home, now=now)
        assert found == [acting, held], (found, acting, held)
        mine = guardians.amend(record, vault, signer, now)
        if mine is None or made is None:
            assert made is mine
            return None
        if isinstance(mine, Written):
            return _same(mine, made)
        theirs = Vault.load(unb64(made["vault"]))
        assert _unsalted(theirs) == _unsalted(mine)
        return theirs

    def together(self, words: Mapping[str, Word], live: Collection[str], now: int) -> None:
        """What counts of what guardians said, and what that permits."""
        known = Vault().with_words("x", words)
        counted = guardians.counted(words, live)
        found = guardians.together(counted.values(), now)
        plain = {"vault": b64(known.dump()), "live": sorted(live), "now": now}
        theirs = self._twin.make("together", **plain)
        kept = Vault().with_terms("x", found).dump() if found else None
        assert theirs == [list(counted), kept and json.loads(kept)["terms"]["x"]]

    def lockout(self, record: Record, vault: Vault, shared: list[str], now: int) -> list[Any]:
        """Whether the key must change, who keeps it, and which grants go with who does not."""
        self._tell(record, vault)
        left = [[name, grant.gid] for name, grant in lockout.left_behind(record, vault, shared, now)]
        mine = [lockout.must_change(record, shared, now), lockout.holders(record, shared, now), left]
        assert self._twin.make("lockout", home=self._home, shared=shared, now=now) == mine
        made = self._write(record, vault, "fresh", None, now)
        _same_vault(lockout.fresh(record, vault, now), Vault.load(unb64(made["vault"])))
        return mine

    def told(self, record: Record, vault: Vault, at: int) -> list[who.Access]:
        """Who can see what, and the same in sentences."""
        self._tell(record, vault)
        mine = who.who(record, vault, at)
        assert self._twin.make("who", home=self._home, at=at) == [_access(one) for one in mine]
        for language in words.LANGUAGES:
            for patient in ("", record.account.acc):
                asked = {"home": self._home, "at": at, "language": language, "patient": patient}
                assert self._twin.make("told", **asked) == told.lines(mine, language, patient)
        assert self._twin.make("latest", home=self._home) == who.latest(record)
        return mine

    def stretches(self, record: Record, relation: RelationState) -> list[who.Stretch]:
        """What was granted to one counterpart, in time."""
        self._tell(record, None)
        mine = who.stretches(record, relation)
        plain = [[s.oth, s.gid, s.start, s.stop, s.ended, s.own, s.rules.hash] for s in mine]
        assert self._twin.make("stretches", home=self._home, oth=relation.oth) == plain
        return mine

    def preview(self, record: Record, oth: str, at: int, entries: list[Entry], language: str, **change: Any) -> Preview:
        """What would be seen after a change, in numbers and in words."""
        live = [one for one in self.stretches(record, record.relations[oth]) if one.holds(at)]
        if "gids" in change:
            mine = preview.withdrawing(entries, live, oth, change["gids"], change["effect"])
        else:
            mine = preview.granting(entries, live, oth, change["categories"], change["whole"])
        asked = {"home": self._home, "oth": oth, "at": at, "language": language, **change}
        plain = [asdict(one) | {"withheld": sorted(one.withheld)} for one in entries]
        assert self._twin.make("preview", entries=plain, **asked) == [mine.plain(), preview.lines(mine, language)]
        return mine

    def receipt(self, record: Record, vault: Vault, oth: str, gid: str, kept: str) -> bytes:
        """The receipt of a grant by the terms that the vault keeps under a name."""
        self._tell(record, vault)
        return unb64(self._twin.make("receipt_of", home=self._home, oth=oth, gid=gid, kept=kept))

    def admit(self, record: Record, raw: bytes, blob: bytes | None, now: int) -> Record:
        """The joint rules, by the same verdict."""
        self._tell(record, None)
        asked = {"home": self._home, "raw": b64(raw), "blob": blob and b64(blob), "now": now}
        (theirs,) = self._twin.ask([("admit", asked)])
        refused: Rejected | None = None
        try:
            after = rules.admit(record, raw, blob, now)
        except Rejected as error:
            refused = error
        if refused is not None:
            assert theirs == {"kind": refused.kind, "reason": refused.reason}
            raise refused
        assert theirs == {"ok": [len(after.account.links), len(after.sets), len(after.relations)]}
        return after

    def _write(
        self, record: Record, vault: Vault | None, what: str, signer: Signer | None, now: int, **arguments: Any
    ) -> dict[str, str]:
        self._tell(record, vault)
        by = signer and {"account": signer.account, "device": signer.device, "seed": b64(bytes(signer.key))}
        return self._twin.make("write", home=self._home, does=what, signer=by, now=now, **arguments)

    def _tell(self, record: Record, vault: Vault | None) -> None:
        """Send what the twin does not know yet of chains and vault; other accounts first, because some cite them."""
        others = [("acct", acc, state) for acc, state in record.accounts.items() if acc != record.account.acc]
        chains = [
            *others, ("acct", record.account.acc, record.account),
            *(("set", oth, state) for oth, state in record.sets.items()),
            *(("rel", oth, state) for oth, state in record.relations.items()),
        ]  # fmt: skip
        fresh = [[kind, oth, self._fresh(kind, oth, state)] for kind, oth, state in chains]
        questions: list[Any] = []
        if any(frames for _, _, frames in fresh):
            questions.append(("home", {"home": self._home, "acc": record.account.acc, "chains": fresh}))
        if vault is not None and vault is not self._vault:
            self._vault = vault
            questions.append(("vault", {"home": self._home, "vault": b64(vault.dump())}))
        if questions:
            assert self._twin.ask(questions) == [{"ok": None}] * len(questions)

    def _fresh(self, kind: str, oth: str, state: Chain) -> list[str]:
        told = self._told.get((kind, oth), 0)
        self._told[kind, oth] = len(state.links)
        return [b64(link.frame.raw) for link in state.links[told:]]


def _same(mine: Written, made: dict[str, str]) -> Written:
    """The twin's statement: the bytes that Python signs, or the same words about a bundle of the same length."""
    theirs = Written(unb64(made["frame"]), unb64(made["blob"]) if made["blob"] else None)
    assert theirs == mine if mine.blob is None else _words(theirs) == _words(mine)
    assert len(theirs.blob or b"") == len(mine.blob or b"")
    return theirs


def _words(written: Written) -> dict[str, Any]:
    """A statement but for what is random in it."""
    said = dict(parse(written.frame).frame.header)
    said["body"] = {name: value for name, value in said["body"].items() if name not in SEALED}
    return said


def _same_vault(mine: Vault, theirs: Vault) -> Vault:
    """The twin's vault: the same as Python's, but for the masters that are fresh."""
    assert [(s, c.epoch, c.account_seq, c.iat) for s, c in theirs.candidates.items()] == [
        (s, c.epoch, c.account_seq, c.iat) for s, c in mine.candidates.items()
    ]
    assert [where[:2] for where in theirs.masters] == [where[:2] for where in mine.masters]
    assert (theirs.sets, theirs.terms) == (mine.sets, mine.terms)
    return theirs


def _unsalted(vault: Vault) -> Any:
    """A vault's terms without the salts that are fresh: under a grant's id."""
    return {
        name: replace(terms, salt=b"", consent=b"") if len(name) == 22 else terms for name, terms in vault.terms.items()
    }, [json.loads(terms.consent or b"null") for terms in vault.terms.values()]  # fmt: skip


def _access(one: who.Access) -> dict[str, Any]:
    return asdict(one) | {"purposes": list(one.purposes)}
