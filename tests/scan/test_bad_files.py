"""A file that cannot be read costs one line that names it, and little memory."""

from __future__ import annotations

import gzip
import os
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from recon.errors import ScanError
from recon.geometry import PointCloud
from recon.scan.files import READERS, read_any, read_cloud

TEXT = "1 2 3\n" * 60
PLY = (
    "ply\nformat {} 1.0\nelement vertex {}\n"
    + "".join(f"property double {c}\n" for c in "xyz")
    + "end_header\n"
)
PCD = "VERSION .7\nFIELDS x y z\nSIZE 8 8 8\nTYPE F F F\nWIDTH {}\nHEIGHT 1\nDATA {}\n"


def refusal(path: Path) -> str:
    """The one line that reading `path` ends in."""
    with pytest.raises(ScanError) as caught:
        read_cloud(path)
    line = str(caught.value)
    assert path.name in line and "\n" not in line
    return line


def test_a_packed_file_is_called_so(tmp_path: Path) -> None:
    for ending in ("ply", "xyz"):
        path = tmp_path / f"s.{ending}"
        path.write_bytes(gzip.compress(TEXT.encode()))
        with pytest.raises(ScanError, match="compressed with gzip: unpack it first"):
            read_any(path)


def test_the_files_to_be_damaged_are_good(good_files: list[Path]) -> None:
    for path in good_files:
        content = read_any(path)
        assert len(content.points if isinstance(content, PointCloud) else content.vertices) in (42, 60)


def test_cut_anywhere_a_file_is_refused_or_gives_less(good_files: list[Path]) -> None:
    """Binary layouts know how much they hold and are always refused; text may end early by chance."""
    for path in good_files:
        data = path.read_bytes()
        for share in np.linspace(0, 1, 40, endpoint=False):
            path.write_bytes(data[: int(share * len(data))])
            try:
                content = read_any(path)
            except ScanError as error:
                assert path.name in str(error) and "\n" not in str(error)
            else:
                assert path.suffix == ".obj" or len(data) - int(share * len(data)) < 8, (path.name, share)
                assert len(content.normals if content.normals is not None else [0])


def test_bytes_changed_anywhere_end_in_points_or_one_line(good_files: list[Path]) -> None:
    rng = np.random.default_rng(1)
    for path in good_files:
        data = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(60):
            damaged = data.copy()
            damaged[rng.integers(0, min(len(data), 400), 3)] = rng.integers(0, 256, 3)
            path.write_bytes(damaged.tobytes())
            try:
                read_cloud(path, samples=10)
            except ScanError as error:
                assert path.name in str(error)


HUGE = 3_000_000_000
GLB_JSON = (
    b'{"asset":{"version":"2.0"},"accessors":[{"count":3000000000,"componentType":5126,"type":"VEC3"}]}  '
)


def huge_promises(folder: Path) -> list[Path]:
    """Small files whose headers promise billions."""
    files = {
        "a.ply": PLY.format("binary_big_endian", HUGE).encode() + bytes(99),
        "b.ply": PLY.format("ascii", HUGE).encode() + TEXT.encode(),
        "c.ply": PLY.format("ascii", "9" * 30).encode() + TEXT.encode(),
        "d.ply": PLY.format("binary_little_endian", 1)
        .replace("end_header", f"element face {HUGE}\nproperty list uchar int vertex_indices\nend_header")
        .encode()
        + bytes(99),
        "e.ply": PLY.format("binary_little_endian", 1)
        .replace("end_header", "element face 2\nproperty list uint int vertex_indices\nend_header")
        .encode()
        + bytes(24)
        + struct.pack("<I", HUGE)
        + bytes(99),
        "a.pcd": PCD.format(HUGE, "binary").encode() + bytes(99),
        "b.pcd": PCD.format(HUGE, "ascii").encode() + TEXT.encode(),
        "c.pcd": PCD.format(178_956_970, "binary_compressed").encode()
        + struct.pack("<II", 90, 4294967280)
        + bytes(90),
        "a.off": f"OFF\n{HUGE} {HUGE} 0\n{TEXT}".encode(),
        "a.stl": bytes(80) + struct.pack("<I", HUGE) + bytes(100),
        "a.glb": struct.pack("<4sIIII", b"glTF", 2, 20 + len(GLB_JSON), len(GLB_JSON), 0x4E4F534A) + GLB_JSON,
        "a.pts": f"{HUGE}\n{TEXT}".encode(),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    header = np.lib.format.magic(1, 0)
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({HUGE}, 3)}}".ljust(117) + "\n"
    array = header + struct.pack("<H", len(text)) + text.encode() + bytes(99)
    (folder / "a.npy").write_bytes(array)
    with zipfile.ZipFile(folder / "a.npz", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("points.npy", array)
    return sorted(folder.iterdir())


def test_promises_of_billions_are_refused_without_the_memory(tmp_path: Path) -> None:
    for path in huge_promises(tmp_path):
        tracemalloc.start()
        try:
            line = refusal(path)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 5e6, path.name
        assert "cut short" in line or "expected" in line, line


@pytest.mark.parametrize("ending", READERS)
def test_empty_files(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"s{ending}").write_bytes(b"")
    assert refusal(tmp_path / f"s{ending}").endswith("is empty")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("s.xyz", "1 2 3\n4 five 6\n", "line 2: 'five' is not a number"),
        ("s.xyz", "# a\n\n1 2 3\n4 5\n", "line 4 has 2 columns, the lines before it 3"),
        ("s.xyz", "# a\n\n1 2 3\n# b\n\n4 5 6 7\n", "line 6 has 4 columns, the lines before it 3"),
        ("s.txt", "1,2,3\n1,2,x\n", "line 2: 'x' is not a number"),
        ("s.txt", "1,234.5;2,5;3,5\n", "commas and semicolons"),
        ("s.xyz", "1 2\n3 4\n", "expected rows of at least x y z"),
        ("s.xyz", "# nothing\n\n", "holds no points"),
        ("s.xyz", "Dear reader,\nthis is a letter.\n", "'Dear' is not a number"),
        ("s.pts", "3\n1 2 3\n4 5 6\n", "expected 3 points, found 2"),
        ("s.ply", "<html>", "not a PLY file"),
        ("s.ply", TEXT, "not a PLY file"),
        ("s.xyz", PLY, "a PLY file by its content: give it the ending .ply"),
        ("s.ply", PCD, "a PCD file by its content: give it the ending .pcd"),
        ("s.ply", PLY.format("ascii", 60)[:-11], "no line 'end_header'"),
        ("s.ply", PLY.format("ascii", -5) + TEXT, "'element NAME COUNT'"),
        ("s.ply", PLY.format("ascii", "many") + TEXT, "'element NAME COUNT'"),
        ("s.ply", PLY.format("utf8", 60) + TEXT, "damaged PLY header"),
        ("s.ply", PLY.format("ascii", 60).replace("double", "number") + TEXT, "damaged PLY header"),
        ("s.ply", PLY.format("ascii", 60).replace(" y", " x") + TEXT, "damaged PLY header"),
        ("s.ply", PLY.format("ascii", 60).replace(" z", " w") + TEXT, "no columns x, y and z, only: x, y, w"),
        ("s.ply", PLY.format("ascii", 0), "holds no points"),
        ("s.ply", PLY.format("ascii", 60).replace("vertex", "point") + TEXT, "no element 'vertex'"),
        (
            "s.ply",
            PLY.format("ascii", 2) + "1 2 3\n4 oops 6\n",
            "line 9: 'oops' is not a number",
        ),
        ("s.ply", PLY.format("ascii", 2) + "1 2 3 4\n4 5 6 7\n", "have 4 numbers"),
        ("s.ply", PLY.format("ascii", 2) + "1 2 3\n       \n", "expected 2 rows of 'vertex', found 1"),
        ("s.off", "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 7\n", "refers to vertex 7"),
        ("s.off", "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 b\n", "line 6: expected a face"),
        ("s.off", "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\nnan 0 1 2\n", "line 6: expected a face"),
        ("s.off", "OFF\nmany 1 0\n", "line 2: expected the numbers"),
        ("s.off", "NOFF\n2 0 0\n0 0 0\n1 0 0\n", "too few for its first line"),
        ("s.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", "damaged"),
        ("s.obj", "o nothing\n", "neither vertices nor faces"),
        ("s.obj", "# a\nv 0 0 0\nv 1 zero 0\n", "line 3: 'zero' is not a number"),
        ("s.stl", "solid a\nendsolid a\n", "STL file|no triangles"),
        ("s.las", "LASF", "expected 227 bytes of a header, found 4"),
        ("s.rcp", "ReCap", r"ending '.rcp' is not one of .ply"),
        ("scan", "1 2 3\n", "its ending '' is not one of"),
    ],
)
def test_each_fault_is_named(tmp_path: Path, name: str, content: str, says: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ScanError, match=says):
        read_cloud(tmp_path / name)
    refusal(tmp_path / name)


def test_what_begins_as_wide_text_and_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.xyz").write_bytes(b"\xff\xfe" + b"\x00\xd8" * 50)
    assert "begins as UTF-16 and is none" in refusal(tmp_path / "s.xyz")


@pytest.mark.parametrize("shape", [(200, 300), (480, 640), (17, 17)])
def test_a_raster_is_no_cloud(shape: tuple[int, int], tmp_path: Path) -> None:
    np.save(tmp_path / "heights.npy", np.random.default_rng(0).normal(size=shape))
    assert "looks like a raster" in refusal(tmp_path / "heights.npy")


def test_binary_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "s.xyz").write_bytes(bytes(100))
    assert "is not text" in refusal(tmp_path / "s.xyz")


@pytest.mark.parametrize(
    "array",
    [np.zeros((3, 60, 5)), np.zeros((60, 2)), np.zeros((60, 3), complex), np.array("points"), np.array([{}])],
)
def test_arrays_that_are_no_points(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "s.npy", array)
    refusal(tmp_path / "s.npy")
    np.savez(tmp_path / "s.npz", points=array)
    refusal(tmp_path / "s.npz")


def test_flat_and_broken_meshes_have_nothing_to_sample(tmp_path: Path) -> None:
    (tmp_path / "s.off").write_text("OFF\n3 1 0\n0 0 0\n1 1 1\n2 2 2\n3 0 1 2\n")
    assert "no face with a positive area" in refusal(tmp_path / "s.off")
    (tmp_path / "s.off").write_text("OFF\n3 1 0\n0 0 0\n1 1 nan\n2 0 2\n3 0 1 2\n")
    assert "not finite" in refusal(tmp_path / "s.off")


def test_paths_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "statue.ply").write_text(PLY)
    assert f"did you mean {tmp_path / 'statue.ply'}?" in refusal(tmp_path / "statu.ply")
    (tmp_path / "link.xyz").symlink_to("gone.xyz")
    assert "did you mean" not in refusal(tmp_path / "link.xyz")
    assert f"in the folder {tmp_path}" in refusal(tmp_path / "elephant.pcd")
    assert f"only {tmp_path} exists" in refusal(tmp_path / "a" / "b" / "s.ply")


def test_folders_and_pipes_are_no_scans(tmp_path: Path) -> None:
    (tmp_path / "s.ply").mkdir()
    assert "is a folder" in refusal(tmp_path / "s.ply")
    os.mkfifo(tmp_path / "pipe.ply")
    assert "not a regular file" in refusal(tmp_path / "pipe.ply")


def test_a_closed_file_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s.ply").write_text(PLY)

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    assert refusal(tmp_path / "s.ply").endswith("Permission denied")
