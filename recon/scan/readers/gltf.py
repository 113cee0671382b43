"""Binary glTF 2.0 (GLB), read by trimesh after a look at what its description makes of its bytes.

A description can use the same bytes any number of times, name other files, and ask for arrays of zeros that
take no bytes at all. So the sizes of all that it makes are added up first.
"""

from __future__ import annotations

import json
import struct
from collections import Counter
from pathlib import Path
from typing import Any

from recon.errors import ScanError
from recon.geometry import Mesh
from recon.scan.readers.columns import cut_short
from recon.scan.readers.mesh_scans import read_by_trimesh

MAX_JSON_BYTES = 1 << 23
FREE_BYTES = 1 << 26  # that a description may make of few bytes
BYTES_PER_ELEMENT = 40  # of memory, for a vertex or an index of a triangle, while it is read
BYTES_PER_BYTE = 20  # of memory, of a file whose vertices and indices all take the fewest bytes that they can
COMPONENT_BYTES = {5120: 1, 5121: 1, 5122: 2, 5123: 2, 5125: 4, 5126: 4}
COMPONENTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}


def read_glb(path: Path) -> Mesh:
    """Reads a binary glTF scene as one mesh, with transforms applied and coincident vertices merged.

    A texture's colours go to the vertices.

    Raises ScanError for one that is damaged, keeps its data in other files, or takes far more memory than its
    size explains.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(20)
        length, json_length = struct.unpack_from("<8xI I", head) if len(head) == 20 else (size + 1, 0)
        if length > size or json_length > min(size, MAX_JSON_BYTES):
            raise cut_short(path, max(length, json_length), "bytes", size)
        text = stream.read(json_length)
    try:
        scene = json.loads(text)
        if any("uri" in buffer for buffer in scene.get("buffers", ())):
            raise ScanError(f"{path} keeps its data in other files: write it as one file")
        largest = max((int(accessor["count"]) for accessor in scene.get("accessors", ())), default=0)
        if largest > size:
            raise cut_short(path, largest, "values", size)
        made = _bytes_made(scene)
        parts = [part for mesh in scene.get("meshes", ()) for part in mesh["primitives"]]
        shaded = bool(parts) and all("NORMAL" in part["attributes"] for part in parts)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, RecursionError):
        raise ScanError(f"{path} is damaged: its glTF description is unreadable") from None
    if made > FREE_BYTES + BYTES_PER_BYTE * size:
        raise ScanError(
            f"{path} would take {made / 1e9:.3g} GB of memory, far more than its {size / 1e6:.3g} MB: "
            "it repeats its parts; write them once, or as points"
        )
    return read_by_trimesh(path, normals=shaded, texture_bytes=FREE_BYTES + BYTES_PER_BYTE * size)


def _bytes_made(scene: dict[str, Any]) -> int:
    """Roughly the memory that a scene takes: its views, its arrays, and its parts where they are placed."""
    views = sum(int(view["byteLength"]) for view in scene.get("bufferViews", ()))
    accessors = scene.get("accessors", [])
    counts = [abs(int(accessor["count"])) for accessor in accessors]
    arrays = sum(
        count * COMPONENTS[accessor["type"]] * COMPONENT_BYTES[accessor["componentType"]]
        for count, accessor in zip(counts, accessors, strict=True)
    )
    placed = Counter(node["mesh"] for node in scene.get("nodes", ()) if "mesh" in node)
    elements = 0
    for index, mesh in enumerate(scene.get("meshes", ())):
        used = [counts[accessor] for part in mesh["primitives"] for accessor in _accessors(part)]
        elements += sum(used) * max(1, placed[index])
    return views + arrays + BYTES_PER_ELEMENT * elements


def _accessors(part: dict[str, Any]) -> list[int]:
    """Those of a part's vertices and triangles."""
    corners = [part["indices"]] if "indices" in part else []
    return [part["attributes"]["POSITION"], *corners]
