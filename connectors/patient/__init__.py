"""The patient's client for terminals and tests: enrol, share, withdraw, rotate, look, recover."""
