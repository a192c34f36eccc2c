"""Code hierarchies as data: what a purpose, a label of sensitivity or an action lies below.

A rule on a code covers what lies below it, never what lies above: consent to research covers each kind of research,
consent to one project does not cover research.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType

PURPOSE_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
PROJECT_SYSTEM = "https://fhir.obhut.org/CodeSystem/project"

BREAK_THE_GLASS = "BTG"
"""What is told of a read in a declared emergency: code of v3-ActReason."""

_CHILDREN_OF_PURPOSE = {
    # http://terminology.hl7.org/CodeSystem/v3-ActReason, the branch PurposeOfUse
    "HMARKT": "",
    "HOPERAT": "CAREMGT DONAT FRAUD GOV HACCRED HCOMPL HDECD HDIRECT HDM HLEGAL HOUTCOMS HPRGRP HQUALIMP HSYSADMIN"
    " HTEST LABELING MEMADMIN METAMGT MILCDM PATADMIN PATSFTY PERFMSR RECORDMGT SYSDEV TRAIN",
    "HPAYMT": "CLMATTCH COVAUTH COVERAGE REMITADV",
    "COVERAGE": "ELIGDTRM ELIGVER ENROLLM MILDCRG",
    "HRESCH": "BIORCH CLINTRCH DSRCH POARCH TRANSRCH",
    "CLINTRCH": "CLINTRCHNPC CLINTRCHPC PRECLINTRCH",
    "PATRQT": "FAMRQT PWATRNY SUPNWK",
    "PUBHLTH": "DISASTER THREAT",
    "TREAT": "CLINTRL COC ETREAT POPHLTH",
    "ETREAT": "BTG ERTREAT",
}
_CHILDREN_OF_LABEL = {
    # http://terminology.hl7.org/CodeSystem/v3-ActCode, InformationSensitivityPolicy; PCF puts ETHUD below ETH
    "SPI": "BH",
    "BH": "COGN DVD EMOTDIS MH PSY PSYTHPN SUD",
    "SUD": "ETHUD OPIOIDUD",
    "ETH": "ETHUD OPIOIDUD",
}
_CHILDREN_OF_ACTION = {
    # http://terminology.hl7.org/CodeSystem/consentaction: the words of a Consent, above the words of a request
    "access": "read search",
    "collect": "create",
    "correct": "update delete",
    "disclose": "export",
}

PROJECT_PREFIX = "PROJ"
"""A research project's own purpose begins so; no code of v3-ActReason does. Each lies below HRESCH."""


def _parents(children: Mapping[str, str]) -> Mapping[str, tuple[str, ...]]:
    parents: dict[str, tuple[str, ...]] = dict.fromkeys(children, ())
    for parent, codes in children.items():
        for code in codes.split():
            parents[code] = (*parents.get(code, ()), parent)
    return MappingProxyType(parents)


PURPOSES = _parents(_CHILDREN_OF_PURPOSE)
LABELS = _parents(_CHILDREN_OF_LABEL)
ACTIONS = _parents(_CHILDREN_OF_ACTION)
"""Code → those right above it."""


def _upwards(parents: Mapping[str, tuple[str, ...]], code: str) -> frozenset[str]:
    return frozenset({code}).union(*(_upwards(parents, parent) for parent in parents.get(code, ())))


def system_of(purpose: str) -> str:
    """The code system of a purpose: v3-ActReason, or Obhut's own of research projects."""
    return PROJECT_SYSTEM if purpose.startswith(PROJECT_PREFIX) else PURPOSE_SYSTEM


def known(purpose: str) -> bool:
    """Whether this is a purpose of use that a request may state."""
    return purpose in PURPOSES or (purpose.startswith(PROJECT_PREFIX) and len(purpose) > len(PROJECT_PREFIX))


@lru_cache(maxsize=1024)
def purposes_above(purpose: str) -> frozenset[str]:
    """The purpose and all that it lies below: a rule that names one of these covers it."""
    if purpose not in PURPOSES and known(purpose):
        return purposes_above("HRESCH") | {purpose}
    return _upwards(PURPOSES, purpose)


def within(purpose: str, granted: Iterable[str]) -> bool:
    """Whether `purpose` is one of the granted purposes or lies below one."""
    return not purposes_above(purpose).isdisjoint(granted)


@lru_cache(maxsize=1024)
def labels_above(label: str) -> frozenset[str]:
    """The label of sensitivity and all that it lies below. Confidentiality has no hierarchy: R does not include N."""
    return _upwards(LABELS, label)


@lru_cache(maxsize=64)
def actions_above(action: str) -> frozenset[str]:
    """The action of a request and the word of a Consent that covers it."""
    return _upwards(ACTIONS, action)


DATA_ACTIONS: frozenset[str] = frozenset(ACTIONS) | {"use"}
"""What may be done to data by consent. All else (appoint others, manage consent, read the log) is the patient's own."""

CARE_ACTIONS: frozenset[str] = frozenset({"read", "search", "access", "create", "collect", "update", "use"})
"""What standing access reaches: looking and adding, not passing on and not deleting."""

READING: frozenset[str] = frozenset({"read", "search", "access"})
"""What emergency access reaches."""
