"""Lists of different lengths in PLY files, among other properties, are read in their order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recon.geometry import Mesh
from recon.scan.files import read_any

LISTS = {"seen": "i4", "vertex_indices": "i4", "texcoord": "f4"}  # and the types of their values
PLY_ORDERS = {"ascii": "ascii", "<": "binary_little_endian", ">": "binary_big_endian"}
PLY_TYPES = {"f4": "float", "i4": "int", "f8": "double", "i2": "short", "u1": "uchar"}


def ply_with_lists(layout: str, **elements: np.ndarray) -> bytes:
    """A PLY file; plyfile would write numbers beside lists in the byte order of the machine."""
    head, body = ["ply", f"format {PLY_ORDERS[layout]} 1.0"], []
    for element, rows in elements.items():
        names = rows.dtype.names or ()
        kinds = {name: LISTS.get(name) or rows.dtype[name].str[1:] for name in names}
        lists = {name: "list ushort " if name in LISTS else "" for name in names}
        head += [f"element {element} {len(rows)}"]
        head += [f"property {lists[name]}{PLY_TYPES[kinds[name]]} {name}" for name in names]
        for row in rows:
            numbers = list[tuple[str, float]]()
            for name in names:
                numbers += [("u2", len(row[name]))] if name in LISTS else []
                numbers += [(kinds[name], value) for value in np.atleast_1d(row[name])]
            if layout == "ascii":
                body.append(" ".join(f"{number:g}" for _, number in numbers).encode() + b"\n")
            else:
                body += [np.array(number, layout + kind).tobytes() for kind, number in numbers]
    return "\n".join([*head, "end_header", ""]).encode() + b"".join(body)


@pytest.mark.parametrize("layout", PLY_ORDERS)
def test_polygons_of_any_lengths_among_other_properties_are_read_in_their_order(
    tmp_path: Path, layout: str
) -> None:
    """20,000 of 0 to 8 corners, more than are read at once, between numbers and lists of other types."""
    rng = np.random.default_rng(0)
    vertex = np.zeros(500, [("x", "f4"), ("seen", "O"), ("y", "f4"), ("z", "f8"), ("q", "i2")])
    for name in ("x", "y", "z", "q"):
        vertex[name] = rng.integers(-99, 99, len(vertex))
    face = np.zeros(20_000, [("flag", "u1"), ("vertex_indices", "O"), ("texcoord", "O"), ("area", "f4")])
    for rows, name, most in ((vertex, "seen", 4), (face, "vertex_indices", 9), (face, "texcoord", 5)):
        rows[name] = [rng.integers(0, 500, k) for k in rng.integers(0, most, len(rows))]
    path = tmp_path / "m.ply"
    path.write_bytes(ply_with_lists(layout, vertex=vertex, face=face))
    mesh = read_any(path)
    assert isinstance(mesh, Mesh)
    np.testing.assert_array_equal(mesh.vertices, np.stack([vertex[c] for c in "xyz"], axis=1))
    np.testing.assert_array_equal(mesh.values["q"], vertex["q"])
    triangles = [[p[0], p[k], p[k + 1]] for p in face["vertex_indices"] for k in range(1, len(p) - 1)]
    np.testing.assert_array_equal(mesh.faces, triangles)
