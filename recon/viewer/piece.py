"""What a stage is made of: triangles, points and lines with their colours."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from recon.geometry import Bytes


@dataclass(frozen=True, eq=False)
class Piece:
    """One thing to draw, in the stage's frame: around 0, within a radius of 1.

    Attributes:
        kind: faces, points or lines.
        places: (n, 3) float32: vertices or points; for lines, the two ends of each in turn.
        colors: (n, 3) uint8, or (3,) for all.
        normals: (n, 3) float32, if lit.
        faces: (m, 3) int64, of faces.
        width: of points and lines, in pixels.
    """

    kind: Literal["faces", "points", "lines"]
    places: np.ndarray
    colors: Bytes
    normals: np.ndarray | None = None
    faces: np.ndarray | None = None
    width: float = 1.0
