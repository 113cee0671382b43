"""Gaussian splats: ellipsoids with a colour that depends on the direction, an opacity, a size and a rotation.

What the columns mean is that of Kerbl, Kopanas, Leimkühler, Drettakis (2023), "3D Gaussian splatting for
real-time radiance field rendering", doi:10.1145/3592433: colours are coefficients of spherical harmonics,
opacities are stored as logits, sizes as logarithms, rotations as quaternions w, x, y, z of any length.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recon.geometry import Float, PointCloud
from recon.scan.readers.columns import from_columns

COLORS = ("f_dc_0", "f_dc_1", "f_dc_2")
SIZES = ("scale_0", "scale_1", "scale_2")
ROTATION = ("rot_0", "rot_1", "rot_2", "rot_3")
CONSTANT_HARMONIC = 1 / (2 * math.sqrt(math.pi))
MIN_OPACITY = 0.1  # fainter ones float in front of surfaces
MAX_THICKNESS = 0.3  # the least size over the middle one: a rounder splat has no normal

log = logging.getLogger("recon")


def are_splats(columns: Mapping[str, NDArray]) -> bool:
    """Whether `columns` are those of splats."""
    return columns.keys() >= {*COLORS, "opacity"}


def from_splats(path: Path, columns: Mapping[str, NDArray]) -> PointCloud:
    """The centres of splats that are not faint, with their constant colours.

    The normal of a flat one is its shortest axis, either way; that of others is zero: missing. Normals in the
    file, which training leaves at zero, do not count. Raises ScanError without x, y and z.
    """
    opacity = np.asarray(columns["opacity"], np.float64)
    seen = np.flatnonzero(~(opacity < math.log(MIN_OPACITY / (1 - MIN_OPACITY))))
    if len(seen) < len(opacity):
        dropped = len(opacity) - len(seen), len(opacity), MIN_OPACITY
        log.info("%s: %d of %d splats are faint (opacity < %g): dropped", path, *dropped)
    chosen = {name: np.asarray(column)[seen] for name, column in columns.items()}
    shades = 0.5 + CONSTANT_HARMONIC * np.stack([chosen[name] for name in COLORS], axis=1, dtype=np.float64)
    cloud = from_columns(path, {name: chosen[name] for name in ("x", "y", "z") if name in chosen})
    colors = np.rint(255 * np.nan_to_num(shades).clip(0, 1)).astype(np.uint8)
    return PointCloud(cloud.points, _normals(chosen), colors, cloud.source)


def _normals(columns: Mapping[str, NDArray]) -> Float | None:
    """The shortest axes (n, 3) of flat splats, zero for others; None if the file has no sizes."""
    from scipy.spatial.transform import (
        Rotation,  # here: it takes as long to load as all that reads other files
    )

    if not columns.keys() >= {*SIZES, *ROTATION}:
        return None
    size = np.stack([columns[name] for name in SIZES], axis=1, dtype=np.float64)
    turn = np.stack([columns[name] for name in ROTATION], axis=1, dtype=np.float64)
    order = np.sort(size, axis=1)
    length = np.linalg.norm(turn, axis=1)
    flat = np.isfinite(length) & (length > 0) & (order[:, 0] - order[:, 1] < math.log(MAX_THICKNESS))
    normals = np.zeros((len(size), 3))
    turned = Rotation.from_quat(turn[flat][:, [1, 2, 3, 0]]).as_matrix()
    normals[flat] = np.take_along_axis(turned, size[flat].argmin(1)[:, None, None], axis=2)[..., 0]
    return normals if flat.any() else None
