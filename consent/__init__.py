"""Who may read, and the keys that make it so.

The format in `PROTOCOL.md` is version 1. What it seals today will be opened by every later version of this package; a
change of bytes is a new version with a new magic, never a new meaning of an old one.
"""
