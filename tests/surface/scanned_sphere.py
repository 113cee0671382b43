"""A sphere in survey coordinates, and settings with which it is reconstructed in seconds."""

import numpy as np

import recon
from recon.surface.settings import PRESETS, Config

RADIUS, CENTRE = 3.7, np.array([5.0e5, 5.4e6, 100.0])
SMALL: Config = PRESETS["standard"].with_(
    field={"width": 48},
    fit={"steps": 1500},
    surface={"on_surface": 500, "off_surface": 200, "prior_samples": 20_000},
    mesh={"resolution": 64},
)


def sphere(count: int = 3000) -> recon.PointCloud:
    normals = np.random.default_rng(0).normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return recon.PointCloud(CENTRE + RADIUS * normals, normals)
