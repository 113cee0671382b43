"""The inside of a scan without normals: what cannot be reached without passing the points.

Space is divided into cells; those near a point are wall, the free ones connected to the border of the box are
outside, other free ones inside (the idea of Mullen, de Goes, Desbrun, Cohen-Steiner, Alliez 2010, "Signing
the unsigned", doi:10.1111/j.1467-8659.2010.01782.x). Holes of the scan are closed by thicker walls, as thick
as it takes to find an inside.

Walls are several spacings thick, and a field without a sign within them folds: zero at every point, with
sheets and tunnels between them. So both sides grow into the walls, by the watershed of the distance to the
points (Vincent, Soille 1991, doi:10.1109/34.87344): they meet at the points and, in holes, halfway. The sign
stays open where they meet, and in parts of the walls that are farther from the points than all around them,
which are too thin to have an inside.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label, maximum_filter, minimum_filter
from scipy.spatial import cKDTree
from skimage.segmentation import watershed

from recon.errors import ScanError
from recon.geometry import Float, PointCloud
from recon.scan.preparation.inside import SpaceSamples, draw_samples
from recon.scan.preparation.spacing import point_spacing

GRID_CELLS = 128  # along the longest side
WALL_SPACINGS = (1.5, 2.0, 3.0, 4.5, 7.0)  # thicknesses to try, in point spacings
MIN_RESOLVED_CELLS = 1.5  # from the points: nearer, the grid is too coarse to tell the sign
MIN_INSIDE_SHARE = 1e-4  # of the box's cells: less is not an inside

Mask = NDArray[np.bool_]


class Walls:
    """Signed distance to a cloud without normals, unit. Raises ScanError if it encloses nothing."""

    def __init__(self, cloud: PointCloud, box: Float, threads: int = 1) -> None:
        self.threads = threads
        self.points = cloud.points
        self.tree = cKDTree(cloud.points)
        self.low, high = np.asarray(box, np.float64)
        self.cell = float((high - self.low).max()) / GRID_CELLS
        self.shape = np.ceil((high - self.low) / self.cell).astype(int)
        self.spacing = point_spacing(cloud.points, threads)
        centres = self.low + (np.moveaxis(np.indices(self.shape), 0, -1) + 0.5) * self.cell
        for thickness in WALL_SPACINGS:
            wall = max(thickness * self.spacing, 0.9 * self.cell)
            distance = self._distance(centres, wall)
            free = np.isinf(distance)
            inside = _enclosed(free)
            if inside.mean() > MIN_INSIDE_SHARE:
                self.sign = _sides(distance, inside, free & ~inside)
                return
        raise ScanError(
            f"{cloud.source} encloses nothing that could be its inside: without normals only closed scans "
            "can be fitted; use --normals estimate"
        )

    def _distance(self, centres: Float, limit: float) -> NDArray[np.float32]:
        """From the cells' centres to the points; infinite beyond `limit`, and around the box."""
        found, _ = self.tree.query(centres.reshape(-1, 3), distance_upper_bound=limit, workers=self.threads)
        return np.pad(found.astype(np.float32).reshape(self.shape), 1, constant_values=np.inf)

    def signed_distance(self, queries: Float) -> Float:
        """(n, 3) unit → (n,) signed distances, unit, negative inside; NaN where the sign is not certain.

        The nearest point lies beside the foot of the perpendicular: s²/6 in the mean of squares on a square
        grid of spacing s, s²/π among random points. So s²/4 is subtracted from the square of its distance.
        Nearer than that nothing is certain, nor where cells are too coarse to resolve what lies between.
        """
        distance, _ = self.tree.query(queries, workers=self.threads)
        index = ((queries - self.low) / self.cell).astype(np.int64).clip(0, self.shape - 1) + 1
        sign = self.sign[tuple(index.T)]
        square = distance**2 - self.spacing**2 / 4
        certain = (sign != 0) & (square > 0) & (distance > MIN_RESOLVED_CELLS * self.cell)
        return np.where(certain, sign * np.sqrt(np.maximum(square, 0.0)), np.nan)

    def sample(self, box: Float, count: int, near_share: float, seed: int = 0) -> SpaceSamples:
        """As `recon.scan.preparation.inside.Surroundings.sample`, but only where the sign is certain."""
        return draw_samples(self.signed_distance, self.points, box, count, near_share, seed)


def _sides(distance: NDArray[np.float32], inside: Mask, outside: Mask) -> NDArray[np.int8]:
    """Grows both sides down the `distance` until they meet: -1 inside, 1 outside, 0 undecided."""
    mark = np.where(inside, 1, np.where(outside, 3, 0))
    mark[(mark == 0) & (distance == maximum_filter(distance, 3))] = 2  # farther off than all around
    narrow = maximum_filter(mark == 0, 3)  # the walls, with a seam of what is marked
    grown = np.where(narrow, watershed(-distance, mark, mask=narrow), mark)
    same = minimum_filter(grown, 3) == maximum_filter(grown, 3)  # as all around
    return np.where(same, grown - 2, 0).astype(np.int8)


def _enclosed(free: Mask) -> Mask:
    """The cells that are `free` and cannot be reached from the border."""
    part, _ = label(free)
    border = np.ones_like(free)
    border[1:-1, 1:-1, 1:-1] = False
    reached = np.unique(part[border & free])
    return free & ~np.isin(part, reached)
