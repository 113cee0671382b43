"""Which side is solid where no normals say so: what cannot be reached without passing the points.

Space is cut into cells; those near a point are wall, the free ones that hang together with the border of
the box are outside, other free ones inside (the idea of Mullen, de Goes, Desbrun, Cohen-Steiner, Alliez 2010,
"Signing the unsigned", doi:10.1111/j.1467-8659.2010.01782.x). Holes of the scan are shut by thicker walls, as
thick as it takes to find an inside. Within the walls the sign stays open: there the field finds it.
"""

from __future__ import annotations

import logging

import numpy as np
from scipy.ndimage import label
from scipy.spatial import cKDTree

from recon.errors import ScanError
from recon.geometry import Float, PointCloud
from recon.scan.inside import SpaceSamples, draw_samples
from recon.scan.spacing import point_spacing

CELLS = 128  # along the longest side
WALLS = (1.5, 2.0, 3.0, 4.5, 7.0)  # thicknesses to try, in point spacings
LEAST = 1e-4  # of the cells of the box: an inside

log = logging.getLogger("recon")


class Walls:
    """Signed distance to a cloud without normals in the unit frame, where its sign is certain."""

    def __init__(self, cloud: PointCloud, box: Float, threads: int = 1) -> None:
        self.threads = threads
        self.points = cloud.points
        self.tree = cKDTree(cloud.points)
        self.low, high = np.asarray(box, np.float64)
        self.cell = float((high - self.low).max()) / CELLS
        self.shape = np.ceil((high - self.low) / self.cell).astype(int)
        centres = self.low + (np.moveaxis(np.indices(self.shape), 0, -1) + 0.5) * self.cell
        distance = self.tree.query(centres.reshape(-1, 3), workers=threads)[0].reshape(self.shape)
        spacing = point_spacing(cloud.points, threads)
        for thickness in WALLS:
            self.wall = max(thickness * spacing, 0.9 * self.cell)
            self.inside = _enclosed(distance > self.wall)
            if self.inside.mean() > LEAST:
                return
        raise ScanError(
            f"{cloud.source} encloses nothing that could be its inside: without normals only closed scans "
            "can be fitted; use --normals estimate"
        )

    def signed_distance(self, queries: Float) -> Float:
        """(n, 3) unit → (n,) signed distances, unit, negative inside; NaN within the walls."""
        distance, _ = self.tree.query(queries, workers=self.threads)
        index = ((queries - self.low) / self.cell).astype(np.int64).clip(0, self.shape - 1)
        sign = np.where(self.inside[tuple(index.T)], -1.0, 1.0)
        certain = distance > self.wall + self.cell  # the whole cell is on one side
        return np.where(certain, sign * distance, np.nan)

    def sample(self, box: Float, count: int, near_share: float, seed: int = 0) -> SpaceSamples:
        """As `recon.scan.inside.Surroundings.sample`, but nowhere within the walls: fewer near it."""
        return draw_samples(self.signed_distance, self.points, box, count, near_share, seed, tries=1)


def _enclosed(free: np.ndarray) -> np.ndarray:
    """Which of the cells that are `free` cannot be reached from the border."""
    part, _ = label(free)
    border = np.ones_like(free)
    border[1:-1, 1:-1, 1:-1] = False
    reached = np.unique(part[border & free])
    return free & ~np.isin(part, reached)
