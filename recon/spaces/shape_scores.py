"""How well shapes are completed from some points of their surfaces, compared with baselines without learning.

    mean shape      the mean distance of shapes of the family, whatever is known
    nearest shape   of a bank of the family, the one on whose surface the known points lie best

distance: mean |Φ - d| around the surface and in the box, d truncated; surface: mean distance from the
completed surface to the true one, and back, of meshes; both in thousandths of half the box.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recon.base.progress import ProgressCallback, no_progress
from recon.errors import ExtractError
from recon.meshing.extraction import extract
from recon.meshing.triangles import distance_to_mesh
from recon.spaces.encoders import Observation
from recon.spaces.learned import Learned
from recon.spaces.shape_sampler import (
    NEAR_SIGMA,
    TRUNCATION,
    Solids,
    distances,
    observe,
    on_surface,
    random_solids,
    truncated_distances,
)

BOX = np.array([[-1.05, -1.05, -1.05], [1.05, 1.05, 1.05]])
TEST_SHAPES, MESHED_SHAPES, BANK_SHAPES, MESH_RESOLUTION, POINTS_PER_SHAPE = 64, 8, 1000, 64, 2000
CONTEXTS = {
    "30, one side": (30, False),
    "300, one side": (300, False),
    "30, all round": (30, True),
    "300, all round": (300, True),
}
Completed = Callable[[int, Tensor], Tensor]  # (which shape, x (n, 3)) → truncated distances (n,)


def scores(space: Learned, progress: ProgressCallback = no_progress, seed: int = 2_000_003) -> dict[str, Any]:
    """Errors by method and by what is known, of shapes not seen in training."""
    generator = torch.Generator().manual_seed(seed)
    solids, bank = random_solids(TEST_SHAPES, generator), random_solids(BANK_SHAPES, generator)
    near, _, _ = on_surface(solids, POINTS_PER_SHAPE // 2, generator)
    near = near + NEAR_SIGMA * torch.randn(near.shape, generator=generator)
    x = torch.cat((near, 2 * torch.rand(near.shape, generator=generator) - 1), 1)
    truth = truncated_distances(solids, x)[..., 0]
    surfaces, _, on = on_surface(solids[:MESHED_SHAPES], POINTS_PER_SHAPE, generator)
    found: dict[str, dict[str, dict[str, float]]] = {"distance": {}, "surface": {}}
    for place, (name, (count, whole)) in enumerate(CONTEXTS.items()):
        seen = observe(solids, count, whole, generator)
        weights = space.weights(space.latents(on_device(seen, space.device)))
        best = nearest(bank, seen)
        methods: dict[str, Completed] = {
            "field": lambda which, at, weights=weights: _values(space, weights[which], at),  # type: ignore[misc]
            "mean shape": lambda which, at: truncated_distances(bank[:256], at)[..., 0].mean(0),
            "nearest shape": lambda which, at, best=best: truncated_distances(
                bank[best[which : which + 1]], at
            )[0, :, 0],  # type: ignore[misc]
        }
        for number, (method, completed) in enumerate(methods.items()):
            progress((place + number / len(methods)) / len(CONTEXTS), "comparing")
            errors = [(completed(one, x[one]) - truth[one]).abs().mean() for one in range(TEST_SHAPES)]
            found["distance"].setdefault(method, {})[name] = (
                1000 * TRUNCATION * float(torch.stack(errors).mean())
            )
            found_distances = [
                surface_distance(completed, one, solids[one : one + 1], surfaces[one][on[one]])
                for one in range(MESHED_SHAPES)
            ]
            found["surface"].setdefault(method, {})[name] = 1000 * float(np.mean(found_distances))
    progress(1.0, "")
    return found


def surface_distance(completed: Completed, which: int, solid: Solids, points: Tensor) -> float:
    """Mean distance from a completed surface to that of `solid` and back; 1 without a surface."""
    try:
        mesh = extract(lambda x: completed(which, x), BOX, MESH_RESOLUTION)
    except ExtractError:
        return 1.0
    vertices = torch.tensor(mesh.vertices, dtype=torch.float32)
    forth = float(distances(solid, vertices).abs().mean())
    return (forth + float(distance_to_mesh(points.double().numpy(), mesh).mean())) / 2


def nearest(bank: Solids, seen: Observation) -> Tensor:
    """For each observation (b,) the shape of `bank` on which its points lie best."""
    rows = []
    for points, known in zip(seen.points, seen.known, strict=True):
        rows.append((distances(bank, points).abs() * known).sum(1).argmin())
    return torch.stack(rows)


def on_device(seen: Observation, device: torch.device) -> Observation:
    """The observation on `device`."""
    return Observation(*(part.to(device) for part in vars(seen).values()))


def _values(space: Learned, weights: Tensor, x: Tensor) -> Tensor:
    return space.values(weights[None], x.to(space.device))[0, :, 0].cpu().clamp(-1, 1)
