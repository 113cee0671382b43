"""Signs for the normals of things that touch: a ball on the ground, a box on a table.

Where two sheets are nearer to each other than their points are, neighbours take them for one, and give both
one side: the ball's lower half and the ground below it face down, and so does all of the ground. What points
see of each other across the free space beside the touch tells (`sight.py`). It sees through holes, too, so it
is believed only where

- it cuts the surface at edges and where sheets run together, not through the middle of a flat one, and
- the winding number then falls from about the same value to about the same value all over the surface. Where
  two parts that bound the same space face opposite ways, these values differ by up to one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from recon.geometry import Float, Frame, Int
from recon.scan.preparation.orientation import (
    Seams,
    first_clusters,
    merged,
    pair_votes,
    signs_by_votes,
    weak_vote,
)
from recon.scan.preparation.sight import SPACING_NEIGHBOURS, SightPairs, sight_pairs
from recon.scan.preparation.winding import WindingNumber, point_areas

MIN_POINTS = 200  # of fewer, sight tells nothing
MAX_PATCHES = 400  # that sight joins: each is of many points, some of which look
LOOSE = 0.03  # weight of a pair of neighbours that are not both flat
SIGHT_WEIGHTS = 1.0, 3.0, 10.0, 30.0  # of all that is seen, over all loose pairs: to try
MAX_FLAT_CUT = 0.5  # share of the flat in all pairs that are cut
MAX_DEVIATION = 0.85  # of the level, over that of the signs by neighbours
DIPOLES, LEVELS = 20_000, 3_000  # points: that are summed, and at which
LEVEL_SPACINGS = 2.5  # how far from the surface


def of_one_side(
    points: Float,
    lines: Float,
    near: NDArray[np.integer],
    turned: Callable[[Float, Int], Float],
    threads: int = 1,
) -> Float:
    """Normals (n, 3) that are of one side: by neighbours or, where these are wrong, by sight.

    Args:
        points: (n, 3).
        lines: (n, 3) the normals up to their signs.
        near: (n, k) indices of the neighbours, without the points themselves.
        turned: given signs (n,) and the part (n,) of each point, returns normals with each part turned to
            its side.
        threads: that share the work.
    """
    if not near.size:
        return turned(np.ones(len(points)), np.arange(len(points)))
    votes, flat = pair_votes(points, lines, near, threads)
    signs, part = signs_by_votes(votes, near, threads)
    best = turned(signs, part)
    if len(points) < MIN_POINTS:
        return best
    pairs = sight_pairs(points, lines, near, threads).select(part)
    flat_pairs = flat[:, None] & flat[near]
    agreed = _agreement(votes, near, signs) > 0
    least = np.inf
    for other, part in _by_sight(np.where(flat_pairs, votes, LOOSE * votes), near, pairs, threads):
        cut = np.where(agreed & (_agreement(votes, near, other) < 0), np.abs(votes), 0.0)
        if not cut.any() or cut[flat_pairs].sum() > MAX_FLAT_CUT * cut.sum():
            continue
        if np.isinf(least):
            least = MAX_DEVIATION * level_deviation(points, best, near, threads)
        normals = turned(other, part)
        deviation = level_deviation(points, normals, near, threads)
        if deviation < least:
            best, least = normals, deviation
    return best


def _agreement(votes: NDArray[np.float32], near: NDArray[np.integer], signs: Float) -> NDArray[np.float32]:
    """(n, k) positive where `signs` (n,) are those that the pair votes for."""
    signs = signs.astype(np.float32)
    return votes * signs[:, None] * signs[near]


def _by_sight(
    votes: NDArray[np.float32], near: NDArray[np.integer], pairs: SightPairs, threads: int
) -> list[tuple[Float, Int]]:
    """Signs and parts (n,) by weighted `votes` (n, k) and by sight, for each of its weights."""
    first, cluster, seams = first_clusters(votes, near, LOOSE * weak_vote(votes), threads)
    flip, patch, seams = merged(seams, int(cluster.max()) + 1, most=MAX_PATCHES)
    signs, patch = first * flip[cluster], patch[cluster]
    count = int(patch.max()) + 1
    seen = signs[pairs.a] * signs[pairs.b] * pairs.votes
    far = Seams.summed([Seams(patch[pairs.a], patch[pairs.b], seen, np.abs(seen), np.ones(len(seen)))], count)
    if not far.sure.sum():
        return []
    found = []
    for weight in SIGHT_WEIGHTS:
        weight *= float(np.minimum(seams.sure, LOOSE * seams.pairs).sum() / far.sure.sum())
        weighted = Seams(far.a, far.b, weight * far.net, weight * far.sure, far.pairs)
        flip, part, _ = merged(Seams.summed([seams, weighted], count), count)
        found.append((signs * flip[patch], part[patch]))
    return found


def level_deviation(
    points: Float, normals: Float, near: NDArray[np.integer], threads: int = 1, seed: int = 0
) -> float:
    """How much the winding number differs along a surface: the mean absolute deviation from its median.

    It is that of the mean of both sides, at some of the `points` (n, 3) with `normals` (n, 3) and neighbours
    `near` (n, k). Of two balls one within the other, all of whose normals are outward, it is a half (levels
    of 1/2 and 3/2 on as many points each), and zero if those of the inner one, a cavity, are inward.
    """
    rng, unit = np.random.default_rng(seed), Frame.around(points, margin=0.0).to_unit(points)
    chosen = np.sort(rng.permutation(len(points))[:DIPOLES])
    each = len(points) / len(chosen)
    winding = WindingNumber(unit[chosen], normals[chosen], each * point_areas(unit, near)[chosen], threads)
    asked = rng.permutation(len(points))[:LEVELS]
    spacing = np.linalg.norm(unit[near[asked, :SPACING_NEIGHBOURS]] - unit[asked, None], axis=2).mean(1)
    aside = (LEVEL_SPACINGS * np.sqrt(each) * spacing)[:, None] * normals[asked]
    level = winding(np.concatenate([unit[asked] + aside, unit[asked] - aside])).reshape(2, -1).mean(0)
    return float(np.abs(level - np.median(level)).mean())
