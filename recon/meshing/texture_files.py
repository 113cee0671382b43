"""The pictures of a texture as formats of meshes hold them: in a GLB, or as files beside an OBJ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from recon.base.files import atomic_path, check_writable
from recon.meshing.atlas import Texture


def files_beside(path: str | Path) -> list[Path]:
    """What else a mesh with a texture at `path` is written as: of OBJ, its material and two pictures."""
    path = Path(path)
    if path.suffix.lower() != ".obj":
        return []
    return [path.with_name(path.stem + ending) for ending in (".mtl", ".normal.png", ".color.png")]


def material_name(path: str | Path) -> str:
    """How the OBJ mesh at `path` names its material's file."""
    return files_beside(path)[0].name


def write_material(texture: Texture, path: str | Path, overwrite: bool) -> None:
    """Writes the files beside the OBJ mesh at `path`, the normals for `norm` of MTL's PBR extension.

    Raises OutputError if one exists without `overwrite`, before any is written, or the disk refuses.
    """
    material, normal, color = files_beside(path)
    lines = ["newmtl surface", "Kd 1 1 1", "Ks 0 0 0", f"norm {normal.name}"]
    pictures = {normal: texture.normal}
    if texture.color is not None:
        lines.append(f"map_Kd {color.name}")
        pictures[color] = texture.color
    for file in (*pictures, material):
        check_writable(file, overwrite)
    for file, picture in pictures.items():
        with atomic_path(file, overwrite) as temporary:
            Image.fromarray(picture).save(temporary, format="PNG")
    with atomic_path(material, overwrite) as temporary:
        temporary.write_text("\n".join([*lines, ""]), encoding="utf-8")


def glb_visual(texture: Texture) -> Any:
    """The texture as trimesh writes it: a rough material that is no metal, seen from both sides."""
    from trimesh.visual import TextureVisuals
    from trimesh.visual.material import PBRMaterial

    material = PBRMaterial(
        baseColorTexture=None if texture.color is None else Image.fromarray(texture.color),
        normalTexture=Image.fromarray(texture.normal),
        metallicFactor=0.0,
        roughnessFactor=1.0,
        doubleSided=True,
    )
    return TextureVisuals(uv=texture.atlas.uv, material=material)
