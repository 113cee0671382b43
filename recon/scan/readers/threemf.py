"""3MF: a zip file of XML. Meshes, the parts they are made of, colours and the unit are read.

Source: 3MF Consortium, Core Specification 1.3; Materials 1.2.1 (colour groups); Production 1.1.2 (parts in
other files of the package).
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NoReturn
from xml.etree.ElementTree import ParseError, XMLParser
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile
from zlib import error as ZlibError

import numpy as np

from recon.base.units import METRES, OTHER_SPELLINGS
from recon.errors import ScanError
from recon.geometry import Float, Int, Mesh
from recon.scan.readers.mesh_scans import mesh_of

MODEL_PART = "3D/3dmodel.model"  # where none is named
MODEL_TARGET = re.compile(
    rb'Target="/?([^"]+)"[^>]*Type="[^"]*/3dmodel"|Type="[^"]*/3dmodel"[^>]*Target="/?([^"]+)"'
)
DEFAULT_UNIT = "millimeter"
FREE_BYTES, BYTES_PER_BYTE = 1 << 26, 50  # of unpacked text
FREE_VERTICES, REPEATS = 1 << 20, 20  # of parts that are used more than once
VERTICES_PER_USE = 100  # that to place a part once costs as much as
MAX_DEPTH = 50  # of parts of parts
CHUNK_BYTES = 1 << 20
NO_COLOR, GREY = -1, 0xB4B4B4
ENCRYPTED = 1  # of a zip file's flags
ELEMENTS = ("model", "object", "vertex", "triangle", "component", "item", "colorgroup", "color")
# What damaged bytes make zipfile raise (NotImplementedError: they name a version or a cipher that it does not
# have), and the parser, the numbers and the names of parts and encodings.
DAMAGE = (
    *(BadZipFile, NotImplementedError, EOFError, ZlibError),
    *(ParseError, LookupError, ValueError, OverflowError),
)

Key = tuple[str, str]  # the part of the package and the number of an object


@dataclass
class Part:
    """An object: a mesh, or other objects with the places they go to."""

    vertices: array = field(default_factory=lambda: array("d"))
    faces: array = field(default_factory=lambda: array("q"))
    colors: array = field(default_factory=lambda: array("q"))  # of the faces' corners, 0xRRGGBB
    parts: list[tuple[Key, Float]] = field(default_factory=list)


def read_3mf(path: Path) -> Mesh:
    """Reads what is to be built as one mesh, in the file's unit, with the colours of colour groups.

    Raises ScanError for one that is damaged or takes far more memory than its size explains.
    """
    try:
        with ZipFile(path) as archive:
            package = _Package(path, archive)
            package.read()
    except DAMAGE:
        raise ScanError(f"{path} is damaged: its 3MF description is unreadable") from None
    return package.joined()


class _Package:
    """The parts of a package that were read so far."""

    def __init__(self, path: Path, archive: ZipFile) -> None:
        self.path, self.archive = path, archive
        self.objects: dict[Key, Part] = {}
        self.done: set[str] = set()
        self.room = FREE_BYTES + BYTES_PER_BYTE * path.stat().st_size
        self.unit, self.items = DEFAULT_UNIT, list[tuple[Key, Float]]()
        self.left = FREE_VERTICES  # that may still be placed

    def root(self) -> str:
        """The part that says what is built."""
        with self.open("_rels/.rels") as stream:
            found = MODEL_TARGET.search(stream.read(CHUNK_BYTES))
        return next(filter(None, found.groups())).decode() if found else MODEL_PART

    def open(self, name: str) -> IO[bytes]:
        """The text of a part."""
        about = self.archive.getinfo(name)
        self.room -= about.file_size
        if about.flag_bits & ENCRYPTED:
            raise ScanError(f"{self.path} is encrypted: save it without a password")
        if about.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise BadZipFile("the format knows no other compression")
        if self.room < 0:
            raise ScanError(f"{self.path} unpacks to far more than its size explains: it is damaged")
        return self.archive.open(about)

    def read(self) -> None:
        """Reads what is built, and the parts that it names."""
        first = self._model(self.root())
        self.unit, self.items = first.unit, first.items
        while missing := {
            other for part in self.objects.values() for (other, _), _ in part.parts if other not in self.done
        }:
            for name in sorted(missing):
                self._model(name)

    def _model(self, name: str) -> _Model:
        self.done.add(name)
        model = _Model(self.objects, name)
        parser = XMLParser(target=model)
        with self.open(name) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                parser.feed(chunk)
        parser.close()
        return model

    def joined(self) -> Mesh:
        """What is built, in its places, as one mesh."""
        self.left += REPEATS * sum(len(part.vertices) // 3 for part in self.objects.values())
        found = [piece for key, place in self.items for piece in self.placed(key, place, 0)]
        if not found:
            raise ScanError(f"{self.path} builds nothing: it holds no mesh")
        starts = np.cumsum([0, *(len(vertices) for vertices, _, _ in found)])
        vertices = np.concatenate([vertices for vertices, _, _ in found])
        faces = np.concatenate([faces + start for (_, faces, _), start in zip(found, starts, strict=False)])
        colors = np.concatenate([colors for _, _, colors in found])
        shown = colors >= 0
        packed = np.full(len(vertices), GREY)
        packed[faces[shown]] = colors[shown]
        rgb = packed[:, None] >> np.array([16, 8, 0]) & 255
        unit = OTHER_SPELLINGS.get(self.unit, self.unit)
        return mesh_of(self.path, vertices, faces, None, rgb if shown.any() else None, unit=unit)

    def placed(self, key: Key, place: Float, depth: int) -> list[tuple[Float, Int, Int]]:
        """Vertices (n, 3), faces (m, 3) and their corners' colours of an object, moved by `place` (4, 3)."""
        part = self.objects.get(key)
        if part is None or depth > MAX_DEPTH:
            raise ScanError(f"{self.path} is damaged: it builds object {key[1][:20]!r}, which is not there")
        vertices, faces, colors = (
            np.array(rows).reshape(-1, 3) for rows in (part.vertices, part.faces, part.colors)
        )
        self.left -= len(vertices) + VERTICES_PER_USE
        if self.left < 0:
            raise ScanError(f"{self.path} repeats its parts too often: write them once, or as points")
        found = [
            piece for other, at in part.parts for piece in self.placed(other, _after(at, place), depth + 1)
        ]
        if not len(faces):
            return found
        if not 0 <= faces.min() <= faces.max() < len(vertices):
            raise ScanError(f"{self.path} is damaged: a face refers to a vertex that is not there")
        if np.linalg.det(place[:3]) < 0:  # mirrored: the other side would be outside
            faces, colors = faces[:, ::-1], colors[:, ::-1]
        return [(vertices @ place[:3] + place[3], faces, colors), *found]


class _Model:
    """What a parser tells of one part of a package."""

    def __init__(self, objects: dict[Key, Part], name: str) -> None:
        self.objects, self.name = objects, name
        self.unit, self.items = DEFAULT_UNIT, list[tuple[Key, Float]]()
        self.part, self.group, self.default = Part(), "", ("", 0)
        self.palettes: dict[str, list[int]] = {}

    def start(self, tag: str, given: dict[str, str]) -> None:
        """An element begins."""
        name = tag.rpartition("}")[2]
        if name in ELEMENTS:
            getattr(self, f"_{name}")(given)

    def doctype(self, *_: Any) -> NoReturn:
        """The format forbids what could define entities."""
        raise ValueError("DTD")

    def close(self) -> None:
        """The end."""

    def _model(self, given: dict[str, str]) -> None:
        self.unit = given.get("unit", DEFAULT_UNIT)
        if OTHER_SPELLINGS.get(self.unit, self.unit) not in METRES:
            raise ValueError("the format knows no other units")

    def _object(self, given: dict[str, str]) -> None:
        self.part = self.objects[self.name, given["id"]] = Part()
        self.default = given.get("pid", ""), int(given.get("pindex", 0))

    def _vertex(self, given: dict[str, str]) -> None:
        self.part.vertices.extend((float(given["x"]), float(given["y"]), float(given["z"])))

    def _triangle(self, given: dict[str, str]) -> None:
        self.part.faces.extend((int(given["v1"]), int(given["v2"]), int(given["v3"])))
        group, first = given.get("pid", self.default[0]), given.get("p1", self.default[1])
        palette = self.palettes.get(group)
        if palette is None:
            self.part.colors.extend((NO_COLOR, NO_COLOR, NO_COLOR))
            return
        places = (int(first), int(given.get("p2", first)), int(given.get("p3", first)))
        self.part.colors.extend(palette[place] if 0 <= place < len(palette) else NO_COLOR for place in places)

    def _component(self, given: dict[str, str]) -> None:
        self.part.parts.append(self._use(given))

    def _item(self, given: dict[str, str]) -> None:
        self.items.append(self._use(given))

    def _use(self, given: dict[str, str]) -> tuple[Key, Float]:
        elsewhere = next((value for name, value in given.items() if name.endswith("}path")), self.name)
        numbers = [float(number) for number in given.get("transform", "1 0 0 0 1 0 0 0 1 0 0 0").split()]
        return (elsewhere.lstrip("/"), given["objectid"]), np.array(numbers).reshape(4, 3)

    def _colorgroup(self, given: dict[str, str]) -> None:
        self.group = given["id"]
        self.palettes[self.group] = []

    def _color(self, given: dict[str, str]) -> None:
        self.palettes[self.group].append(int(given["color"].lstrip("#")[:6], 16))


def _after(first: Float, then: Float) -> Float:
    """The affine map (4, 3) of rows that does `first` and `then`."""
    return np.vstack([first[:3] @ then[:3], first[3] @ then[:3] + then[3]])
