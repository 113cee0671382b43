"""The points of the classes and returns that are asked for, as airborne scanners tell them apart."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from recon.errors import ScanError, UsageError
from recon.geometry import Float, PointCloud
from recon.scan.settings import ScanConfig

CLASS_NAMES = ("classification", "class", "label")
RETURN_NAMES, RETURNS_NAMES = ("returnnumber",), ("numberofreturns",)
MAX_LISTED = 20  # classes in a message

log = logging.getLogger("recon")


def selected(cloud: PointCloud, config: ScanConfig) -> PointCloud:
    """The points of `cloud` of the classes and returns in `config`.

    Raises:
        ScanError: the cloud has no classes or returns, or no such point.
        UsageError: classes that are no numbers.
    """
    keep = np.ones(len(cloud), bool)
    if config.classes is not None:
        keep &= _of_classes(cloud, config.classes)
    if config.returns != "all":
        keep &= _of_returns(cloud, config.returns)
    if keep.all():
        return cloud
    if not keep.any():
        raise ScanError(f"{cloud.source} has no point of that class and return")
    log.info("%s of %s points are of that class and return", f"{int(keep.sum()):,}", f"{len(cloud):,}")
    return cloud.select(keep)


def _of_classes(cloud: PointCloud, classes: str) -> NDArray[np.bool_]:
    try:
        wanted = [int(number) for number in classes.split(",")]
    except ValueError:
        raise UsageError(f"the classes are {classes[:60]!r}, expected numbers as 2,6") from None
    column = _column(cloud, CLASS_NAMES, "classes")
    keep = np.isin(column, wanted)
    if not keep.any():
        there, count = np.unique(column[np.isfinite(column)], return_counts=True)
        some = zip(there[:MAX_LISTED], count, strict=False)
        listed = ", ".join(f"{label:g} ({number:,} points)" for label, number in some)
        raise ScanError(f"{cloud.source} has no points of class {classes}, only of: {listed}")
    return keep


def _of_returns(cloud: PointCloud, returns: str) -> NDArray[np.bool_]:
    number = _column(cloud, RETURN_NAMES, "numbers of returns")
    if returns == "first":
        return number == 1
    count = _column(cloud, RETURNS_NAMES, "numbers of returns")
    return count == 1 if returns == "only" else number == count


def _column(cloud: PointCloud, names: tuple[str, ...], what: str) -> Float:
    """The scalar with one of `names`, however it is written: "scalar_Return_Number", e.g."""
    plain = {
        name.lower().removeprefix("scalar_").replace("_", "").replace(" ", ""): name for name in cloud.values
    }
    found = next((plain[name] for name in names if name in plain), None)
    if found is None:
        there = ", ".join(cloud.values) or "none"
        raise ScanError(f"{cloud.source} has no {what}; its scalars are: {there}")
    return cloud.values[found]
