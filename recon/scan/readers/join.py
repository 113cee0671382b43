"""Joins several clouds of one scene."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from recon.errors import ScanError
from recon.geometry import PointCloud

log = logging.getLogger("recon")


def join(clouds: Sequence[PointCloud], source: str) -> PointCloud:
    """Joins `clouds`, without attributes that not all have. Raises ScanError if their units differ."""
    if len(clouds) == 1:
        return clouds[0]
    units = {cloud.unit: cloud.source for cloud in reversed(clouds) if cloud.unit}
    if len(units) > 1:
        stated = ", ".join(f"{where} in {unit}" for unit, where in units.items())
        raise ScanError(f"the scans have different units ({stated}): convert them")
    names = list(dict.fromkeys(name for cloud in clouds for name in cloud.values))
    return PointCloud(
        np.concatenate([cloud.points for cloud in clouds]),
        _joined("normals", [cloud.normals for cloud in clouds]),
        _joined("colours", [cloud.colors for cloud in clouds]),
        source,
        _joined("sensors", [cloud.sensors for cloud in clouds]),
        {
            name: joined
            for name in names
            if (joined := _joined(name, [cloud.values.get(name) for cloud in clouds])) is not None
        },
        next(iter(units), None) if all(cloud.unit for cloud in clouds) else None,
    )


def _joined(name: str, arrays: list[Any]) -> Any:
    there = [array for array in arrays if array is not None]
    if len(there) == len(arrays):
        return np.concatenate(arrays)
    if there:
        log.info("%d of %d scans have %s: dropped", len(there), len(arrays), name)
    return None
