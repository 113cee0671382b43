"""3MF, the format of programs for printing: a zip file of XML, which states the unit.

Source: 3MF Consortium, 3D Manufacturing Format, Core Specification 1.3 and Materials and Properties
Extension 1.2.1 (github.com/3MFConsortium).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import IO, BinaryIO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np

from recon.base.units import METRES
from recon.geometry import Mesh
from recon.meshing.topology import topology

MODEL_PART = "3D/3dmodel.model"
CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
MATERIALS = "http://schemas.microsoft.com/3dmanufacturing/material/2015/02"
RELATIONSHIPS = "http://schemas.openxmlformats.org/package/2006/"
UNITS = {
    "micron": "micron",
    "millimetre": "millimeter",
    "centimetre": "centimeter",
    "metre": "meter",
    "inch": "inch",
    "foot": "foot",
}  # our names, and its own
DEFAULT_UNIT = "millimetre"
LARGE_BYTES, BYTES_PER_ELEMENT = 1 << 31, 100  # of a part; of a vertex or triangle, at most
XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
CONTENT_TYPES = (
    XML + f'<Types xmlns="{RELATIONSHIPS}content-types">'
    f'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/>'
    "</Types>"
)
ROOT = (
    XML + f'<Relationships xmlns="{RELATIONSHIPS}relationships"><Relationship Id="model" '
    f'Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel" Target="/{MODEL_PART}"/>'
    "</Relationships>"
)

log = logging.getLogger("recon")
WriteLines = Callable[[IO[bytes], bytes, np.ndarray], None]  # a line filled with each row


def write_3mf(mesh: Mesh, stream: BinaryIO, write_lines: WriteLines) -> None:
    """Writes `mesh` with its unit and colours, its vertices about a centre that the build item places."""
    unit, scale = _unit_of(mesh)
    vertices = mesh.vertices * scale
    low, high = vertices.min(0), vertices.max(0)
    centre = low + 0.5 * (high - low)
    solid = topology(mesh).watertight
    if not solid:
        log.info("the mesh is open: in 3MF a surface, which programs may not print; --solid closes it")
    with ZipFile(stream, "w") as archive:
        for name, text in (("[Content_Types].xml", CONTENT_TYPES), ("_rels/.rels", ROOT)):
            archive.writestr(_part(name), text)
        large = BYTES_PER_ELEMENT * (len(mesh.vertices) + len(mesh.faces)) > LARGE_BYTES
        with archive.open(_part(MODEL_PART), "w", force_zip64=large) as part:
            part.write(
                f'{XML}<model unit="{unit}" xml:lang="en-US" xmlns="{CORE}" xmlns:m="{MATERIALS}">'
                "<resources>".encode()
            )
            line, pick, colors = _palette(mesh, part, write_lines)
            kind = "model" if solid else "surface"
            part.write(f'<object id="1" type="{kind}"{pick}><mesh><vertices>\n'.encode())
            write_lines(part, b'<vertex x="%r" y="%r" z="%r"/>\n', vertices - centre)
            part.write(b"</vertices><triangles>\n")
            write_lines(part, line, mesh.faces if colors is None else np.hstack([mesh.faces, colors]))
            place = " ".join(map(repr, [1, 0, 0, 0, 1, 0, 0, 0, 1, *centre.tolist()]))
            part.write(
                "</triangles></mesh></object></resources>"
                f'<build><item objectid="1" transform="{place}"/></build></model>\n'.encode()
            )


def _part(name: str) -> ZipInfo:
    """Without a date, so that the same mesh is the same file."""
    found = ZipInfo(name)
    found.compress_type = ZIP_DEFLATED
    return found


def _unit_of(mesh: Mesh) -> tuple[str, float]:
    """The unit's name in 3MF, and by how much coordinates are to be multiplied for it."""
    if mesh.unit is None:
        log.info("3MF states a unit, and the scan does not: written as millimetres (--unit says another)")
    elif mesh.unit not in UNITS and mesh.unit in METRES:
        return UNITS["metre"], METRES[mesh.unit]
    elif mesh.unit not in UNITS:
        log.warning("3MF knows no unit %r: written as millimetres", mesh.unit[:60])
    return UNITS.get(mesh.unit or "", UNITS[DEFAULT_UNIT]), 1.0


def _palette(mesh: Mesh, part: IO[bytes], write_lines: WriteLines) -> tuple[bytes, str, np.ndarray | None]:
    """Writes the colours; a triangle's line, the object's property, and the corners' colours (m, 3)."""
    line = b'<triangle v1="%d" v2="%d" v3="%d"'
    if mesh.colors is None:
        return line + b"/>\n", "", None
    colors, which = np.unique(mesh.colors, axis=0, return_inverse=True)
    part.write(b'<m:colorgroup id="2">\n')
    write_lines(part, b'<m:color color="#%02X%02X%02X"/>\n', colors)
    part.write(b"</m:colorgroup>\n")
    return (
        line + b' pid="2" p1="%d" p2="%d" p3="%d"/>\n',
        ' pid="2" pindex="0"',
        which.reshape(-1)[mesh.faces],
    )
