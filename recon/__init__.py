"""Point scans to surfaces with a neural signed distance field.

    import recon
    cloud = recon.read_cloud("scan.ply")
    result = recon.reconstruct(cloud)
    recon.write_mesh(result.mesh(), "mesh.ply")

Names load what they need when they are first used: importing `recon` alone is quick.
"""

from __future__ import annotations

import importlib
from typing import Any

from recon.version import VERSION

__version__ = VERSION

_HOME = {
    "Config": "recon.config",
    "Evaluation": "recon.evaluation",
    "Frame": "recon.geometry",
    "Mesh": "recon.geometry",
    "PRESETS": "recon.config",
    "PointCloud": "recon.geometry",
    "ReconError": "recon.errors",
    "Reconstruction": "recon.reconstruction",
    "batch": "recon.folders.batch",
    "evaluate": "recon.evaluation",
    "extract": "recon.mesh.extract",
    "inspect": "recon.inspection",
    "load": "recon.reconstruction",
    "load_fit": "recon.fitted",
    "load_space": "recon.learned",
    "read_cloud": "recon.scan.files",
    "read_clouds": "recon.scan.files",
    "read_mesh": "recon.mesh.files",
    "reconstruct": "recon.pipeline",
    "write_mesh": "recon.mesh.files",
    "write_report": "recon.report",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'recon' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
