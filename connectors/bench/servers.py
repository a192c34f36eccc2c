"""The servers that are measured: started by their commands, as anybody would."""

import socket
from dataclasses import dataclass

from flask import Flask, Response, request

from connectors.demo.programs import Programs
from connectors.gateway.config import Config
from connectors.gateway.server import Server

WORKERS = 2


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Hub:
    """A hub, and how its operator's commands find it."""

    name: str
    url: str
    environment: dict[str, str]


def new_hub(programs: Programs, name: str, database: str) -> Hub:
    """A hub with a database of its own, not started."""
    directory = programs.directory / name
    directory.mkdir(parents=True)
    address = f"127.0.0.1:{free_port()}"
    told = {
        "domain": f"{name}.obhut.example", "data": str(directory), "bind": address, "database": database, "rate": "0",
        "workers": str(WORKERS),
    }  # fmt: skip
    environment = {f"OBHUT_HUB_{key.upper()}": value for key, value in told.items()}
    programs.run("hub", "migrate", environment=environment)
    return Hub(name, f"http://{address}", environment)


def serve_hub(programs: Programs, name: str, database: str) -> Hub:
    """Start a hub of its own."""
    hub = new_hub(programs, name, database)
    start_hub(programs, hub)
    return hub


def start_hub(programs: Programs, hub: Hub) -> None:
    """Start a hub."""
    programs.serve(f"{hub.name}/hub", "hub", "serve", environment=hub.environment)


def serve_gateway(programs: Programs, name: str, database: str) -> str:
    """Start a gateway without a hub (a plain FHIR R4 server); its base."""
    port = free_port()
    programs.serve(
        name, "gateway", "serve", "--standalone", "--port", str(port), "--workers", str(WORKERS), "--database", database
    )  # fmt: skip
    return f"http://127.0.0.1:{port}/fhir"


def serve_nothing(programs: Programs, name: str) -> str:
    """Start a Flask application that does nothing, under the gateway's gunicorn; its base."""
    port = free_port()
    programs.serve(name, "bench", "--serve-nothing", str(port))
    return f"http://127.0.0.1:{port}/fhir"


def nothing(port: int) -> None:
    """Be that application: reads a body, answers an empty object, as many processes and threads as the gateway has."""
    app = Flask("nothing", static_folder=None)

    @app.route("/fhir", methods=["GET", "POST"])
    def empty() -> Response:
        request.get_data()
        return Response(b"{}", content_type="application/fhir+json")

    Server(Config(port=port, workers=WORKERS, standalone=True), lambda _: app).run()
