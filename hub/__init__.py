"""The blind post office: stores and forwards what it cannot read."""
