"""`recon learn shapes`: a space of solids, of the family in `recon.spaces.shape_sampler`."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from recon.base.files import atomic_path
from recon.base.progress import ProgressCallback, no_progress
from recon.meshing.extraction import extract
from recon.meshing.files import write_mesh
from recon.spaces.learn import LearnJob, save_summary, train_space
from recon.spaces.learned import Learned
from recon.spaces.shape_sampler import ShapeSampler, Solids, distances, observe, random_solids
from recon.spaces.shape_scores import BOX, scores
from recon.spaces.task import SpaceTask

EXAMPLE_SHAPES, EXAMPLE_POINTS, EXAMPLE_RESOLUTION = 3, 200, 96


def learn_shapes(job: LearnJob, scoring: ProgressCallback = no_progress) -> tuple[Learned, dict[str, Any]]:
    """A space of shapes, in the run folder, and a summary with its errors on shapes not seen in training.

    Writes examples of partial clouds and their shapes. Raises UsageError or FitError.
    """
    config = job.config
    wanted = config.learning
    sampler = ShapeSampler(wanted.batch, wanted.targets, wanted.halves, job.where)
    task = SpaceTask(sampler, wanted.latent_weight, wanted.weights_weight, config.seed)
    described = {"kind": "shapes", "axes": 3, "outputs": 1, "channels": 3, "size": 0}
    space, seconds = train_space(job, described, [], task)
    _examples(job.run)
    results = scores(space, scoring)
    return space, save_summary(job, space, seconds, results)


def _examples(run: Path) -> None:
    """Write clouds of one side of shapes, example-1.csv and so on, and the shapes, example-1.truth.ply."""
    generator = torch.Generator().manual_seed(1_000_003)
    solids = random_solids(EXAMPLE_SHAPES, generator)
    seen = observe(solids, EXAMPLE_POINTS, False, generator)
    for number in range(EXAMPLE_SHAPES):
        known = seen.known[number] > 0
        rows = torch.cat((seen.points[number], seen.values[number]), 1)[known].numpy()
        with atomic_path(run / f"example-{number + 1}.csv", overwrite=True) as temporary:
            np.savetxt(temporary, rows, "%.6f", ",", header="x,y,z,nx,ny,nz", comments="")
        mesh = extract(surface(solids[number : number + 1]), BOX, EXAMPLE_RESOLUTION)
        write_mesh(mesh, run / f"example-{number + 1}.truth.ply", overwrite=True)


def surface(solid: Solids) -> Any:
    """For `extract`: the distances (n,) of one shape at points (n, 3)."""
    return lambda x: distances(solid, x)[0]
