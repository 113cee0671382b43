"""`recon complete` of shapes: a closed surface from points of a part of it, by a learnt space of shapes."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recon.errors import ScanError, UsageError
from recon.field.derivatives import value_and_gradient
from recon.field.kernels import fast_kernels
from recon.meshing.extraction import extract
from recon.meshing.files import check_mesh_path, write_mesh
from recon.meshing.topology import topology
from recon.scan.files import read_cloud
from recon.spaces.encoders import Observation
from recon.spaces.learned import Learned
from recon.spaces.shape_scores import BOX

MAX_POINTS = 20_000  # given to the encoder


def complete_shape(
    space: Learned,
    source: str | Path,
    out: Path,
    *,
    keep: int | None = None,
    resolution: int = 128,
    seed: int = 0,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Complete the surface of which `source` has some points and write its mesh to `out`; returns a summary.

    The points have normals, and are placed as the family is, in the box from -1 to 1: a part does not tell
    the size of the whole. `keep` uses as many of them, randomly drawn.

    Raises:
        ReconError: ScanError, OutputError, UsageError, or ExtractError if the completed field has no surface.
    """
    began = time.monotonic()
    check_mesh_path(out)
    if not 16 <= resolution <= 1024:
        raise UsageError(f"resolution {resolution}, expected between 16 and 1024")
    cloud = read_cloud(source)
    if cloud.normals is None:
        raise ScanError(f"{source} has no normals: expected points with the surface's normals")
    if np.abs(cloud.points).max() > 1.05:
        raise ScanError(f"{source} reaches beyond the box from -1 to 1 that contains the shapes of the space")
    count = min(keep or MAX_POINTS, len(cloud.points))
    if keep is not None and not 1 <= keep <= len(cloud.points):
        raise UsageError(
            f"{keep} points to keep, expected 1 to {len(cloud.points):,}, the number in {source}"
        )
    which = np.random.default_rng((seed, 3)).permutation(len(cloud.points))[:count]
    points, normals = (
        torch.tensor(part[which][None], dtype=torch.float32, device=space.device)
        for part in (cloud.points, cloud.normals)
    )
    seen = Observation(points, normals, torch.ones(points.shape[:2], device=space.device))
    field = space.space.field(space.weights(space.latents(seen))[0])
    with fast_kernels():
        mesh = extract(
            lambda x: field.values(x)[:, 0],
            BOX,
            resolution,
            value_and_gradient=lambda x: value_and_gradient(field, x),
            device=space.device,
        )
    write_mesh(mesh, out, overwrite=overwrite)
    shape = topology(mesh)
    return {
        "input": str(source),
        "output": str(out),
        "known": count,
        "vertices": shape.vertices,
        "faces": shape.faces,
        "watertight": shape.watertight,
        "components": shape.components,
        "genus": shape.genus,
        "seconds_all": round(time.monotonic() - began, 2),
    }
