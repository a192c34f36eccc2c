"""A transaction of writes: what index rows hold is what was taken from the resource, on both databases."""

import math

from sqlalchemy import select

from connectors.gateway.models import index_quantity, index_text
from fhir_profiles.resources import dump, parse


def test_index_rows_hold_every_number_and_sign_as_it_is(store):
    """Infinite for what no double holds, the last digit of others, and text with quotes, backslashes, umlauts."""
    values = {"endless": b"1e400", "exact": b"0.1000000000000000055", "small": b"-2.5e-300"}
    with store.change() as change:
        for name, value in values.items():
            body = b'{"resourceType":"Observation","id":"%s","status":"final","code":{"text":"\\"\\\\ \xe2\x86\x92{}"},'
            body += b'"valueQuantity":{"value":%s}}'
            resource = parse(body % (name.encode(), value))
            change.add(resource, dump(resource), 1, 1)
    quantities = select(index_quantity.c.low).where(index_quantity.c.param == "Observation.value-quantity")
    texts = select(index_text.c.value).where(index_text.c.param == "Observation.code:text").distinct()
    with store.database.read() as connection:
        assert set(connection.execute(quantities).scalars()) == {math.inf, 0.1, -2.5e-300}
        assert [text for (text,) in connection.execute(texts)] == ['"\\ →{}']
