"""Waiting for a state, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")
PATIENCE = 600.0  # seconds until something counts as not happening: a guard against hanging, nothing else
BETWEEN = 0.1  # seconds between two looks


def eventually(look: Callable[[], Seen], what: str, holds: Callable[[Seen], object] = bool) -> Seen:
    """What `look` sees, once that is true, or `holds`. Where it never comes, it fails, and says what was seen
    last."""
    deadline = time.monotonic() + PATIENCE
    while not holds(seen := look()):
        assert time.monotonic() < deadline, f"{what}: not in {PATIENCE:g} s; seen last: {seen!r}"
        time.sleep(BETWEEN)
    return seen
