"""Binary glTF 2.0 by trimesh, completed so that viewers show a mesh as it is.

glTF's default material is metal, and COLOR_0 holds linear light (Khronos glTF 2.0, 3.9.2, 3.7.2.1).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from recon.base.light import linear_light
from recon.geometry import Mesh
from recon.meshing.atlas import Texture
from recon.meshing.texture_files import glb_visual

COLORS = "_colors"  # how trimesh names them; scalars have capital letters


def glb(mesh: Mesh, texture: Texture | None = None, lit: bool = True) -> bytes:
    """A mesh as a file: single precision about a centre that a node of the scene places.

    Colours, finite scalars (as `_NAME`) and normals of the vertices go with it.

    Args:
        mesh: in any frame.
        texture: of this mesh, instead of colours of its vertices.
        lit: whether light and shade fall on it; else its colours are shown as they are.
    """
    import trimesh  # here, as it takes a while, and other files do without

    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    place = np.eye(4)
    place[:3, 3] = low + 0.5 * (high - low)
    vertices, faces, normals = mesh.vertices - place[:3, 3], mesh.faces, mesh.normals
    about: dict[str, Any] = {"vertex_attributes": _attributes(mesh)}
    if texture is not None:
        chosen, faces = texture.atlas.vertices, texture.atlas.faces
        vertices, normals = vertices[chosen], None if normals is None else normals[chosen]
        about = {"visual": glb_visual(texture)}
    surface = trimesh.Trimesh(vertices, faces, vertex_normals=normals, process=False, **about)
    scene = trimesh.Scene()
    scene.add_geometry(surface, transform=place)
    more = partial(_complete, lit=lit) if texture is None else None
    return scene.export(file_type="glb", include_normals=normals is not None, tree_postprocessor=more)


def _attributes(mesh: Mesh) -> dict[str, Any]:
    with np.errstate(over="ignore"):
        values = {name.upper(): column.astype(np.float32) for name, column in mesh.values.items()}
    found = {name: column for name, column in values.items() if np.isfinite(column).all()}
    if mesh.colors is not None:
        found[COLORS] = linear_light(mesh.colors)
    return found


def _complete(tree: dict[str, Any], lit: bool) -> None:
    """Name the colours as glTF does, and add a matte material, seen from both sides."""
    (primitive,) = tree["meshes"][0]["primitives"]
    attributes = primitive["attributes"]
    if COLORS in attributes:
        attributes["COLOR_0"] = attributes.pop(COLORS)
    material: dict[str, Any] = {"pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 1.0}}
    material["doubleSided"] = True
    if not lit:
        material["extensions"] = {"KHR_materials_unlit": {}}
        tree["extensionsUsed"] = ["KHR_materials_unlit"]
    primitive["material"], tree["materials"] = 0, [material]
