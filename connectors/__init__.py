"""The edges, where plaintext lives: wearables, the patient's client, the gateway of a practice or hospital."""
