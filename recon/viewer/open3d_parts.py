"""Pieces of a stage, and light, as Open3D objects; and Open3D itself."""

from typing import Any

import numpy as np

from recon.errors import MissingLibraryError
from recon.geometry import Float
from recon.render.camera import sunlight
from recon.viewer.piece import Piece
from recon.viewer.requirements import SCREENSHOT_HINT, SYSTEM_LIBRARIES

# Lux of directional and ambient light. The window shows shaded colours as they are; those of pictures are
# linear, and encoded after shading.
WINDOW_LUX, PICTURE_LUX = (48_000.0, 28_000.0), (80_000.0, 24_000.0)


def import_open3d() -> Any:
    """Open3D. Raises MissingLibraryError if it, or a system library that it needs, is missing."""
    try:
        import open3d
        import open3d.visualization.gui
        import open3d.visualization.rendering
    except ModuleNotFoundError as error:
        raise MissingLibraryError(
            f"the window needs Open3D ({error}): "
            f"bash tools/setup view, or pip install open3d, {SCREENSHOT_HINT}"
        ) from None
    except (ImportError, OSError) as error:  # a library of the system is not there
        reason = str(error).splitlines()[0]
        raise MissingLibraryError(
            f"Open3D does not start ({reason}): "
            f"apt-get install {SYSTEM_LIBRARIES} (Debian, Ubuntu), {SCREENSHOT_HINT}"
        ) from None
    return open3d


def tensor(array: np.ndarray, kind: type) -> Any:
    """The array as an Open3D tensor."""
    import open3d

    return open3d.core.Tensor.from_numpy(np.ascontiguousarray(array, kind))


def _colors(piece: Piece, count: int) -> Any:
    return tensor(np.broadcast_to(piece.colors, (count, 3)) / np.float32(255), np.float32)


def faces_of(places: np.ndarray, faces: np.ndarray, shades: Any, normals: np.ndarray | None) -> Any:
    """Triangles: `places` (n, 3), `faces` (m, 3), `shades` (n, 3) a tensor of RGB in 0..1."""
    import open3d

    mesh = open3d.t.geometry.TriangleMesh()
    mesh.vertex.positions = tensor(places, np.float32)
    mesh.triangle.indices = tensor(faces, np.int32)
    mesh.vertex.colors = shades
    if normals is not None:
        mesh.vertex.normals = tensor(normals, np.float32)
    return mesh


def triangles(piece: Piece) -> Any:
    """A piece of faces."""
    assert piece.faces is not None
    return faces_of(piece.places, piece.faces, _colors(piece, len(piece.places)), piece.normals)


def points(piece: Piece) -> Any:
    """A piece of points."""
    import open3d

    cloud = open3d.t.geometry.PointCloud()
    cloud.point.positions = tensor(piece.places, np.float32)
    cloud.point.colors = _colors(piece, len(piece.places))
    if piece.normals is not None:
        cloud.point.normals = tensor(piece.normals, np.float32)
    return cloud


def lines(piece: Piece) -> Any:
    """A piece of lines."""
    import open3d

    found = open3d.t.geometry.LineSet()
    found.point.positions = tensor(piece.places, np.float32)
    found.line.indices = tensor(np.arange(len(piece.places)).reshape(-1, 2), np.int32)
    found.line.colors = _colors(piece, len(piece.places) // 2)
    return found


def light(scene: Any, axes: tuple[Float, Float, Float], lux: tuple[float, float]) -> None:
    """Light a scene for a camera with these `axes`: right, upward, forward."""
    scene.enable_sun_light(True)
    scene.set_sun_light(np.float32(sunlight(*axes)), [1.0, 1.0, 1.0], lux[0])
    scene.enable_indirect_light(True)
    scene.set_indirect_light_intensity(lux[1])
