"""Point scans to surfaces with a neural signed distance field.

    import recon
    cloud = recon.read_cloud("scan.ply")
    result = recon.reconstruct(cloud)
    recon.write_mesh(result.mesh(), "mesh.ply")

Names load what they need when they are first used: importing `recon` alone is quick.
"""

import importlib
from typing import Any

from recon.version import VERSION

__version__ = VERSION

_MODULE_OF = {
    "Config": "recon.surface.settings",
    "Evaluation": "recon.surface.evaluation",
    "Frame": "recon.geometry",
    "Mesh": "recon.geometry",
    "PRESETS": "recon.surface.settings",
    "PointCloud": "recon.geometry",
    "ReconError": "recon.errors",
    "Reconstruction": "recon.surface.reconstruction",
    "batch": "recon.batching.batch",
    "evaluate": "recon.surface.evaluation",
    "extract": "recon.meshing.extraction",
    "inspect": "recon.info.inspection",
    "load": "recon.surface.reconstruction",
    "load_fit": "recon.signals.fitted",
    "load_space": "recon.spaces.learned",
    "read_cloud": "recon.scan.files",
    "read_clouds": "recon.scan.files",
    "read_mesh": "recon.meshing.files",
    "reconstruct": "recon.surface.pipeline",
    "write_mesh": "recon.meshing.files",
    "write_report": "recon.report.page",
}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'recon' has no attribute '{name}'")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
