"""What a rule asks of a resource, as functions that are made once, when the rule is compiled."""

from collections.abc import Callable, Iterator

from consent.items import Item

Test = Callable[[Item], bool]


def of_kind(classes: frozenset[str], labels: frozenset[str]) -> Iterator[Test]:
    """What is asked of the kind of a resource: its classes, its labels. An empty set asks for nothing."""
    if classes:
        no_class = classes.isdisjoint
        yield lambda one: not no_class(one.classes)
    if labels:
        no_label = labels.isdisjoint
        yield lambda one: not no_label(one.labels)


def of_one(
    codes: frozenset[str], data: frozenset[tuple[str, str]], data_period: tuple[int, int] | None, permit: bool
) -> Iterator[Test]:
    """What is asked of the resource itself: its codes, its date, what it is related to and who wrote it."""
    if codes:
        no_code = codes.isdisjoint
        yield lambda one: not no_code(one.codes)
    if data_period is not None:
        yield _in_data_period(data_period, permit)
    if data:
        yield lambda one: any(_is_meant(meaning, reference, one) for meaning, reference in data)


def _in_data_period(period: tuple[int, int], permit: bool) -> Test:
    """By overlap. Of unknown date it fails closed: denied by a denial and not permitted by a permit."""
    start, end = period

    def test(one: Item) -> bool:
        clinical = one.clinical
        return not permit if clinical is None else clinical[0] < end and start < clinical[1]

    return test


def _is_meant(meaning: str, reference: str, one: Item) -> bool:
    """https://hl7.org/fhir/R4/valueset-consent-data-meaning.html"""
    if meaning == "authoredby":
        return reference in one.authors
    if reference == one.ref:
        return True
    return (meaning == "related" and reference in one.related) or (meaning == "dependents" and reference in one.depends)
