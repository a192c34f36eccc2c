"""Confirmation: for 15 minutes the home hub's signed word holds that the chains held here are all there is (5.8).

Asked for each patient whose streams may be shown, again after a minute, a few questions at a time. A confirmation
counts from the moment of asking, by the own clock; nobody in between can lengthen it, and silence confirms nothing.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from connectors.chain_store import ChainName, ChainStore
from connectors.gateway.keystore import Keystore
from connectors.gateway.store import Store
from connectors.hub_keys import HubKeys
from consent import heads, identifiers
from consent.identifiers import new_id
from consent.primitives import Rejected, broken
from consent.statements import Position, chain_id
from fhir_profiles.problems import Problem

CONFIRMED_SECONDS = 900
"""So long a confirmation counts; then nothing is answered from the patient's streams."""
AGAIN_SECONDS = 60
"""After this a patient who was confirmed is asked for again."""
RETRY_SECONDS = 15
"""After this one who was not."""
TURN_SECONDS = 5
"""About so often `turn` is called: what is due in a minute is spread over the turns."""
LEAST_QUESTIONS = 4
"""So many questions a turn may ask, however few patients there are; more where they would not get round in a minute."""
PATIENTS = heads.MAX_CHAINS // 2
"""So many fit into one question: the relation, and the patient's account."""

log = logging.getLogger("obhut.gateway")

Ask = Callable[[str, Sequence[ChainName]], list[bytes]]
"""Nonce, chains → the frames that answer, as `HubClient.heads`."""


class Confirmation:
    """Who was confirmed when. `clock` gives Unix seconds."""

    def __init__(
        self, keystore: Keystore, chains: ChainStore, keys: HubKeys, store: Store, ask: Ask, clock: Callable[[], float]
    ) -> None:
        self._keystore = keystore
        self._chains = chains
        self._keys = keys
        self._store = store
        self._ask = ask
        self._clock = clock
        self._me = keystore.keyring.account
        self._confirmed = store.confirmations()
        self._due = {patient: at + AGAIN_SECONDS for patient, at in self._confirmed.items()}

    def confirmed(self, patient: str) -> bool:
        """Whether what this patient granted may be opened and shown at this moment."""
        now = int(self._clock())
        return now - CONFIRMED_SECONDS < self._confirmed.get(patient, 0) <= now

    def turn(self, patients: Collection[str], first: Iterable[str] = ()) -> set[str]:
        """Ask for those of these patients who are due, `first` before others who are not confirmed.

        Returns whom to look at anew: whose chains have grown, and who is confirmed and was not. A hub that cannot be
        asked is told in the log: what is not confirmed in time is not shown.
        """
        now = int(self._clock())
        urgent = [patient for patient in first if not self.confirmed(patient)]
        waiting = sorted((due, patient) for patient in patients if (due := self._due_at(patient, now)) <= now)
        turn = list(dict.fromkeys([*urgent, *(patient for _, patient in waiting)]))[: self._most(len(patients))]
        lapsed = {patient for patient in turn if not self.confirmed(patient)}
        moved: set[str] = set()
        for start in range(0, len(turn), PATIENTS):
            try:
                moved |= self._question(turn[start : start + PATIENTS])
            except (Problem, Rejected) as failed:
                reason = failed.code if isinstance(failed, Problem) else failed.reason
                log.warning("the heads of chains could not be asked", extra={"reason": reason})
                break
        return moved | {patient for patient in lapsed if self.confirmed(patient)}

    def _due_at(self, patient: str, now: int) -> int:
        # A clock that was set back must not keep a patient from being asked for.
        due = self._due.get(patient, 0)
        return due if due <= now + AGAIN_SECONDS else 0

    def _most(self, patients: int) -> int:
        """How many patients a turn asks for, so that all are asked for in about a minute."""
        in_a_minute = -(-patients // PATIENTS)
        return PATIENTS * max(LEAST_QUESTIONS, in_a_minute * TURN_SECONDS // AGAIN_SECONDS + 1)

    def _question(self, patients: Sequence[str]) -> set[str]:
        """One question; returns whose chains have grown: they are asked for again next. Raises `Problem`."""
        for patient in patients:
            self._due[patient] = int(self._clock()) + RETRY_SECONDS
        moved = self._recheck(patients)
        doubted = {acc for _, acc, _, _ in self._keystore.doubted()}
        held = {
            chain: self._head(chain)
            for patient in patients
            if patient not in doubted
            for chain in (("rel", patient, self._me), ("acct", patient, ""))
        }
        asked, nonce = int(self._clock()), new_id()
        words = self._words(nonce, self._ask(nonce, list(held)))
        told = {chain: place for chain in held if (place := words.get(_home(chain[1]), {}).get(chain_id(*chain)))}
        equal = {chain for chain, place in told.items() if place == held[chain]}
        confirmed = [acc for kind, acc, _ in equal if kind == "rel" and ("acct", acc, "") in equal]
        self._store.confirm(confirmed, asked, asked + CONFIRMED_SECONDS)
        for patient in confirmed:
            self._confirmed[patient] = asked
            self._due[patient] = asked + AGAIN_SECONDS
        grown = self._follow({chain: told[chain] for chain in told.keys() - equal}, held)
        self._due |= dict.fromkeys(grown, asked)
        return moved | grown

    def _recheck(self, patients: Iterable[str]) -> set[str]:
        """Ask for the whole of these patients' chains that are in doubt; returns whose now hold."""
        among, settled = set(patients), set()
        for kind, acc, oth, _ in self._keystore.doubted():
            if acc in among:
                try:
                    self._chains.recheck(kind, acc, oth)
                except Rejected:
                    continue
                except Problem as problem:
                    if problem.code == "not-found":
                        continue
                    break  # others, who are not in doubt, must not wait for what cannot be fetched now
                self._keystore.trust(kind, acc, oth)
                settled.add(acc)
        return settled

    def _head(self, chain: ChainName) -> Position | None:
        state = self._chains.state(*chain)
        return None if state is None else state.head

    def _words(self, nonce: str, frames: Iterable[bytes]) -> dict[str, Mapping[str, Position]]:
        """What each hub says, by its domain: beyond it its word does not count. What does not hold says nothing."""
        words: dict[str, Mapping[str, Position]] = {}
        for frame in frames:
            try:
                word = heads.parse(frame)
                word.verify(self._keys.key(word.hub), hub=word.hub, to=self._me, nonce=nonce)
            except Rejected as refused:
                log.error("heads do not hold", extra={"reason": refused.reason, "kind": refused.kind})
            else:
                words[word.hub] = word.heads
        return words

    def _follow(self, told: Mapping[ChainName, Position], held: Mapping[ChainName, Position | None]) -> set[str]:
        """Where a copy is shorter than its head, fetch what is missing; returns the patients whose chains have grown.

        One that differs, or is longer than the head, is in doubt from now on.
        """
        for chain, there in told.items():
            try:
                self._compare(chain, held[chain], there)
            except Rejected as refused:
                if refused.kind == "broken":
                    extra = {"reason": refused.reason, "kind": chain[0]}
                    log.error("a chain is not what its home hub says", extra=extra)
                    self._keystore.doubt(*chain, int(self._clock()))
            except Problem as problem:
                if problem.code != "not-found":
                    break  # the next question comes to the rest
        return {chain[1] for chain in told if self._head(chain) != held[chain]}

    def _compare(self, chain: ChainName, here: Position | None, there: Position) -> None:
        if here is not None and here[0] >= there[0]:
            raise broken("fork" if here[0] == there[0] else "rollback")
        self._chains.refresh(*chain)
        state = self._chains.state(*chain)
        if state is not None and len(state.links) > there[0] and state.links[there[0]].position != there:
            raise broken("fork")


def _home(patient: str) -> str:
    return identifiers.account(patient).domain
