"""What looks wrong about a mesh, held against its scan, as sentences that say what to try.

Distances are counted in the scan's own spacing at each place, so that dense and sparse scans, and parts of
one scan, are judged alike.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from recon.geometry import Float, Mesh, PointCloud
from recon.meshing.topology import Measures, Topology
from recon.surface.evaluation import surface_points

NEIGHBOURS, REACH = (
    8,
    3.0,
)  # a point speaks for the surface within so many times the distance to this neighbour
ON_SURFACE, ASKED = 100_000, 5_000  # points drawn on the mesh; points of the scan that look for them
SHEETS = 2.5  # surface around a point over that of a plane: of a thin wall both sides are seen, which makes 2
UNMET, UNSEEN = 0.1, 0.25  # shares of the points without a surface, and of the surface without points
HANDLES, POINTS_A_HANDLE = 5, 150  # handles, holes and parts: any scan may have so many, others need points


def doubts(scan: PointCloud, mesh: Mesh, shape: Topology, size: Measures) -> list[str]:
    """What of `mesh` is not what `scan` shows, both in one frame; nothing where all looks well. `shape` and
    `size` are the mesh's.
    """
    if len(scan) <= NEIGHBOURS:
        return []
    rng, tree = np.random.default_rng(0), cKDTree(scan.points)
    surface = surface_points(mesh, ON_SURFACE, rng)
    cover = cKDTree(surface)

    def reach(points: Float) -> Float:
        """How far around each of these points of the scan its surface is to be found."""
        between = np.sqrt(size.area / ON_SURFACE)
        return REACH * np.maximum(tree.query(points, NEIGHBOURS + 1)[0][:, -1], between)

    asked = scan.points[rng.choice(len(scan), min(len(scan), ASKED), replace=False)]
    radius = reach(asked)
    around = cover.query_ball_point(asked, radius, return_length=True)
    distance, nearest = tree.query(surface)
    handles = (shape.genus or 0) + (shape.components - 1) + (shape.boundary_loops or 0)
    return _said(
        handles=handles,
        a_handle=len(scan) / max(handles, 1),
        sheets=float(np.median(around * (size.area / ON_SURFACE) / (np.pi * radius**2))),
        unmet=float((around == 0).mean()),
        unseen=float((distance > reach(scan.points[nearest])).mean()),
    )


def _said(handles: int, a_handle: float, sheets: float, unmet: float, unseen: float) -> list[str]:
    found = []
    if handles > HANDLES and a_handle < POINTS_A_HANDLE:
        found.append(
            f"{handles:,} handles, holes and further parts are more than the scan can show, one for every "
            f"{a_handle:.0f} points: try --preset standard, or other normals (--normals estimate)"
        )
    if sheets > SHEETS:
        found.append(
            f"around the points there is {sheets:.1f} times the surface of one sheet: it is folded, or the "
            "points fill space; try --normals estimate, and look at both (recon view)"
        )
    if unmet > UNMET:
        found.append(
            f"{unmet:.0%} of the points have no surface near them: look at both (recon view), or keep all "
            "that comes (--parts all --trim off)"
        )
    if unseen > UNSEEN:
        found.append(f"{unseen:.0%} of the surface has no points near it: --trim DISTANCE cuts it off")
    return found
