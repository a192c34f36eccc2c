"""The box in a practice or hospital: it opens what was granted and answers as a FHIR R4 server."""
