"""`/openapi.json`: what the hub's routes take and answer, in OpenAPI 3.1."""

import importlib.metadata
from typing import Any

from flask import Blueprint, Response

from hub.context import hub
from hub.openapi import peering
from hub.openapi.operations import FHIR, FORM, JSON, OPERATIONS, Operation
from hub.openapi.schemas import PARAMETERS, SCHEMAS, ref
from hub.wire import answer

PROBLEM = "application/problem+json"

pages = Blueprint("openapi", __name__)


@pages.get("/openapi.json")
def describe() -> Response:
    """This document."""
    return answer(document(hub().config.base_url, hub().config.title))


def document(url: str, title: str) -> dict[str, Any]:
    """The OpenAPI document of a hub at `url`."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in (*OPERATIONS, *peering.OPERATIONS):
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{title}: hub",
            "version": importlib.metadata.version("obhut"),
            "description": "Stores and forwards sealed health records. Binary values are base64url without padding.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": url}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "hub": {"type": "apiKey", "in": "header", "name": "Signature", "description": "RFC 9421, by a peer"},
            },
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "responses": {
            **{str(status): _answer(operation, status) for status in operation.statuses},
            **{str(status): _problem(operation) for status in _refusals(operation)},
        },
    }
    if operation.signed_in:
        described["security"] = [{"token": []}]
    elif operation.of_hubs:
        described["security"] = [{"hub": []}]
    parameters = [PARAMETERS[name] for name in operation.parameters]
    if parameters:
        described["parameters"] = parameters
    if operation.body:
        schema = {} if operation.takes == "application/octet-stream" else ref(operation.body)
        described["requestBody"] = {"required": True, "content": {operation.takes: {"schema": schema}}}
    return described


def _answer(operation: Operation, status: int) -> dict[str, Any]:
    if not operation.gives:
        return {"description": "Done."}
    schema: dict[str, Any] = ref(operation.gives) if operation.gives in SCHEMAS else {}
    return {"description": "As asked." if status == 200 else "Done.", "content": {operation.media: {"schema": schema}}}


def _refusals(operation: Operation) -> list[int]:
    found = {500, 503} if operation.database else set()
    if operation.parameters or operation.body:
        found.add(400)
    if operation.signed_in:
        found |= {401, 403}
    if operation.body:
        found |= {413, 415}
    return sorted((found | set(operation.refusals)) - set(operation.statuses))


def _problem(operation: Operation) -> dict[str, Any]:
    if operation.path.startswith("/fhir"):
        return {"description": "An OperationOutcome.", "content": {FHIR: {"schema": ref("Any")}}}
    content = {PROBLEM: {"schema": ref("Problem")}}
    if operation.gives == "Token" and operation.takes == FORM:
        content[JSON] = {"schema": ref("OAuthError")}
    return {"description": "A problem.", "content": content}
