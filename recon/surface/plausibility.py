"""What looks wrong about a mesh compared with its scan, as sentences that say what to try.

Distances are relative to the scan's spacing at each place, so that dense and sparse scans, and parts of one
scan, are judged alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from recon.geometry import Float, Int, Mesh, PointCloud
from recon.meshing.components import part_of_vertices
from recon.meshing.topology import Measures, Topology
from recon.meshing.triangles import surface_points
from recon.scan.preparation.dimension import FILLED, fills_space
from recon.scan.preparation.sides import MAX_SHELLS, winding_of_others

NEIGHBOURS, REACH_FACTOR = 8, 3.0  # a point covers surface within 3 times the distance to its 8th neighbour
UNMET_FACTOR = 1.9  # a point is met within so many times that distance: 3 spacings of a plane
UNMET_NEIGHBOURS = 16  # most of which are not met either: more than a single point's noise
FACING_SAMPLES = 16  # nearest to a point, on both sides of a thin wall: one of them faces as the point does
SURFACE_SAMPLES, SCAN_SAMPLES = 100_000, 5_000  # points drawn on the mesh and of the scan
# A point is on one of two sheets with the surface in between if it and its neighbours are so far off it, in
# distances to the 8th neighbour, their heights have a kurtosis near 1, where that of noise is 3, and there is
# no more than one sheet of surface.
SHEETS_APART, TWO_SHEETS_KURTOSIS, ONE_SHEET = 0.04, 1.5, 1.5
ENCLOSED = 0.5  # winding number of the other parts within them
MAX_SHEETS = 2.5  # surface around a point over that of a plane; both sides of a thin wall make 2
MAX_UNMET_POINTS, MAX_UNSUPPORTED_AREA = 0.03, 0.25  # fractions of the points, of the area
MAX_OPPOSED_POINTS, MAX_TURNED_AREA, MAX_BETWEEN_SHEETS = 0.02, 0.02, 0.1
MAX_UNCHECKED_HANDLES, MIN_POINTS_PER_HANDLE = 5, 150  # handles, holes and parts; points of the scan for each


def plausibility_warnings(scan: PointCloud, mesh: Mesh, shape: Topology, size: Measures) -> list[str]:
    """What of `mesh` contradicts `scan`, both in one frame; empty if all looks well."""
    if len(scan) <= NEIGHBOURS:
        return []
    rng, tree = np.random.default_rng(0), cKDTree(scan.points)
    surface, corners = surface_points(mesh, SURFACE_SAMPLES, rng)
    facing = _normals(mesh, corners)
    cover, between = cKDTree(surface), np.sqrt(size.area / SURFACE_SAMPLES)

    def spread(points: Float) -> Float:
        """The distance from each of these points of the scan to its last neighbour."""
        return np.maximum(tree.query(points, NEIGHBOURS + 1)[0][:, -1], between)

    chosen = rng.choice(len(scan), min(len(scan), SCAN_SAMPLES), replace=False)
    asked = scan.points[chosen]
    last = spread(asked)
    radius = REACH_FACTOR * last
    around = cover.query_ball_point(asked, radius, return_length=True)
    sheets = around * (size.area / SURFACE_SAMPLES) / (np.pi * radius**2)
    group = tree.query(asked, min(UNMET_NEIGHBOURS, len(scan)))[1]
    members, member = np.unique(group, return_inverse=True)
    bound = UNMET_FACTOR * last.max() + between  # beyond it a point is not met; points in a hollow end here
    member = member.reshape(group.shape)
    away, foot = cover.query(scan.points[members], distance_upper_bound=bound)
    apart = np.median(away[member], axis=1) - between
    foot = foot.clip(max=len(surface) - 1)
    height = np.einsum("ij,ij->i", scan.points[members] - surface[foot], facing[foot])
    distance, nearest = tree.query(surface)
    handles = (shape.genus or 0) + (shape.components - 1) + (shape.boundary_loops or 0)
    found = _warnings(
        handles=handles,
        a_handle=len(scan) / max(handles, 1),
        sheets=float(np.median(sheets)),
        unmet=float((apart > UNMET_FACTOR * last).mean()),
        divided=float((_two_sheets(height[member], SHEETS_APART * last) & (sheets < ONE_SHEET)).mean()),
        unseen=float((distance > REACH_FACTOR * spread(scan.points[nearest])).mean()),
        opposed=0.0 if scan.normals is None else _opposed(cover, facing, asked, scan.normals[chosen], radius),
        turned=_turned(mesh, surface, corners, facing, size.area) if shape.outward is not None else 0.0,
    )
    if fills_space(scan.points):
        found.append(f"{FILLED}: what was made of them means little")
    return found


def _two_sheets(heights: Float, apart: Float) -> NDArray[np.bool_]:
    """Whether groups of points, by their `heights` (n, k), lie on two sheets, `apart` (n,) from both."""
    off = heights - heights.mean(1, keepdims=True)
    spread = (off**2).mean(1)
    return (spread > apart**2) & ((off**4).mean(1) < TWO_SHEETS_KURTOSIS * spread**2)


def _opposed(cover: cKDTree, facing: Float, points: Float, normals: Float, reach: Float) -> float:
    """The share of `points` whose `normals` have surface near them, but none that faces their way."""
    distance, near = cover.query(points, FACING_SAMPLES, distance_upper_bound=reach.max())
    cosine = np.einsum("ijk,ik->ij", facing[near.clip(max=len(facing) - 1)], normals)
    cosine[distance > reach[:, None]] = -np.inf
    best = cosine.max(1)
    return float(((best < 0) & np.isfinite(best)).mean())


def _normals(mesh: Mesh, corners: Int) -> Float:
    """The unit normals (n, 3) of triangles with area, given by `corners` (n, 3)."""
    a, b, c = (mesh.vertices[corners[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    return across / np.maximum(np.linalg.norm(across, axis=1, keepdims=True), np.finfo(float).tiny)


def _turned(mesh: Mesh, surface: Float, corners: Int, facing: Float, area: float) -> float:
    """The share of a closed mesh, by points of its `surface`, in parts that face the wrong way.

    A part faces outward if no other encloses it, and inward if one does.
    """
    part = part_of_vertices(mesh)[corners[:, 0]]
    size = np.bincount(part)
    middle = np.stack([np.bincount(part, axis) for axis in surface.T], axis=1) / np.maximum(size, 1)[:, None]
    outward = np.bincount(part, ((surface - middle[part]) * facing).sum(1)) > 0  # the sign of the volume
    shells = np.argsort(-size)[:MAX_SHELLS]
    each = np.full(len(part), area / len(part))
    enclosed = winding_of_others(surface, facing, each, part, shells) > ENCLOSED
    return float(size[shells][enclosed == outward[shells]].sum() / len(part))


def _warnings(
    handles: int,
    a_handle: float,
    sheets: float,
    unmet: float,
    divided: float,
    unseen: float,
    opposed: float,
    turned: float,
) -> list[str]:
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
    if unmet > MAX_UNMET_POINTS:
        found.append(
            f"{unmet:.0%} of the points have no surface near them: look at both (recon view), or keep all "
            "that comes (--parts all --trim off)"
        )
    if divided > MAX_BETWEEN_SHEETS:
        found.append(
            f"at {divided:.0%} of the points the surface runs between two sheets of them: walls too thin for "
            "normals to be estimated; give normals or the scanner's position (--sensor), or scan more densely"
        )
    if unseen > MAX_UNSUPPORTED_AREA:
        found.append(f"{unseen:.0%} of the surface has no points near it: --trim DISTANCE cuts it off")
    if opposed > MAX_OPPOSED_POINTS:
        found.append(
            f"at {opposed:.0%} of the points the surface faces away from the normals: try --normals file if "
            "those of the scan are right, or --normals estimate"
        )
    if turned > MAX_TURNED_AREA:
        found.append(
            f"{turned:.0%} of the surface faces the wrong way for what it encloses or is enclosed by: try "
            "--normals estimate, or give the scanner's position (--sensor)"
        )
    return found
