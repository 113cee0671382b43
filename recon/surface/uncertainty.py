"""Error bars of a surface: how far from its true place it may be, one standard deviation.

Three errors add. Where there are points, it is their noise, and what the field's prior leaves open: the
posterior deviation of heads (`recon.field.posterior`), asked of a field without heads, too. Between exact
points a surface can still do as it likes, in proportion to their spacing. Where there are none, it goes on
from the last ones in a direction that is known by so much only: the error grows with the distance from them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.spatial import cKDTree

from recon.field.posterior import posterior_deviations
from recon.field.siren import Siren
from recon.geometry import Float, PointCloud
from recon.scan.preparation.spacing import local_spacings
from recon.surface.heads import scan_data, tiles_for
from recon.surface.settings import HeadsConfig

UNCERTAINTY = "uncertainty"  # the name of the vertices' values
SUPPORTED_SPACINGS = 1.5  # from a point to where the scan no longer says where the surface is
# One standard deviation, found on scans with a reference (docs/ablations.md): of surface between points, in
# spacings, and of surface beyond them, as a share of the distance to them.
BETWEEN_ERROR, BEYOND_ERROR = 0.01, 0.4


def surface_deviations(
    trunk: Siren,
    cloud: PointCloud,
    places: Float,
    heads: HeadsConfig,
    spacing: float,
    noise: float,
    estimated: bool = False,
    seed: int = 0,
    threads: int = 1,
    progress: Callable[[float], None] = lambda share: None,
) -> Float:
    """The standard deviation (m,) float64, across the surface, at `places` (m, 3) on it; unit frame.

    Args:
        trunk: trained.
        cloud: points (n, 3) that the surface was made from, oriented or not.
        places: on the surface.
        heads: of the tiles, with the edge of their cells.
        spacing: of the points.
        noise: standard deviation of the points from the surface.
        estimated: whether the normals were estimated from the points.
        seed: of the solve's random draws.
        threads: of the search for neighbours.
        progress: called with the share done.
    """
    data = scan_data(trunk, cloud, spacing, noise, estimated, threads)
    tiles = tiles_for(data.points, heads, spacing, noise, threads)
    where = torch.tensor(places, dtype=torch.float32, device=data.points.device)
    asked = data.points, data.values, data.normals, data.deviations
    known, covered = posterior_deviations(trunk, tiles, *asked, where, seed, progress)
    known = known + (1 - covered) * data.deviations.change
    distance, nearest = cKDTree(cloud.points).query(places, workers=threads)
    local = local_spacings(cloud.points, threads)[nearest]
    beyond = BEYOND_ERROR * np.maximum(distance - SUPPORTED_SPACINGS * local, 0)
    return np.asarray(np.sqrt(known.cpu().numpy() ** 2 + (BETWEEN_ERROR * local) ** 2 + beyond**2))
