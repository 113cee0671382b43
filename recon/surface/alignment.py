"""Moves a mesh onto its reference, where both are the same thing in different frames.

By Open3D: features of the points' neighbourhoods (FPFH, Rusu, Blodow, Beetz 2009,
doi:10.1109/ROBOT.2009.5152473) find where it lies about, and points to planes (Chen and Medioni 1992,
doi:10.1016/0262-8856(92)90066-C) draw it near. Then the planes of the reference's own triangles do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from recon.errors import MissingLibraryError, ScanError
from recon.geometry import Float, Frame, Mesh, PointCloud
from recon.meshing.triangles import Triangles, surface_points

SAMPLES = 50_000
COARSE_CELL = 0.06  # of half the reference's longest side, here and below
FEATURE_RADII = 5.0  # in cells
COARSE, FINE = (0.2, 0.1, 0.05), (0.02, 0.01, 0.005)  # reaches of points that are drawn near
LIGHT_SAMPLES = 5_000  # of them, which tell from where to start
GOOD = 1.3  # distances between neighbours in the reference's samples, on average: near enough
ROUNDS, EXACT_ROUNDS = 60, 10
MAX_GUESSES, TRIES = 20_000, 4  # of the search for where it lies
MET_DISTANCE, MIN_MET = 0.03, 0.5  # the share of the samples that have to be so near at the end


@dataclass(frozen=True, eq=False)
class Alignment:
    """How a mesh was moved.

    Attributes:
        matrix: (4, 4) float64, world: a rotation and a shift, of columns (x, y, z, 1).
        met: the share of the mesh that is near its reference afterwards.
        away: the mean distance of the mesh to it, far ones cut off, in half the reference's longest side.
    """

    matrix: Float
    met: float
    away: float

    def line(self) -> str:
        """What was done, for people."""
        angle = np.degrees(np.arccos(np.clip((np.trace(self.matrix[:3, :3]) - 1) / 2, -1, 1)))
        return (
            f"aligned: the mesh was turned by {angle:.3g} degrees and shifted; {self.met:.0%} of it is near "
            "the reference"
        )


def aligned(mesh: Mesh, reference: Mesh | PointCloud, seed: int = 0) -> tuple[Mesh, Alignment]:
    """`mesh` turned and shifted onto `reference`, and how; sizes stay as they are.

    Raises:
        ScanError: if they do not fit, or as `recon.evaluate`.
        MissingLibraryError: without Open3D.
    """
    o3d = _open3d()
    o3d.utility.random.seed(seed)
    rng = np.random.default_rng(seed)
    frame = Frame.around(_points(reference, rng)[0], margin=0.0)
    points, normals = _points(mesh, rng)
    center = points.mean(0)  # each in a frame of its own: survey offsets cost no precision
    moving = _cloud(o3d, (points - center) / frame.scale, normals)
    points, normals = _points(reference, rng)
    fixed = _cloud(o3d, frame.to_unit(points), normals)
    start = np.eye(4)
    start[:3, 3] = (center - frame.center) / frame.scale
    best = _drawn_near(o3d, moving, fixed, _about(o3d, moving, fixed, start), FINE)
    if best.met < MIN_MET:
        raise ScanError(
            f"mesh and reference do not fit: at best {best.met:.0%} of the mesh lies near the reference; "
            "--align turns and shifts, but does not scale"
        )
    matrix = best.matrix
    if isinstance(reference, Mesh):
        matrix = _refined(np.asarray(moving.points), Triangles(reference, frame, "the reference"), matrix)
    rotation, shift = matrix[:3, :3], matrix[:3, 3]
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    matrix[:3, 3] = frame.scale * shift + frame.center - rotation @ center
    vertices = (mesh.vertices - center) @ rotation.T + frame.scale * shift + frame.center
    turned = None if mesh.normals is None else mesh.normals @ rotation.T
    return replace(mesh, vertices=vertices, normals=turned), replace(best, matrix=matrix)


def _refined(points: Float, fixed: Triangles, matrix: Float) -> Float:
    """`matrix` improved so that `points` (n, 3) lie on `fixed`, by Gauss-Newton steps on their heights."""
    for _ in range(EXACT_ROUNDS):
        moved = points @ matrix[:3, :3].T + matrix[:3, 3]
        distance, face = fixed.nearest(moved)
        near = distance < FINE[-1]
        moved, normals = moved[near], fixed.normals[face[near]]
        height = np.einsum("ij,ij->i", moved - fixed.vertices[fixed.faces[face[near], 0]], normals)
        step, *_ = np.linalg.lstsq(np.hstack([np.cross(moved, normals), normals]), -height, rcond=None)
        change = np.eye(4)
        change[:3, :3], change[:3, 3] = Rotation.from_rotvec(step[:3]).as_matrix(), step[3:]
        matrix = change @ matrix
    return matrix


def _open3d() -> Any:
    try:
        import open3d
    except ImportError:
        raise MissingLibraryError("--align needs Open3D: bash tools/setup view") from None
    return open3d


def _points(thing: Mesh | PointCloud, rng: np.random.Generator) -> tuple[Float, Float | None]:
    """Points of a thing, world, and their normals."""
    if isinstance(thing, PointCloud):
        chosen = rng.permutation(len(thing))[:SAMPLES]
        return thing.points[chosen], None if thing.normals is None else thing.normals[chosen]
    points, corners = surface_points(thing, SAMPLES, rng)
    a, b, c = (thing.vertices[corners[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    return points, across / np.linalg.norm(across, axis=1, keepdims=True).clip(1e-300)


def _cloud(o3d: Any, points: Float, normals: Float | None) -> Any:
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points))
    if normals is None:
        cloud.estimate_normals(o3d.geometry.KDTreeSearchParamKNN(16))
    else:
        cloud.normals = o3d.utility.Vector3dVector(normals)
    return cloud


def _about(o3d: Any, moving: Any, fixed: Any, start: Float) -> Float:
    """Where `moving` lies about: at `start`, or else where features say, the best of some tries."""
    few, some = (
        cloud.random_down_sample(min(1.0, LIGHT_SAMPLES / len(cloud.points))) for cloud in (moving, fixed)
    )
    apart = np.asarray(some.compute_nearest_neighbor_distance()).mean()  # so near is all that samples can be
    best = _drawn_near(o3d, few, some, start, COARSE)
    for _ in range(TRIES):
        if best.away < GOOD * apart:
            break
        other = _drawn_near(o3d, few, some, _found(o3d, moving, fixed), COARSE)
        best = min(best, other, key=lambda one: one.away)
    return best.matrix


def _found(o3d: Any, moving: Any, fixed: Any) -> Float:
    """Where `moving` lies about, by features."""
    registration, search = o3d.pipelines.registration, o3d.geometry.KDTreeSearchParamHybrid
    coarse = [cloud.voxel_down_sample(COARSE_CELL) for cloud in (moving, fixed)]
    features = [
        registration.compute_fpfh_feature(cloud, search(FEATURE_RADII * COARSE_CELL, 100)) for cloud in coarse
    ]
    found = registration.registration_ransac_based_on_feature_matching(
        *coarse,
        *features,
        True,
        1.5 * COARSE_CELL,
        registration.TransformationEstimationPointToPoint(False),
        3,
        [
            registration.CorrespondenceCheckerBasedOnEdgeLength(0.9),
            registration.CorrespondenceCheckerBasedOnDistance(1.5 * COARSE_CELL),
        ],
        registration.RANSACConvergenceCriteria(MAX_GUESSES, 0.999),
    )
    return np.array(found.transformation)


def _drawn_near(o3d: Any, moving: Any, fixed: Any, start: Float, reaches: Sequence[float]) -> Alignment:
    """`start` improved, in the frame of both."""
    registration, matrix = o3d.pipelines.registration, start
    for reach in reaches:
        robust = registration.TukeyLoss(reach)
        found = registration.registration_icp(
            moving,
            fixed,
            reach,
            matrix,
            registration.TransformationEstimationPointToPlane(robust),
            registration.ICPConvergenceCriteria(max_iteration=ROUNDS),
        )
        matrix = np.array(found.transformation)
    moved = np.asarray(moving.points) @ matrix[:3, :3].T + matrix[:3, 3]
    distance, _ = cKDTree(np.asarray(fixed.points)).query(moved)
    met, away = (distance < MET_DISTANCE).mean(), distance.clip(max=COARSE[0]).mean()
    return Alignment(matrix, float(met), float(away))
