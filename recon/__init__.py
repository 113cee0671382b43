"""Point scans to surfaces with a neural signed distance field.

    import recon
    cloud = recon.read_cloud("scan.ply")
    result = recon.reconstruct(cloud)
    recon.write_mesh(result.mesh(), "mesh.ply")

Names load what they need when they are first used: importing `recon` alone is quick.
"""

import importlib
from typing import TYPE_CHECKING, Any

from recon.version import VERSION

if TYPE_CHECKING:  # what type checkers and editors know of the names below
    from recon.batching.batch import batch as batch
    from recon.errors import ReconError as ReconError
    from recon.geometry import Frame as Frame
    from recon.geometry import Mesh as Mesh
    from recon.geometry import PointCloud as PointCloud
    from recon.info.inspection import inspect as inspect
    from recon.meshing.extraction import extract as extract
    from recon.meshing.files import read_mesh as read_mesh
    from recon.meshing.files import write_mesh as write_mesh
    from recon.report.run_page import write_report as write_report
    from recon.scan.files import read_cloud as read_cloud
    from recon.scan.files import read_clouds as read_clouds
    from recon.signals.fitted import load_fit as load_fit
    from recon.spaces.learned import load_space as load_space
    from recon.surface.evaluation import Evaluation as Evaluation
    from recon.surface.evaluation import evaluate as evaluate
    from recon.surface.pipeline import reconstruct as reconstruct
    from recon.surface.reconstruction import Reconstruction as Reconstruction
    from recon.surface.reconstruction import load as load
    from recon.surface.scenes.reconstruction import load_scene as load_scene
    from recon.surface.settings import PRESETS as PRESETS
    from recon.surface.settings import Config as Config

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
    "load_scene": "recon.surface.scenes.reconstruction",
    "load_space": "recon.spaces.learned",
    "read_cloud": "recon.scan.files",
    "read_clouds": "recon.scan.files",
    "read_mesh": "recon.meshing.files",
    "reconstruct": "recon.surface.pipeline",
    "write_mesh": "recon.meshing.files",
    "write_report": "recon.report.run_page",
}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'recon' has no attribute '{name}'")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
