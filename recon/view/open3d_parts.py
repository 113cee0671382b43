"""Pieces of a stage as Open3D has them; and Open3D itself, or one line that says what it lacks."""

from __future__ import annotations

from typing import Any

import numpy as np

from recon.errors import MissingLibraryError
from recon.view.launch import INSTEAD, LIBRARIES
from recon.view.stage import Piece


def import_open3d() -> Any:
    """Open3D. Raises MissingLibraryError where it, or a library of the system that it needs, is not there."""
    try:
        import open3d
        import open3d.visualization.gui
        import open3d.visualization.rendering
    except ModuleNotFoundError as error:
        raise MissingLibraryError(
            f"the window needs Open3D ({error}): bash tools/setup view, or pip install open3d, {INSTEAD}"
        ) from None
    except (ImportError, OSError) as error:  # a library of the system is not there
        reason = str(error).splitlines()[0]
        raise MissingLibraryError(
            f"Open3D does not start ({reason}): apt-get install {LIBRARIES} (Debian, Ubuntu), {INSTEAD}"
        ) from None
    return open3d


def _tensor(array: np.ndarray | None, kind: type) -> Any:
    import open3d

    assert array is not None
    return open3d.core.Tensor.from_numpy(np.ascontiguousarray(array, kind))


def _colors(piece: Piece, count: int) -> Any:
    return _tensor(np.broadcast_to(piece.colors, (count, 3)) / np.float32(255), np.float32)


def triangles(piece: Piece) -> Any:
    """A piece of faces."""
    import open3d

    mesh = open3d.t.geometry.TriangleMesh()
    mesh.vertex.positions = _tensor(piece.places, np.float32)
    mesh.triangle.indices = _tensor(piece.faces, np.int32)
    mesh.vertex.colors = _colors(piece, len(piece.places))
    if piece.normals is not None:
        mesh.vertex.normals = _tensor(piece.normals, np.float32)
    return mesh


def points(piece: Piece) -> Any:
    """A piece of points."""
    import open3d

    cloud = open3d.t.geometry.PointCloud()
    cloud.point.positions = _tensor(piece.places, np.float32)
    cloud.point.colors = _colors(piece, len(piece.places))
    if piece.normals is not None:
        cloud.point.normals = _tensor(piece.normals, np.float32)
    return cloud


def lines(piece: Piece) -> Any:
    """A piece of lines."""
    import open3d

    found = open3d.t.geometry.LineSet()
    found.point.positions = _tensor(piece.places, np.float32)
    found.line.indices = _tensor(np.arange(len(piece.places)).reshape(-1, 2), np.int32)
    found.line.colors = _colors(piece, len(piece.places) // 2)
    return found
