"""Taking over: a granted resource becomes part of the house's own record, because a treatment rests on it.

It survives the end of the grant (duty to document); the patient sees in her log who took over what, and why.
"""

import time

from connectors.gateway import access
from connectors.gateway.access import Reader
from connectors.gateway.models import resources
from connectors.gateway.store import Store
from connectors.gateway.visibility import scope
from fhir_profiles.problems import Problem

MAX_REASON = 200


def keep(store: Store, reader: Reader, type_: str, id_: str, reason: str) -> None:
    """Take over what the person sees under an id. Again, it changes nothing and tells nothing.

    Raises `Problem`: `not-found` for what is not seen, `value` for a reason that is no line of text, `conflict` for
    what is the house's own anyway.
    """
    if not reason.strip() or not reason.isprintable() or len(reason) > MAX_REASON:
        raise Problem("value", f"give the reason in one line of at most {MAX_REASON} signs")
    with store.change() as change:
        found = store.read(type_, id_, scope(reader, store.house, int(time.time())), change)
        if found is None or found.deleted:
            raise Problem("not-found", "there is no such resource, or it is not granted for this purpose")
        if not found.owner or found.author == store.house:
            raise Problem("conflict", "this is part of the house's own record already")
        if change.keep(resources.c.rid.in_([found.rid]) & resources.c.kept.is_(False)):
            access.report_kept(change.connection, reader, found.owner, type_, id_, reason)
