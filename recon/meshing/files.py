"""Mesh files, written and read; the path's ending is the format.

World coordinates keep their precision: PLY, OBJ and OFF hold them in full, GLB holds single precision about a
centre that a node of the scene places. STL has neither: if single precision is too coarse that far from the
origin, a round offset is subtracted, which a warning and the file's header name. 3MF states the unit, and
STL is read as millimetres by programs for printing. GLB and OBJ take a texture, OBJ as files beside it
(`texture_files.py`). The log also says if programs that read OBJ or GLB in single precision lose detail, and
if vertices are so close that programs merge them. Scalars of the vertices go into PLY under their names, and
into GLB as `_NAME` if all are finite.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import IO, BinaryIO

import numpy as np
from numpy.typing import NDArray

from recon.base.files import OnWritten, atomic_path, nothing_more
from recon.errors import (
    OutputError,
    ScanError,
    ShapeError,
    UsageError,
    check_callable,
    check_kind,
    check_path,
)
from recon.geometry import Float, Int, Mesh, face_normals
from recon.meshing.atlas import Texture, check_unwrapping
from recon.meshing.gltf import glb
from recon.meshing.texture_files import material_name, write_material
from recon.meshing.threemf import DEFAULT_UNIT, write_3mf
from recon.scan.files import read_any

CHUNK_LINES = 100_000
MAX_ROUNDING = 1e-6  # of the mesh's diagonal: a tenth of a triangle's minimum height
PLY_KINDS = {"<f8": "double", "<f4": "float", "u1": "uchar"}
MERGE_DISTANCE = 1e-8  # in any unit: other programs merge vertices that are equal when rounded to it

log = logging.getLogger("recon")


def read_mesh(path: str | Path) -> Mesh:
    """Reads a mesh in any of these formats, world frame, triangulated. Raises ScanError without faces."""
    content = read_any(path)
    if not isinstance(content, Mesh):
        raise ScanError(f"{path} holds points without faces, expected a triangle mesh")
    return content


def check_mesh_path(path: str | Path, uncertainty: bool = False, texture: bool = False) -> None:
    """Raises UsageError if `write_mesh` does not know the ending of `path`, or it does not hold these.

    Raises MissingLibraryError if a texture cannot be made.
    """
    ending = Path(path).suffix
    if ending.lower() not in WRITERS:
        raise UsageError(f"cannot write {path}: its ending '{ending}' is not one of {' '.join(WRITERS)}")
    if uncertainty and ending.lower() not in SCALAR_ENDINGS:
        raise UsageError(f"{ending} holds no scalars: error bars need {' or '.join(SCALAR_ENDINGS)}")
    if texture and ending.lower() not in TEXTURE_ENDINGS:
        raise UsageError(f"{ending} holds no texture: that needs {' or '.join(TEXTURE_ENDINGS)}")
    if texture:
        check_unwrapping()


def write_mesh(
    mesh: Mesh,
    path: str | Path,
    *,
    texture: Texture | None = None,
    overwrite: bool = False,
    on_written: OnWritten = nothing_more,
) -> None:
    """Writes `mesh` atomically, with normals and colours if the format has them.

    Args:
        mesh: in the world frame.
        path: its ending, ply, obj, stl, glb, off or 3mf, is the format.
        texture: of this mesh, instead of colours of its vertices; in GLB and OBJ.
        overwrite: replace an existing file.
        on_written: called with the file before it is renamed to `path`.

    Raises:
        UsageError: unknown ending, or one that holds no texture.
        ShapeError: the texture is another mesh's.
        OutputError: the mesh has no faces, the file exists, or the disk refuses.
    """
    check_kind("mesh", mesh, Mesh, "a Mesh")
    check_mesh_path(check_path("path", path), texture=texture is not None)
    check_callable("on_written", on_written)
    check_kind("texture", texture, Texture | None, "a Texture")
    if texture is not None and len(texture.atlas.faces) != len(mesh.faces):
        raise ShapeError(
            f"the texture is of a mesh of {len(texture.atlas.faces):,} faces, this has {len(mesh.faces):,}"
        )
    if len(mesh.faces) == 0:
        raise OutputError(f"cannot write {path}: the mesh has no faces")
    _warn_of_merging(mesh.vertices)
    if Path(path).suffix.lower() in (".obj", ".glb") and _is_far(mesh.vertices):
        log.info("programs that read %s in single precision (Open3D) round it too coarsely: use PLY", path)
    ending = Path(path).suffix.lower()
    if texture is not None and ending == ".obj":
        write_material(texture, path, overwrite)
    with atomic_path(path, overwrite, on_written) as temporary, temporary.open("wb") as stream:
        if texture is None:
            WRITERS[ending](mesh, stream)
        elif ending == ".obj":
            _obj(mesh, stream, texture, material_name(path))
        else:
            _glb(mesh, stream, texture)


def _ply(mesh: Mesh, stream: BinaryIO) -> None:
    counts = len(mesh.vertices), len(mesh.faces)
    stream.write(ply_header(mesh.values, mesh.normals is not None, mesh.colors is not None, *counts))
    stream.write(ply_vertices(mesh))
    stream.write(ply_faces(mesh.faces))


def ply_header(values: Iterable[str], normals: bool, colors: bool, vertices: int, faces: int) -> bytes:
    """The header of a PLY mesh whose vertices have these; `ply_vertices` and `ply_faces` follow."""
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {vertices}"]
    fields = _ply_fields(values, normals, colors)
    header += [f"property {PLY_KINDS[dtype]} {name}" for name, dtype in fields]
    header += [f"element face {faces}", "property list uchar int vertex_indices", "end_header", ""]
    return "\n".join(header).encode()


def ply_vertices(mesh: Mesh) -> memoryview:
    """The rows of the vertices of `mesh`."""
    fields = _ply_fields(mesh.values, mesh.normals is not None, mesh.colors is not None)
    columns = [*mesh.vertices.T, *([] if mesh.normals is None else mesh.normals.T)]
    columns += [] if mesh.colors is None else [*mesh.colors.T]
    rows = np.empty(len(mesh.vertices), fields)
    for (name, _), column in zip(fields, [*columns, *mesh.values.values()], strict=True):
        rows[name] = column
    return rows.data


def ply_faces(faces: Int) -> memoryview:
    """The rows of faces (m, 3)."""
    rows = np.empty(len(faces), [("count", "u1"), ("corners", "<i4", 3)])
    rows["count"], rows["corners"] = 3, faces
    return rows.data


def _ply_fields(values: Iterable[str], normals: bool, colors: bool) -> list[tuple[str, str]]:
    """The names and types of a vertex's numbers."""
    fields = [(name, "<f8") for name in "xyz"]
    fields += [(f"n{name}", "<f4") for name in "xyz"] if normals else []
    fields += [(name, "u1") for name in ("red", "green", "blue")] if colors else []
    return fields + [(name, "<f8") for name in _unlike(values, {name for name, _ in fields})]


def _named(mesh: Mesh) -> dict[str, Float]:
    """The values of `mesh` under names of one word each."""
    return dict(zip(_unlike(mesh.values, set()), mesh.values.values(), strict=True))


def _unlike(names: Iterable[str], taken: set[str]) -> list[str]:
    """`names` as one word each, different from each other and from those that are `taken`."""
    found: list[str] = []
    for name in names:
        name = "_".join(name.split()) or "value"
        while name in taken or name in found:
            name += "_"
        found.append(name)
    return found


def _obj(mesh: Mesh, stream: BinaryIO, texture: Texture | None = None, material: str = "") -> None:
    vertices, line = mesh.vertices, b"v %r %r %r\n"
    if mesh.colors is not None and texture is None:  # as shares of 1, as most programs read them
        vertices, line = np.hstack([vertices, mesh.colors / 255.0]), b"v %r %r %r %.4f %.4f %.4f\n"
    _write_lines(stream, line, vertices)
    corner, columns = b" %d", [mesh.faces + 1]
    if texture is not None:
        stream.write(f"mtllib {material}\nusemtl surface\n".encode())
        _write_lines(stream, b"vt %.7f %.7f\n", texture.atlas.uv)
        corner, columns = b" %d/%d", [*columns, texture.atlas.faces + 1]
    if mesh.normals is not None:
        _write_lines(stream, b"vn %.7f %.7f %.7f\n", mesh.normals)
        corner, columns = corner + (b"//%d" if texture is None else b"/%d"), [*columns, mesh.faces + 1]
    _write_lines(stream, b"f" + 3 * corner + b"\n", np.stack(columns, axis=2).reshape(len(mesh.faces), -1))


def _off(mesh: Mesh, stream: BinaryIO) -> None:
    keyword, vertices, line = b"OFF", mesh.vertices, b"%r %r %r\n"
    if mesh.colors is not None:
        keyword, line = b"COFF", b"%r %r %r %d %d %d 255\n"
        vertices = np.hstack([vertices, mesh.colors])
    stream.write(b"%b\n%d %d 0\n" % (keyword, len(mesh.vertices), len(mesh.faces)))
    _write_lines(stream, line, vertices)
    _write_lines(stream, b"3 %d %d %d\n", mesh.faces)


def _write_lines(stream: IO[bytes], line: bytes, rows: NDArray) -> None:
    """`line` filled with each row; %r is the shortest text that reads back as the same number."""
    for i in range(0, len(rows), CHUNK_LINES):
        part = rows[i : i + CHUNK_LINES]
        stream.write(line * len(part) % tuple(part.ravel().tolist()))


def _stl(mesh: Mesh, stream: BinaryIO) -> None:
    offset = _stl_offset(mesh.vertices)
    corners = (mesh.vertices - offset).astype("<f4") + np.float32(0)  # which leaves one zero of two
    header = "recon"
    if offset.any():
        text = " ".join(map(repr, offset.tolist()))
        header += f", less {text}"
        log.warning(
            "STL has single precision, too coarse for this mesh so far from the origin: %s was subtracted; "
            "PLY, OBJ, OFF and GLB keep the coordinates",
            text,
        )
    if mesh.unit not in (None, DEFAULT_UNIT):
        log.info("STL has no unit, and is printed in millimetres: this is in %s, which 3MF keeps", mesh.unit)
    if lost := _meeting(mesh.vertices, corners.view(np.int32)):
        log.warning("STL has single precision: %d vertices coincide with others; write PLY, OBJ or OFF", lost)
    triangles = np.zeros(len(mesh.faces), [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("rest", "<u2")])
    triangles["normal"] = face_normals(mesh.vertices, mesh.faces)
    triangles["corners"] = corners[mesh.faces]
    stream.write(header.encode()[:80].ljust(80) + np.uint32(len(triangles)).astype("<u4").tobytes())
    stream.write(triangles.data)


def _stl_offset(vertices: Float) -> Float:
    """What to take off so that single precision holds the shape: zeros, or about the middle, (3,)."""
    if not _is_far(vertices):
        return np.zeros(3)
    low, high = vertices.min(0), vertices.max(0)
    step = 10.0 ** np.floor(np.log10((high - low).max()))
    middle = np.rint((low + 0.5 * (high - low)) / step) * step
    return np.array([float(f"{value:.12g}") for value in middle])


def _is_far(vertices: Float) -> bool:
    """Whether they are so far from the origin that single precision is too coarse there."""
    lost = 0.5 * float(np.spacing(np.float32(np.abs(vertices).max())))
    return lost > MAX_ROUNDING * float(np.linalg.norm(np.ptp(vertices, axis=0))) > 0


def _warn_of_merging(vertices: Float) -> None:
    """Say so where programs that merge near vertices would change the mesh."""
    if not np.abs(vertices).max() < MERGE_DISTANCE * 2.0**53:
        return  # doubles are further apart, or not finite
    if count := _meeting(vertices, np.rint(vertices / MERGE_DISTANCE).astype(np.int64)):
        log.warning(
            "%d vertices are so near to others that many programs (trimesh: %g, whatever the unit) take them "
            "for one, and holes may open; a scan in a smaller unit (millimetres for metres) is meshed safely",
            count,
            MERGE_DISTANCE,
        )


def _meeting(vertices: Float, rounded: NDArray) -> int:
    """How many of the vertices (n, 3), integers when `rounded` (n, 3), equal others only then."""
    count = _repeated(rounded)
    return count - _repeated((vertices + 0.0).view(np.int64)) if count else 0


def _repeated(rows: NDArray) -> int:
    """How many of the integer rows (n, 3) are there before."""
    mixed = (rows.astype(np.uint64) * np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 1], np.uint64)).sum(1)
    order = np.argsort(mixed, kind="stable")
    return int((rows[order[1:]] == rows[order[:-1]]).all(1).sum())


def _glb(mesh: Mesh, stream: BinaryIO, texture: Texture | None = None) -> None:
    stream.write(glb(replace(mesh, values=_named(mesh)), texture))


SCALAR_ENDINGS = (".ply", ".glb")  # of formats that hold values of vertices
TEXTURE_ENDINGS = (".glb", ".obj")
WRITERS: dict[str, Callable[[Mesh, BinaryIO], None]] = {
    ".ply": _ply,
    ".obj": _obj,
    ".stl": _stl,
    ".glb": _glb,
    ".off": _off,
    ".3mf": lambda mesh, stream: write_3mf(mesh, stream, _write_lines),
}
