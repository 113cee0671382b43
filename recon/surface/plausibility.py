"""What looks wrong about a mesh compared with its scan, as sentences that say what to try.

Distances are relative to the scan's spacing at each place, so that dense and sparse scans, and parts of one
scan, are judged alike.
"""

import numpy as np
from scipy.spatial import cKDTree

from recon.geometry import Float, Mesh, PointCloud
from recon.meshing.topology import Measures, Topology
from recon.surface.evaluation import surface_points

NEIGHBOURS, REACH_FACTOR = 8, 3.0  # a point covers surface within 3 times the distance to its 8th neighbour
SURFACE_SAMPLES, SCAN_SAMPLES = 100_000, 5_000  # points drawn on the mesh and of the scan
MAX_SHEETS = 2.5  # surface around a point over that of a plane; both sides of a thin wall make 2
MAX_UNMATCHED_POINTS, MAX_UNSUPPORTED_AREA = 0.1, 0.25  # fractions of the points, of the area
MAX_UNCHECKED_HANDLES, MIN_POINTS_PER_HANDLE = 5, 150  # handles, holes and parts; points of the scan for each


def plausibility_warnings(scan: PointCloud, mesh: Mesh, shape: Topology, size: Measures) -> list[str]:
    """What of `mesh` contradicts `scan`, both in one frame; empty if all looks well."""
    if len(scan) <= NEIGHBOURS:
        return []
    rng, tree = np.random.default_rng(0), cKDTree(scan.points)
    surface = surface_points(mesh, SURFACE_SAMPLES, rng)
    cover = cKDTree(surface)

    def reach(points: Float) -> Float:
        """How far around each of these points of the scan its surface is to be found."""
        between = np.sqrt(size.area / SURFACE_SAMPLES)
        return REACH_FACTOR * np.maximum(tree.query(points, NEIGHBOURS + 1)[0][:, -1], between)

    asked = scan.points[rng.choice(len(scan), min(len(scan), SCAN_SAMPLES), replace=False)]
    radius = reach(asked)
    around = cover.query_ball_point(asked, radius, return_length=True)
    distance, nearest = tree.query(surface)
    handles = (shape.genus or 0) + (shape.components - 1) + (shape.boundary_loops or 0)
    return _warnings(
        handles=handles,
        a_handle=len(scan) / max(handles, 1),
        sheets=float(np.median(around * (size.area / SURFACE_SAMPLES) / (np.pi * radius**2))),
        unmet=float((around == 0).mean()),
        unseen=float((distance > reach(scan.points[nearest])).mean()),
    )


def _warnings(handles: int, a_handle: float, sheets: float, unmet: float, unseen: float) -> list[str]:
    found = []
    if handles > MAX_UNCHECKED_HANDLES and a_handle < MIN_POINTS_PER_HANDLE:
        found.append(
            f"{handles:,} handles, holes and further parts are more than the scan can show, one for every "
            f"{a_handle:.0f} points: try --preset standard, or other normals (--normals estimate)"
        )
    if sheets > MAX_SHEETS:
        found.append(
            f"around the points there is {sheets:.1f} times the surface of one sheet: it is folded, or the "
            "points fill space; try --normals estimate, and look at both (recon view)"
        )
    if unmet > MAX_UNMATCHED_POINTS:
        found.append(
            f"{unmet:.0%} of the points have no surface near them: look at both (recon view), or keep all "
            "that comes (--parts all --trim off)"
        )
    if unseen > MAX_UNSUPPORTED_AREA:
        found.append(f"{unseen:.0%} of the surface has no points near it: --trim DISTANCE cuts it off")
    return found
