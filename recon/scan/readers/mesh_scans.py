"""Meshes as scans: OBJ and STL read by trimesh, OFF, and points sampled on a mesh."""

from __future__ import annotations

import logging
import re
import struct
import warnings
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from recon.base.light import srgb
from recon.errors import ScanError, reason
from recon.geometry import Bytes, Float, Int, Mesh, PointCloud, unit_vectors
from recon.scan.preparation.cleaning import MAX_COORDINATE
from recon.scan.readers.columns import Lines, as_colors, cut_short, from_table, lines_of, load_rows, whole
from recon.scan.readers.polygons import fans, fans_of

MAX_INDEX = 1 << 53  # that float64 holds exactly
BYTES_PER_PIXEL = 8  # of a picture, while its colours are looked up

log = logging.getLogger("recon")


def sample_surface(mesh: Mesh, count: int, seed: int = 0, source: str = "the mesh") -> PointCloud:
    """Samples `count` points uniformly by area, with normals and colours. Raises ScanError without area."""
    used = mesh.vertices[mesh.faces]
    if not (np.abs(used) < MAX_COORDINATE).all():
        raise ScanError(f"{source} has faces at vertices that are huge or not finite: repair the mesh")
    origin = used[0, 0].copy()
    size = np.abs(used - origin).max() or 1.0
    a, b, c = ((used - origin) / size).transpose(1, 0, 2)
    cross = np.cross(b - a, c - a)
    twice_area = np.linalg.norm(cross, axis=1)
    solid = np.flatnonzero(twice_area > 0)
    if len(solid) == 0:
        raise ScanError(f"{source} has no face with a positive area: there is no surface to sample")
    rng = np.random.default_rng(seed)
    cumulated = np.cumsum(twice_area[solid])
    draws = rng.random(count) * cumulated[-1]
    face = solid[np.searchsorted(cumulated, draws, side="right").clip(max=len(solid) - 1)]
    s, t = np.sqrt(rng.random(count)), rng.random(count)
    weight = np.stack([1 - s, s * (1 - t), s * t], axis=1)
    points = sum(w[:, None] * corner[face] for w, corner in zip(weight.T, (a, b, c), strict=True))
    normals = cross[face] / twice_area[face, None]
    colors = None
    if mesh.colors is not None:
        colors = np.rint(np.einsum("nk,nkj->nj", weight, mesh.colors[mesh.faces[face]]))
    return PointCloud(points * size + origin, normals, colors, source, unit=mesh.unit)


def mesh_of(
    path: Path,
    vertices: Float,
    faces: NDArray,
    normals: Float | None = None,
    colors: Bytes | None = None,
    values: Mapping[str, Float] = MappingProxyType({}),
    unit: str | None = None,
) -> Mesh:
    """The Mesh of a file. Raises ScanError if a face has an invalid vertex index."""
    if len(faces) and not 0 <= faces.min() <= faces.max() < len(vertices):
        wrong = int(faces.min() if faces.min() < 0 else faces.max())
        raise ScanError(f"{path} is damaged: a face refers to vertex {wrong:,} (from 0) of {len(vertices):,}")
    return Mesh(vertices, faces, normals, colors, values, unit)


def read_obj(path: Path) -> Mesh | PointCloud:
    """Reads an OBJ file, without faces as a cloud of its `v` and `vn` lines; merges coincident vertices."""
    text = path.read_bytes()
    if re.search(rb"(?m)^\s*f\s", text):
        return read_by_trimesh(path, normals=bool(re.search(rb"(?m)^\s*vn\s", text)))
    points, normals = (load_rows(path, Lines(_after(kind, text))) for kind in (b"v", b"vn"))
    if len(points) == 0:
        raise ScanError(f"{path} holds neither vertices nor faces")
    if len(normals) == len(points):
        points = np.hstack([points[:, :3], normals[:, :3], points[:, 3:6]])
    return from_table(path, points)


def _after(keyword: bytes, text: bytes) -> Iterator[bytes]:
    """The rest of each line that starts with `keyword`, empty for other lines."""
    for line in text.splitlines():
        word, _, rest = line.strip().partition(b" ")
        yield rest if word == keyword else b""


def read_stl(path: Path) -> Mesh:
    """Reads an STL file, text or binary; coincident corners are merged."""
    with path.open("rb") as stream:
        head = stream.read(1024)
    if not (head.lstrip().startswith(b"solid") and b"\0" not in head):
        count = struct.unpack_from("<I", head, 80)[0] if len(head) >= 84 else 0
        room = max(path.stat().st_size - 84, 0) // 50
        if count > room or len(head) < 84:
            raise cut_short(path, count, "triangles", room)
    return read_by_trimesh(path)


def read_off(path: Path) -> Mesh | PointCloud:
    """Reads an OFF file, with its normals (NOFF) and colours (COFF); without faces as a cloud."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        lines = Lines(lines_of(path, stream))
        filled = (words for line in lines if (words := line.split(b"#")[0].split()))
        keyword = next(filled)
        words = keyword[1:] or next(filled, [])
        counts = [count for word in words[:2] if (count := whole(word)) is not None]
        if len(counts) < 2:
            raise ScanError(f"{path}, line {lines.number}: expected the numbers of vertices and faces")
        vertices, faces = counts
        if 6 * vertices + 4 * faces > size:
            raise cut_short(path, vertices + faces, "vertices and faces", size // 6)
        rows = load_rows(path, lines, vertices)
        if len(rows) < vertices:
            raise cut_short(path, vertices, "vertices", len(rows))
        triangles = _off_faces(path, stream, lines, faces) if faces else np.zeros((0, 3), np.int64)
    normals, colors, at = None, None, 3
    if b"N" in keyword[0]:
        normals, at = rows[:, 3:6], 6
    if b"C" in keyword[0]:
        colors = as_colors(rows[:, at : at + 3])
    if rows.shape[1] < at + 3 * (colors is not None):
        raise ScanError(f"{path} has {rows.shape[1]} numbers per vertex, too few for its first line")
    if faces == 0:
        return PointCloud(rows[:, :3], normals, colors, str(path))
    return mesh_of(path, rows[:, :3], triangles, normals, colors)


def _off_faces(path: Path, stream: BinaryIO, lines: Lines, count: int) -> Int:
    """Triangles (m, 3) of polygons; each line starts with its number of corners."""
    at, number = stream.tell(), lines.number
    try:
        rows = load_rows(path, lines, count)
    except ScanError:
        rows = np.zeros((0, 0))  # they differ in length, or hold what the slow way below will name
    if len(rows) == count and (np.abs(rows) < MAX_INDEX).all():
        corners = int(rows[0, 0])
        if (rows[:, 0] == corners).all() and 0 < corners < rows.shape[1]:
            return fans(rows[:, 1 : 1 + corners])
    stream.seek(at)
    lengths, indices = array("q"), array("q")
    lines = Lines(lines_of(path, stream), number)
    for line in lines:
        words = line.split(b"#")[0].split()
        if not words or len(lengths) == count:
            continue
        length = whole(words[0])
        polygon = [i for word in words[1:][:length] if (i := whole(word)) is not None and i < MAX_INDEX]
        if not length or len(polygon) < length:
            raise ScanError(f"{path}, line {lines.number}: expected a face")
        lengths.append(length)
        indices.extend(polygon)
    if len(lengths) < count:
        raise cut_short(path, count, "faces", len(lengths))
    return fans_of(np.array(lengths, np.int64), np.array(indices, np.int64))


def read_by_trimesh(path: Path, normals: bool = False, texture_bytes: float = 0) -> Mesh:
    """What trimesh reads from a file, as one mesh.

    Args:
        path: of a GLB, OBJ or STL file.
        normals: whether it has any.
        texture_bytes: that the pictures of textures may take in memory; their colours go to the vertices.
    """
    import trimesh  # here, as it takes a while, and most files do without

    kind = path.suffix[1:].lower()
    options: dict[str, Any] = {} if kind == "stl" else {"skip_materials": not texture_bytes}
    try:
        with path.open("rb") as stream, warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # numpy's, at values that are not finite or do not fit
            # a stream, not a path: so it knows no folder in which to look for other files
            loaded = trimesh.load(stream, file_type=kind, process=False, **options)
            scene = loaded if isinstance(loaded, trimesh.Scene) else trimesh.Scene(loaded)
            textures = _Textures(texture_bytes) if texture_bytes else None
            placed = [_placed(scene, node, normals, textures) for node in scene.graph.nodes_geometry]
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 a parser raises whatever it stumbles over in a damaged file
        raise ScanError(f"{path} is damaged or not a {kind.upper()} file: {reason(error)}") from None
    parts = [part for part in placed if part is not None and len(part.faces)]
    if not parts:
        raise ScanError(f"{path} holds no triangles")
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])[:-1]
    faces = np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=True)])
    vertices = np.concatenate([part.vertices for part in parts])
    n, c = _joined([part.normals for part in parts]), _joined([part.colors for part in parts])
    return _merged(mesh_of(path, vertices, faces, n, c))


def _joined(arrays: list[Any]) -> Any:
    return None if any(array is None for array in arrays) else np.concatenate(arrays)


def _placed(scene: Any, node: str, normals: bool, textures: _Textures | None) -> Mesh | None:
    transform, name = scene.graph[node]
    part = scene.geometry[name]
    if not hasattr(part, "faces"):  # points or lines beside the surface
        return None
    faces = np.asarray(part.faces)
    if np.linalg.det(transform[:3, :3]) < 0:  # a mirror turns faces inside out
        faces = faces[:, ::-1]
    colors = _colors(part.visual, textures)
    turned = None
    if normals:
        turned = unit_vectors(part.vertex_normals @ np.linalg.inv(transform[:3, :3]))
    return Mesh(part.vertices @ transform[:3, :3].T + transform[:3, 3], faces, turned, colors)


def _colors(visual: Any, textures: _Textures | None) -> Bytes | None:
    """(n, 3) at the vertices of a part. Where there are `textures`, numbers at vertices are linear light."""
    if visual.kind == "vertex":
        found = visual.vertex_colors[:, :3]
        return found if textures is None else srgb(found)
    if visual.kind == "texture" and textures is not None:
        found = textures.colors(visual)
        beside = visual.vertex_attributes.get("color")
        return found if found is not None or beside is None else srgb(np.asarray(beside)[:, :3])
    return None


class _Textures:
    """The pictures of textures, which parts may share: unpacked once each, while there is room (bytes)."""

    def __init__(self, room: float) -> None:
        self.room = room
        self.pictures: dict[int, tuple[Any, Bytes | None]] = {}  # kept, so that its number stays its own

    def colors(self, visual: Any) -> Bytes | None:
        """Those (n, 3) at the vertices; none of a picture that is missing or too large."""
        picture, uv = getattr(visual.material, "baseColorTexture", None), visual.uv
        if picture is None or uv is None or not np.isfinite(uv).all():
            return None
        if id(picture) not in self.pictures:
            self.pictures[id(picture)] = picture, self._unpacked(picture)
        found = self.pictures[id(picture)][1]
        if found is None:
            return None
        height, width, _ = found.shape  # beyond 0 and 1 a picture repeats; v grows upward
        column = np.rint(uv[:, 0] * (width - 1)) % width
        row = np.rint((1 - uv[:, 1]) * (height - 1)) % height
        return found[row.astype(np.int64), column.astype(np.int64)]

    def _unpacked(self, picture: Any) -> Bytes | None:
        taken = BYTES_PER_PIXEL * picture.width * picture.height
        if taken > self.room:
            log.warning("a texture is not read: it would take %.3g GB, far more than its file", taken / 1e9)
            return None
        self.room -= taken
        return np.asarray(picture.convert("RGB"))


def _merged(mesh: Mesh) -> Mesh:
    """Merges vertices with equal coordinates, into the first of each; their normals are dropped."""
    order = np.lexsort(mesh.vertices.T)
    ranked = mesh.vertices[order]
    new = np.ones(len(order), bool)
    new[1:] = (ranked[1:] != ranked[:-1]).any(1)
    if new.all():
        return mesh
    first = np.minimum.reduceat(order, np.flatnonzero(new))  # of each place
    unique = np.sort(first)
    target = np.empty(len(order), np.int64)
    target[order] = np.searchsorted(unique, first)[np.cumsum(new) - 1]
    colors = None if mesh.colors is None else mesh.colors[unique]
    return Mesh(mesh.vertices[unique], target[mesh.faces], None, colors)
