"""Four writers at once on SQLite, in several processes: nobody is told that the database is locked."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import requests

from connectors.entries import Entry
from connectors.patient import enrolment
from consent.categories import INDEX
from tests.connectors.gateway.conftest import FHIR_JSON, observation
from tests.connectors.gateway.test_serve import serving
from tests.journeys.conftest import RunningHub
from tests.soak.writer import line

WRITES = 25


def test_the_hub_makes_no_writer_come_again(tmp_path):
    """Four workers, four outboxes, and an operator who admits practices meanwhile: no call is ever repeated."""
    hub = RunningHub(tmp_path / "hub", f"sqlite:///{tmp_path / 'hub.sqlite'}")
    hub.environment |= {"OBHUT_HUB_WORKERS": "4", "OBHUT_HUB_RATE": "0"}
    hub.start()
    repeated = []
    try:
        clients = [enrolment.enrol(tmp_path / f"patient-{n}", hub.url)[0] for n in range(4)]

        def write(client):
            client.hub._sleep = lambda seconds: (repeated.append(seconds), time.sleep(seconds))
            for number in range(WRITES):
                client.outbox.put([Entry(client.account, INDEX["vitals"], [line(client, str(number), "vitals")])])
                client.flush()

        threads = [threading.Thread(target=write, args=[client]) for client in clients]
        for thread in threads:
            thread.start()
        for number in range(2):
            hub.admit(f"praxis-{number}")
        for thread in threads:
            thread.join()
        for client in clients:
            assert len(client.hub.feed(only="envelope")["events"]) == WRITES
            client.close()
    finally:
        hub.kill()
    assert repeated == []


def test_the_gateway_makes_no_writer_come_again(tmp_path):
    """Four workers, four clients: every write is taken at once."""
    options = ("--database", f"sqlite:///{tmp_path / 'record.db'}", "--workers", "4")
    with serving(*options) as (url, _), ThreadPoolExecutor(4) as threads:

        def write(_):
            answer = requests.post(
                f"{url}/Observation", json=observation(), headers={"Content-Type": FHIR_JSON}, timeout=60
            )
            return answer.status_code

        assert set(threads.map(write, range(4 * WRITES))) == {201}
