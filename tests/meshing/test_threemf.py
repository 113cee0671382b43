"""3MF: the unit, parts in their places, colours; and packages that lie about what they hold."""

from __future__ import annotations

import logging
import zipfile
from dataclasses import replace
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
import trimesh

from recon.errors import ScanError
from recon.geometry import Mesh
from recon.meshing.files import read_mesh, write_mesh
from recon.meshing.threemf import CORE, ROOT
from recon.meshing.topology import topology
from recon.scan.files import read_cloud

BOX = trimesh.creation.box((2, 4, 6))
SHAPE = Mesh(BOX.vertices, BOX.faces)
PRODUCTION = "http://schemas.microsoft.com/3dmanufacturing/production/2015/06"


def of_box(number: int, more: str = "") -> str:
    """The object of a box 2 x 4 x 6."""
    vertices = "".join(f'<vertex x="{x}" y="{y}" z="{z}"/>' for x, y, z in BOX.vertices)
    faces = "".join(f'<triangle v1="{a}" v2="{b}" v3="{c}"/>' for a, b, c in BOX.faces)
    return (
        f'<object id="{number}"><mesh><vertices>{vertices}</vertices><triangles>{faces}{more}</triangles>'
        "</mesh></object>"
    )


def package(
    path: Path,
    resources: str,
    build: str,
    head: str = "",
    parts: dict[str, str] | None = None,
    encoding: str = "utf-8",
    unit: str = "inch",
    packing: int = ZIP_DEFLATED,
) -> Path:
    with ZipFile(path, "w", packing) as archive:
        archive.writestr("_rels/.rels", ROOT.replace("3D/3dmodel.model", "3D/main.model"))
        names = f'xmlns="{CORE}" xmlns:p="{PRODUCTION}"'
        archive.writestr(
            "3D/main.model",
            f'<?xml version="1.0" encoding="{encoding}"?>{head}<model unit="{unit}" {names}>'
            f"<resources>{resources}</resources>"
            f"<build>{build}</build></model>",
        )
        for name, text in (parts or {}).items():
            archive.writestr(name, f'<model unit="meter" {names}><resources>{text}</resources></model>')
    return path


def test_parts_go_where_they_are_placed(tmp_path: Path) -> None:
    """A quarter turn about z, then a shift; a mirror; a part of a part, from another file of the package."""
    turned = '<item objectid="1" transform="0 1 0 -1 0 0 0 0 1 10 20 30"/>'
    mirrored = '<item objectid="1" transform="-1 0 0 0 1 0 0 0 1 -50 0 0"/>'
    pair = '<object id="2"><components><component objectid="7" p:path="/3D/other.model" '
    pair += 'transform="2 0 0 0 2 0 0 0 2 100 0 0"/></components></object>'
    path = package(
        tmp_path / "a.3mf",
        of_box(1) + pair,
        f'{turned}{mirrored}<item objectid="2" transform="1 0 0 0 1 0 0 0 1 0 0 7"/>',
        parts={"3D/other.model": of_box(7)},
    )
    found = read_mesh(path)
    shape = topology(found)
    assert found.unit == "inch" and shape.watertight and shape.outward and shape.components == 3
    middles = found.vertices.reshape(3, 8, 3).mean(1)
    np.testing.assert_allclose(middles, [[10, 20, 30], [-50, 0, 0], [100, 0, 7]], atol=1e-12)
    sizes = np.ptp(found.vertices.reshape(3, 8, 3), axis=1)
    np.testing.assert_allclose(sizes, [[4, 2, 6], [2, 4, 6], [4, 8, 12]], atol=1e-12)


def test_colours_of_objects_and_of_triangles_are_read(tmp_path: Path) -> None:
    colors = '<m:color color="#FF0000"/><m:color color="#00FF0080"/>'
    group = f'<m:colorgroup xmlns:m="m" id="5">{colors}</m:colorgroup>'
    red = '<triangle v1="0" v2="1" v3="2" p1="0"/>'
    box = of_box(1, red).replace('id="1"', 'id="1" pid="5" pindex="1"')
    found = read_mesh(package(tmp_path / "c.3mf", group + box, '<item objectid="1"/>'))
    assert found.colors is not None
    assert found.colors.tolist() == 3 * [[255, 0, 0]] + 5 * [[0, 255, 0]]


@pytest.mark.parametrize(
    ("unit", "read", "scale"),
    [
        *((name, name, 1) for name in ("micron", "millimetre", "centimetre", "metre", "inch", "foot")),
        ("US survey foot", "metre", 1200 / 3937),
        (None, "millimetre", 1),
        ("parsec", "millimetre", 1),
    ],
)
def test_the_unit_is_kept_or_told(
    unit: str | None, read: str, scale: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "recon"):
        write_mesh(replace(SHAPE, unit=unit), tmp_path / "m.3mf")
    found = read_mesh(tmp_path / "m.3mf")
    assert found.unit == read
    np.testing.assert_allclose(found.vertices, scale * SHAPE.vertices, rtol=1e-15)
    assert ("the scan does not" in caplog.text) == (unit is None)
    assert ("knows no unit 'parsec'" in caplog.text) == (unit == "parsec")
    by_another = trimesh.load(tmp_path / "m.3mf")
    assert by_another.units == {"metre": "meter", "millimetre": "millimeter", "centimetre": "centimeter"}.get(
        read, read
    )


def test_points_sampled_on_it_have_its_unit(tmp_path: Path) -> None:
    write_mesh(replace(SHAPE, unit="inch"), tmp_path / "m.3mf")
    cloud = read_cloud(tmp_path / "m.3mf", samples=500)
    assert cloud.unit == "inch"


def test_an_open_mesh_is_a_surface_and_a_closed_one_a_model(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name, faces in (("model", SHAPE.faces), ("surface", SHAPE.faces[2:])):
        caplog.clear()
        with caplog.at_level(logging.INFO, "recon"):
            write_mesh(Mesh(SHAPE.vertices, faces), tmp_path / f"{name}.3mf")
        with ZipFile(tmp_path / f"{name}.3mf") as archive:
            assert f'type="{name}"'.encode() in archive.read("3D/3dmodel.model")
        assert ("--solid closes it" in caplog.text) == (name == "surface")


def test_the_same_mesh_is_the_same_file(tmp_path: Path) -> None:
    for name in "ab":
        write_mesh(SHAPE, tmp_path / f"{name}.3mf")
    assert (tmp_path / "a.3mf").read_bytes() == (tmp_path / "b.3mf").read_bytes()


def test_an_stl_in_another_unit_than_printers_take_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "recon"):
        write_mesh(replace(SHAPE, unit="millimetre"), tmp_path / "a.stl")
        assert caplog.text == ""
        write_mesh(replace(SHAPE, unit="metre"), tmp_path / "b.stl")
    assert "this is in metre, which 3MF keeps" in caplog.text


ITEM = '<item objectid="1"/>'
OF_ITSELF = '<object id="1"><components><component objectid="1"/></components></object>'
TWICE = '<component objectid="{}"/>'
DOUBLED = "".join(
    f'<object id="{n}"><components>{2 * TWICE.format(n + 1)}</components></object>' for n in range(1, 40)
)


@pytest.mark.parametrize(
    ("resources", "build", "said"),
    [
        ("", ITEM, "builds object '1', which is not there"),
        (of_box(1), "", "builds nothing"),
        (OF_ITSELF, ITEM, "which is not there|too often"),
        (DOUBLED + of_box(40), ITEM, "repeats its parts too often"),
        (of_box(1, '<triangle v1="0" v2="1" v3="8"/>'), ITEM, "a vertex that is not there"),
        (of_box(1, '<triangle v1="0" v2="1" v3="-1"/>'), ITEM, "a vertex that is not there"),
        (of_box(1, '<triangle v1="0" v2="1"/>'), ITEM, "unreadable"),
        (of_box(1, f'<triangle v1="{2**70}" v2="1" v3="2"/>'), ITEM, "unreadable"),
        (of_box(1), '<item objectid="1" transform="1 0 0"/>', "unreadable"),
        (of_box(1)[:-20], ITEM, "unreadable"),
    ],
)
def test_damage_is_one_line(resources: str, build: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ScanError, match=said):
        read_mesh(package(tmp_path / "m.3mf", resources, build))


def test_entities_passwords_and_bombs_are_refused(tmp_path: Path) -> None:
    entities = '<!DOCTYPE m [<!ENTITY a "1"><!ENTITY b "&a;&a;&a;&a;">]>'
    with pytest.raises(ScanError, match="unreadable"):
        read_mesh(package(tmp_path / "entities.3mf", of_box(1), ITEM, entities))
    with pytest.raises(ScanError, match="unreadable"):
        read_mesh(package(tmp_path / "m.3mf", of_box(1), ITEM, encoding="utf-900"))
    unit = package(tmp_path / "m.3mf", of_box(1), ITEM, unit="parsec")
    with pytest.raises(ScanError, match="unreadable"):
        read_mesh(unit)
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with pytest.raises(ScanError, match="unreadable"):
            read_mesh(package(tmp_path / "m.3mf", of_box(1), ITEM, packing=method))
    bomb = package(tmp_path / "bomb.3mf", of_box(1) + " " * 80_000_000, ITEM)
    assert bomb.stat().st_size < 1_000_000
    with pytest.raises(ScanError, match="unpacks to far more than its size explains"):
        read_mesh(bomb)
    locked = bytearray(package(tmp_path / "locked.3mf", of_box(1), ITEM).read_bytes())
    for at in [at for at in range(len(locked)) if locked[at : at + 4] == b"PK\x01\x02"]:
        locked[at + 8] |= 1  # the flag that says so
    (tmp_path / "locked.3mf").write_bytes(locked)
    with pytest.raises(ScanError, match="without a password"):
        read_mesh(tmp_path / "locked.3mf")
