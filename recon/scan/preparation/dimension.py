"""Whether points lie on a surface at all, or fill space."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from recon.geometry import Float

SAMPLE_POINTS = 2_000
NEIGHBOURS = 20, 320  # whose distances are compared: beyond the noise, and within the parts of an object
MAX_POINT_SHARE = 8  # of the points, one in so many is as far as the second goes
FILLED = "the points fill space, they do not lie on a surface"
MAX_SURFACE_DIMENSION = 2.6  # a surface has 2, with sharp noise 2.3; a filled ball 2.9


def local_dimension(points: Float, threads: int = 1) -> float:
    """The dimension of what `points` (n, 3) sample: about 1 of lines, 2 of a surface, 3 if they fill space.

    The number of neighbours within a distance grows with that power of it (Grassberger, Procaccia 1983,
    doi:10.1016/0167-2789(83)90298-1). The median over a sample; 2 for fewer points than that takes.
    """
    few, many = NEIGHBOURS[0], min(NEIGHBOURS[1], len(points) // MAX_POINT_SHARE)
    if many < 2 * few:
        return 2.0
    size = min(len(points), SAMPLE_POINTS)
    asked = points[np.random.default_rng(0).choice(len(points), size, replace=False)]
    near, far = cKDTree(points).query(asked, [few + 1, many + 1], workers=threads)[0].T
    apart = far > near  # not so among repeated points
    growth = np.log(far[apart] / np.maximum(near[apart], np.finfo(float).tiny))
    return float(np.median(np.log(many / few) / growth)) if apart.any() else 2.0


def fills_space(points: Float, threads: int = 1) -> bool:
    """Whether `points` (n, 3) fill space rather than lie on a surface."""
    return local_dimension(points, threads) > MAX_SURFACE_DIMENSION
