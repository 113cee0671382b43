"""Which side of each part of a surface is outside: by its shape, and by what encloses it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from recon.geometry import Float, Frame, Int
from recon.scan.preparation.normal_reliability import MAX_CLOSED_AREA
from recon.scan.preparation.winding import point_areas, winding_number

MIN_MEAN_COSINE = 0.1  # between normals and radii: below it, an open part has no inside
MAX_RISE = 3.0  # of its mean normal upward, in that cosine: beyond, it is ground or a roof, seen from above
MAX_SHELLS, SHELL_SAMPLES = 50, 100  # parts, the largest, and points of each, that may be enclosed
MAX_DIPOLES = 20_000  # points of the other parts whose winding number tells


def outside_votes(
    points: Float, normals: Float, near: NDArray[np.int32], part: Int
) -> tuple[Float, NDArray[np.bool_]]:
    """Votes, positive where the normals of a part point outward or up; and which parts are closed.

    A closed part within another faces inward: it is a cavity; one within a cavity faces outward again.

    Args:
        points: (n, 3).
        normals: (n, 3), of one side of each part.
        near: (n, k) their neighbours.
        part: (n,) of each point, from 0.

    Returns:
        (parts,) and (parts,).
    """
    area = point_areas(points, near)
    summed = lambda values: np.stack([np.bincount(part, area * v) for v in values.T], axis=1)  # noqa: E731
    total = summed(np.ones((len(points), 1)))
    arm = points - (summed(points) / total)[part]
    flux = summed(normals) / total
    reach = np.linalg.norm(arm, axis=1, keepdims=True)
    hollow = summed((arm * normals).sum(1, keepdims=True)) / np.maximum(summed(reach), np.finfo(float).tiny)
    closed = np.linalg.norm(flux, axis=1) < MAX_CLOSED_AREA
    least = np.maximum(MIN_MEAN_COSINE, np.abs(flux[:, 2]) / MAX_RISE)
    votes = np.where(closed | (np.abs(hollow[:, 0]) > least), hollow[:, 0], flux[:, 2])
    size = np.bincount(part)
    shells = np.argsort(-np.where(closed, size, 0), kind="stable")[:MAX_SHELLS]
    shells = shells[closed[shells]]
    if len(shells) > 1:
        some = np.flatnonzero(np.isin(part, shells))
        outward = normals[some] * np.where(votes < 0, -1.0, 1.0)[part[some], None]
        depth = winding_of_others(points[some], outward, area[some], part[some], shells)
        votes[shells] *= np.where(np.rint(depth) % 2 == 1, -1.0, 1.0)
    return votes, closed


def winding_of_others(points: Float, normals: Float, areas: Float, part: Int, shells: Int) -> Float:
    """How often each of the `shells` (s,), numbers of parts, is enclosed by all other parts: (s,).

    It is the median winding number, at points of the shell, of all `points` (n, 3) with `normals` (n, 3)
    that stand for `areas` (n,) and are of another `part` (n,); 0 for a shell without points.
    """
    frame, found = Frame.around(points, margin=0.0), np.zeros(len(shells))
    where, areas = frame.to_unit(points), areas / frame.scale**2
    for number, shell in enumerate(shells):
        own, others = np.flatnonzero(part == shell), np.flatnonzero(part != shell)
        if not len(own) or not len(others):
            continue
        asked = where[own[:: max(1, len(own) // SHELL_SAMPLES)]]
        step = max(1, len(others) // MAX_DIPOLES)
        some = others[::step]
        around = winding_number(where[some], normals[some], step * areas[some], asked, torch.device("cpu"))
        found[number] = np.median(around)
    return found
