"""Scans to meshes at the finest preset, in a process that has already used the device."""

from __future__ import annotations

from trial.parts import Trial
from trial.whole import QUICK, Wanted, converted

FIRST = Wanted("kitten", "draft")  # pays for starting CUDA and its libraries
FINE = (Wanted("coupling", "fine", bar=12.0), Wanted("kitten", "fine", needs=20, bar=12.0))


def run(trial: Trial) -> None:
    if not trial.quick:
        converted(trial, FIRST, "first call of the process")
    for wanted in QUICK if trial.quick else FINE:
        converted(trial, wanted, "warm")
