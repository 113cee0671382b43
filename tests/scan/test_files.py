"""Every way of writing the same points reads as the same points."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import trimesh
from plyfile import PlyData, PlyElement

from recon.geometry import Mesh, PointCloud
from recon.scan.files import READERS, read_any, read_cloud

N = 300
RNG = np.random.default_rng(0)
POINTS = RNG.uniform(-5, 5, (N, 3)).round(4)
NORMALS = RNG.standard_normal((N, 3))
NORMALS /= np.linalg.norm(NORMALS, axis=1, keepdims=True)
COLORS = RNG.integers(0, 256, (N, 3)).astype(np.uint8)
TABLE = np.hstack([POINTS, NORMALS, COLORS])


def same(cloud: PointCloud, normals: bool = True, colors: bool = False, atol: float = 1e-6) -> None:
    np.testing.assert_allclose(cloud.points, POINTS, atol=atol)
    assert (cloud.normals is not None) is normals
    assert (cloud.colors is not None) is colors
    if cloud.normals is not None:
        np.testing.assert_allclose(cloud.normals, NORMALS, atol=1e-6)
    if cloud.colors is not None:
        np.testing.assert_array_equal(cloud.colors, COLORS)


def records(fields: list[tuple[str, str, np.ndarray]]) -> np.ndarray:
    out = np.empty(N, [(name, kind) for name, kind, _ in fields])
    for name, _, column in fields:
        out[name] = column
    return out


def triple(names: str, kind: str, columns: np.ndarray) -> list[tuple[str, str, np.ndarray]]:
    return [(name, kind, columns[:, i]) for i, name in enumerate(names.split())]


def write_ply(path: Path, *elements: tuple[str, np.ndarray], layout: str = "<", **kinds: dict) -> None:
    described = [PlyElement.describe(rows, name, **kinds) for name, rows in elements]
    PlyData(described, text=layout == "ascii", byte_order="=" if layout == "ascii" else layout).write(path)


@pytest.mark.parametrize("layout", ["ascii", "<", ">"])
@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_ply_layouts(tmp_path: Path, layout: str, kind: str) -> None:
    fields = triple("x y z", kind, POINTS) + triple("nx ny nz", kind, NORMALS)
    fields += [("quality", "i2", np.arange(N)), *triple("red green blue", "u1", COLORS)]
    camera = np.zeros(2, [("focus", "f4"), ("id", "i4")])
    write_ply(tmp_path / "s.ply", ("camera", camera), ("vertex", records(fields)), layout=layout)
    same(read_cloud(tmp_path / "s.ply"), colors=True, atol=1e-6 if kind == "f4" else 0)


def test_ply_of_whole_numbers(tmp_path: Path) -> None:
    whole = np.rint(1000 * POINTS)
    write_ply(tmp_path / "s.ply", ("vertex", records(triple("x y z", "i4", whole))))
    np.testing.assert_array_equal(read_cloud(tmp_path / "s.ply").points, whole)


@pytest.mark.parametrize(
    "names",
    ["nx ny nz", "NX NY NZ", "normal_x normal_y normal_z", "normals_x normals_y normals_z", "n_x n_y n_z"],
)
def test_names_of_normals(tmp_path: Path, names: str) -> None:
    fields = triple(names, "f4", NORMALS) + triple("x y z", "f8", POINTS)
    write_ply(tmp_path / "s.ply", ("vertex", records(fields)))
    same(read_cloud(tmp_path / "s.ply"))


@pytest.mark.parametrize(
    ("names", "kind", "colors"),
    [
        ("r g b", "u1", COLORS),
        ("diffuse_red diffuse_green diffuse_blue", "u1", COLORS),
        ("red green blue", "f4", COLORS / 255.0),
        ("red green blue", "u2", 257 * COLORS.astype(int)),
    ],
)
def test_names_and_kinds_of_colors(tmp_path: Path, names: str, kind: str, colors: np.ndarray) -> None:
    fields = triple("x y z", "f8", POINTS) + triple(names, kind, colors)
    write_ply(tmp_path / "s.ply", ("vertex", records(fields)))
    same(read_cloud(tmp_path / "s.ply"), normals=False, colors=True)


@pytest.mark.parametrize("layout", ["ascii", "<", ">"])
@pytest.mark.parametrize("even", [True, False])
def test_lists_at_ply_vertices_are_passed_over(tmp_path: Path, layout: str, even: bool) -> None:
    kind = {"ascii": "ascii", "<": "binary_little_endian", ">": "binary_big_endian"}[layout]
    header = ["ply", f"format {kind} 1.0", f"element vertex {N}", "property list uchar int seen"]
    header += [f"property double {name}" for name in ("x", "y", "z", "nx", "ny", "nz")] + ["end_header", ""]
    body = b""
    for i, row in enumerate(TABLE[:, :6].tolist()):
        seen = list(range(2 if even else i % 3))
        if layout == "ascii":
            body += " ".join(map(repr, [len(seen), *seen, *row])).encode() + b"\n"
        else:
            body += struct.pack(f"{layout}B{len(seen)}i6d", len(seen), *seen, *row)
    (tmp_path / "s.ply").write_bytes("\n".join(header).encode() + body)
    same(read_cloud(tmp_path / "s.ply"), atol=0)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_ply_headers_as_they_occur(tmp_path: Path, newline: bytes) -> None:
    """Comments in any code page, lines of Windows, data that looks like a line's end."""
    header = ["ply", "format binary_little_endian 1.0", "comment Zürich", "obj_info num_cols 5"]
    header += [f"element vertex {N}", "property uchar flag", *(f"property double {c}" for c in "xyz")]
    header += ["element face 0", "property list uchar int vertex_indices", "end_header", ""]
    rows = records([("flag", "u1", np.full(N, 10)), *triple("x y z", "f8", POINTS)])
    (tmp_path / "s.PLY").write_bytes(newline.join(h.encode("latin1") for h in header) + rows.tobytes())
    same(read_cloud(tmp_path / "s.PLY"), normals=False)


SQUARE = np.array([[0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0], [1, 3, 0]], float)
POLYGONS = {
    "triangles": [[0, 1, 2], [0, 2, 3], [2, 4, 3]],
    "squares": [[0, 1, 2, 3]],
    "mixed": [[0, 1, 2, 3], [2, 4, 3]],
}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_blanks_and_byte_order_marks_in_ply_text_are_passed_over(
    tmp_path: Path, newline: str, mark: str
) -> None:
    lines = ["ply  ", "format ascii 1.0", "element vertex 2", *(f"property float {c}" for c in "xyz")]
    lines += ["end_header ", f"{mark}1 2 3", "4 5 6", ""]
    path = tmp_path / "scan.ply"
    path.write_bytes(newline.join(lines).encode())
    assert read_cloud(path).points.tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("layout", ["ascii", "<", ">"])
@pytest.mark.parametrize("faces", POLYGONS)
@pytest.mark.parametrize("name", ["vertex_indices", "vertex_index"])
def test_ply_polygons_are_cut_into_triangles(tmp_path: Path, layout: str, faces: str, name: str) -> None:
    rows = np.empty(len(POLYGONS[faces]), [(name, "O"), ("flag", "u1")])
    for row, corners in zip(rows, POLYGONS[faces], strict=True):
        row[name] = np.array(corners)
    vertex = np.array([tuple(v) for v in SQUARE], [(c, "f8") for c in "xyz"])
    kinds = {"val_types": {name: "i4"}, "len_types": {name: "u1"}}
    write_ply(tmp_path / "m.ply", ("vertex", vertex), ("face", rows), layout=layout, **kinds)
    mesh = read_any(tmp_path / "m.ply")
    assert isinstance(mesh, Mesh)
    area = 0.5 * np.cross(
        *(mesh.vertices[mesh.faces[:, k]] - mesh.vertices[mesh.faces[:, 0]] for k in (1, 2))
    )
    np.testing.assert_allclose(area.sum(0), [0, 0, 4 if faces == "squares" else 5])
    cloud = read_cloud(tmp_path / "m.ply", samples=50)
    np.testing.assert_array_equal(cloud.normals, np.tile([0, 0, 1.0], (50, 1)))


def text(table: np.ndarray, separator: str = " ") -> str:
    stream = io.StringIO()
    np.savetxt(stream, table, "%.9g", delimiter=separator)
    return stream.getvalue()


@pytest.mark.parametrize("ending", ["xyz", "txt", "pts", "pwn", "XYZ"])
@pytest.mark.parametrize("separator", [" ", "\t", ",", ";", " , "])
def test_text_of_points_and_normals(tmp_path: Path, ending: str, separator: str) -> None:
    path = tmp_path / f"s.{ending}"
    path.write_text(text(TABLE[:, :6], separator))
    same(read_cloud(path))


@pytest.mark.parametrize(
    ("columns", "normals", "colors"),
    [
        ([0, 1, 2], False, False),
        ([0, 1, 2, 3, 4, 5], True, False),
        ([0, 1, 2, 6, 7, 8], False, True),
        ([0, 1, 2, 3, 4, 5, 6, 7, 8], True, True),
        ([0, 1, 2, 6, 7, 8, 3, 4, 5], True, True),
        ([0, 1, 2, 9], False, False),
        ([0, 1, 2, 9, 6, 7, 8], False, True),
        ([0, 1, 2, 9, 6, 7, 8, 3, 4, 5], True, True),
    ],
)
@pytest.mark.parametrize("ending", ["xyz", "npy", "npz"])
def test_columns_are_told_by_their_values(
    tmp_path: Path, columns: list[int], normals: bool, colors: bool, ending: str
) -> None:
    table = np.hstack([TABLE, -RNG.uniform(2, 2000, (N, 1)).round()])[:, columns]
    path = tmp_path / f"s.{ending}"
    if ending == "xyz":
        path.write_text(text(table))
    else:
        (np.save if ending == "npy" else np.savez_compressed)(path, table)
    same(read_cloud(path), normals, colors)


def test_axis_parallel_normals_are_no_colors(tmp_path: Path) -> None:
    (tmp_path / "s.xyz").write_text("".join(f"{i} {i * i} 0 0 0 1\n" for i in range(9)))
    cloud = read_cloud(tmp_path / "s.xyz")
    np.testing.assert_array_equal(cloud.normals, np.tile([0, 0, 1], (9, 1)))
    assert cloud.colors is None


@pytest.mark.parametrize(
    "before",
    [
        "# a comment\n",
        "//X Y Z Nx Ny Nz\n",
        f"{N}\n",
        "\n\n",
        "\ufeff# mark\n",
        "\ufeff",
        f"# scan\n{N}\n\n",
        "x,y,z,nx,ny,nz\n",
    ],
)
def test_lines_before_the_points(tmp_path: Path, before: str) -> None:
    (tmp_path / "s.pts").write_text(before + text(TABLE[:, :6]) + "\n# end\n", encoding="utf-8")
    same(read_cloud(tmp_path / "s.pts"))


def test_text_with_named_columns_in_another_order(tmp_path: Path) -> None:
    order = [8, 7, 6, 2, 1, 0, 5, 4, 3]
    (tmp_path / "s.txt").write_text("b g r z y x nz ny nx\n" + text(TABLE[:, order]))
    same(read_cloud(tmp_path / "s.txt"), colors=True)


def test_pwn_with_normals_after_the_points(tmp_path: Path) -> None:
    (tmp_path / "s.pwn").write_text(f"{N}\n" + text(POINTS) + text(NORMALS))
    same(read_cloud(tmp_path / "s.pwn"))


def test_numpy_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", points=POINTS, normals=NORMALS, colors=COLORS, other=np.zeros(7))
    same(read_cloud(tmp_path / "s.npz"), colors=True)
    fields = triple("x y z", "f8", POINTS) + triple("normal_x normal_y normal_z", "f4", NORMALS)
    np.save(tmp_path / "s.npy", records(fields))
    same(read_cloud(tmp_path / "s.npy"))


def test_obj_and_off_without_faces_are_points(tmp_path: Path) -> None:
    rows = [f"v {a} {b} {c}" for a, b, c in POINTS.tolist()] + [
        f"vn {a} {b} {c}" for a, b, c in NORMALS.tolist()
    ]
    (tmp_path / "s.obj").write_text("o scan\n# points\n" + "\n".join(rows))
    same(read_cloud(tmp_path / "s.obj"))
    (tmp_path / "s.off").write_text(f"# made\nNOFF\n\n{N} 0 0\n" + text(TABLE[:, :6]))
    same(read_cloud(tmp_path / "s.off"))
    (tmp_path / "c.off").write_text(f"COFF {N} 0 0\n" + text(TABLE[:, [0, 1, 2, 6, 7, 8, 8]]))
    same(read_cloud(tmp_path / "c.off"), normals=False, colors=True)


@pytest.mark.parametrize("faces", POLYGONS)
def test_off_and_obj_polygons(tmp_path: Path, faces: str) -> None:
    corners = POLYGONS[faces]
    rows = [" ".join(map(str, [len(c), *c])) for c in corners]
    (tmp_path / "m.off").write_text(
        f"OFF\n5 {len(rows)} 0\n" + text(SQUARE) + "\n# faces\n" + "\n".join(rows)
    )
    rows = ["f " + " ".join(f"{i + 1}/{k + 1}" for k, i in enumerate(c)) for c in corners]
    (tmp_path / "m.obj").write_text(
        "mtllib none.mtl\n"
        + "".join(f"v {a} {b} {c}\n" for a, b, c in SQUARE)
        + 4 * "vt 0 0.5\n"
        + "\n".join(rows)
    )
    for name in ("m.off", "m.obj"):
        mesh = read_any(tmp_path / name)
        used = np.unique(mesh.vertices[mesh.faces].reshape(-1, 3), axis=0)
        assert len(used) == len(np.unique(mesh.faces))  # seams of the texture are closed
        a, b, c = mesh.vertices[mesh.faces].transpose(1, 0, 2)
        assert 0.5 * np.cross(b - a, c - a)[:, 2].sum() == pytest.approx(4 if faces == "squares" else 5)


def test_scenes_are_one_mesh_with_their_transforms(tmp_path: Path) -> None:
    scene = trimesh.Scene()
    box = trimesh.creation.box(extents=(1, 1, 1))
    for turn, shift in ((0.0, (0, 0, 0)), (np.pi / 2, (10, 0, 0))):
        place = trimesh.transformations.rotation_matrix(turn, (0, 0, 1))
        place[0, :3] *= -1 if turn else 1  # the second one is a mirror image
        place[:3, 3] = shift
        scene.add_geometry(box, transform=place)
    scene.export(tmp_path / "m.glb")
    mesh = read_any(tmp_path / "m.glb")
    a, b, c = mesh.vertices[mesh.faces].transpose(1, 0, 2)
    assert np.einsum("ij,ij->", a, np.cross(b, c)) / 6 == pytest.approx(2, rel=1e-6)  # both outward
    np.testing.assert_allclose(
        [mesh.vertices.min(0), mesh.vertices.max(0)], [[-0.5] * 3, [10.5, 0.5, 0.5]], atol=1e-6
    )


def test_sampling_is_seeded_and_uniform_by_area(tmp_path: Path) -> None:
    corners = np.array([[0, 0, 0], [3, 0, 0], [3, 3, 0], [3, 4, 0]], float) * 1e-7 + [0, 0, 1.0]
    (tmp_path / "m.off").write_text(
        "OFF 4 2 0\n" + "\n".join(" ".join(map(repr, v)) for v in corners.tolist()) + "\n3 0 1 2\n3 0 2 3\n"
    )
    first, again, other = (read_cloud(tmp_path / "m.off", samples=40_000, seed=s).points for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    large = first[:, 1] <= first[:, 0]  # the first triangle is 3/4 of the area
    assert large.mean() == pytest.approx(0.75, abs=4 * np.sqrt(0.75 * 0.25 / 40_000))
    np.testing.assert_allclose(first[large].mean(0)[:2], [2e-7, 1e-7], rtol=0.02)  # its centroid


def test_every_scan_that_ships_can_be_read(data: Path) -> None:
    for path in data.glob("*.ply"):
        assert len(read_cloud(path, samples=1000)) >= 1000
    assert ".ply" in READERS
