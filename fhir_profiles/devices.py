"""Device resources from what a wearable says of itself (https://hl7.org/fhir/R4/device.html).

One device stays one Device: its id is made of what does not change (its names, maker, model and hardware). The version
of its software does change, so it is told but does not enter the id; a run-time address in memory never enters at all.
"""

from dataclasses import dataclass
from typing import Any

from fhir_profiles.codes import DEVICE_ID, DEVICE_TYPES
from fhir_profiles.observations import identity


@dataclass(frozen=True, slots=True)
class Description:
    """What is known of a device; empty where it does not say.

    `source` is the name under which it delivers ("Jürgens Apple Watch"), `name` the product's ("Apple Watch"); `kind`
    is a key of `codes.DEVICE_TYPES` where the device is a medical one of that type.
    """

    source: str
    name: str = ""
    manufacturer: str = ""
    model: str = ""
    hardware: str = ""
    software: str = ""
    kind: str = ""


def device_id(patient: str, about: Description) -> str:
    """The id of the Device resource: the same for the same device of the same patient, whatever its software."""
    return identity(patient, "device", about.source, about.name, about.manufacturer, about.model, about.hardware).hex()


def device(patient: str, about: Description) -> dict[str, Any]:
    """The Device of a patient."""
    name = device_id(patient, about)
    resource: dict[str, Any] = {
        "resourceType": "Device",
        "id": name,
        "identifier": [{"system": DEVICE_ID, "value": name}],
        "status": "active",
    }
    if about.manufacturer:
        resource["manufacturer"] = about.manufacturer
    if about.hardware or about.model:
        resource["modelNumber"] = about.hardware or about.model
    resource["deviceName"] = [{"name": about.source, "type": "user-friendly-name"}]
    model = about.name or about.model
    if model and model != about.source:
        resource["deviceName"].append({"name": model, "type": "model-name"})
    if about.kind:
        resource["type"] = {"coding": [DEVICE_TYPES[about.kind].json()]}
    if about.software:
        resource["version"] = [{"type": {"text": "software"}, "value": about.software}]
    resource["patient"] = {"reference": f"Patient/{patient}"}
    return resource
