"""Draw scans and meshes side by side into a PNG, by ray casting: no screen and no GPU needed.

bash tools/setup view
.venv/bin/python tools/picture.py data/kitten.ply out/kitten.ply -o out/kitten.png --from -1,-2,1
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import open3d
from numpy.typing import NDArray
from skimage.io import imsave

import recon

SIZE, SUPERSAMPLING = 700, 2
BACKGROUND, BODY = np.array([1.0, 1, 1]), np.array([0.55, 0.66, 0.78])
BEHIND = {"mesh": np.array([0.85, 0.45, 0.35]), "cloud": 0.5 * BODY}  # what is seen from its inside


def camera(low: NDArray, high: NDArray, direction: NDArray, up: NDArray) -> tuple[NDArray, NDArray]:
    """Origins and directions (size, size, 3) of parallel rays that see the box from `direction`."""
    size = SIZE * SUPERSAMPLING
    forward = -direction / np.linalg.norm(direction)
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    upward = np.cross(right, forward)
    radius = np.linalg.norm(high - low) / 2
    steps = np.linspace(-radius, radius, size) * 0.9
    plane = steps[None, :, None] * right - steps[:, None, None] * upward
    return (low + high) / 2 - 2 * radius * forward + plane, np.broadcast_to(forward, (size, size, 3))


def draw(path: str, direction: NDArray, up: NDArray) -> NDArray[np.uint8]:
    """One panel: (SIZE, SIZE, 3) uint8."""
    try:
        mesh = recon.read_mesh(path)
        kind, vertices, faces, smooth = "mesh", mesh.vertices, mesh.faces, mesh.normals
    except recon.ReconError:
        kind, (vertices, faces), smooth = "cloud", discs(recon.read_cloud(path), direction), None
    low, high = vertices.min(0), vertices.max(0)
    origins, rays = camera(low, high, direction, up)
    centre = (low + high) / 2  # float32 rays: far offsets go first
    scene = open3d.t.geometry.RaycastingScene()
    scene.add_triangles(np.float32(vertices - centre), np.uint32(faces))
    bundle = np.concatenate([origins - centre, rays], axis=2).astype(np.float32)
    hit = scene.cast_rays(open3d.core.Tensor.from_numpy(bundle))
    found = np.isfinite(hit["t_hit"].numpy())
    normals = hit["primitive_normals"].numpy().astype(np.float64)
    front = (normals * rays).sum(2, keepdims=True) < 0
    if smooth is not None:
        corner = faces[np.where(found, hit["primitive_ids"].numpy(), 0)]
        uv = hit["primitive_uvs"].numpy().astype(np.float64)
        weight = np.concatenate([1 - uv.sum(2, keepdims=True), uv], axis=2)
        normals = (smooth[corner] * weight[..., None]).sum(2)
    normals = np.where(front, normals, -normals)
    normals /= np.linalg.norm(normals, axis=2, keepdims=True) + 1e-12
    light = -rays[0, 0] + 0.6 * up + 0.5 * np.cross(up, rays[0, 0])
    shade = 0.35 + 0.65 * np.clip(normals @ (light / np.linalg.norm(light)), 0, 1)
    body = BODY
    if kind == "mesh" and mesh.colors is not None:
        body = mesh.colors[faces[np.where(found, hit["primitive_ids"].numpy(), 0)][..., 0]] / 255
    colour = np.where(front, body, BEHIND[kind]) * shade[..., None] * 1.25
    picture = np.where(found[..., None], colour, BACKGROUND).clip(0, 1)
    small = picture.reshape(SIZE, SUPERSAMPLING, SIZE, SUPERSAMPLING, 3).mean((1, 3))
    return (small * 255).round().astype(np.uint8)


def discs(cloud: recon.PointCloud, direction: NDArray) -> tuple[NDArray, NDArray]:
    """A small hexagon for every point, facing along its normal, or in `direction` where it has none."""
    cloud = cloud.select(np.isfinite(cloud.points).all(1))
    normals = np.broadcast_to(direction, cloud.points.shape) if cloud.normals is None else cloud.normals
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    radius = 0.5 * np.linalg.norm(np.ptp(cloud.points, axis=0)) / np.sqrt(len(cloud))
    side = np.cross(normals, np.where(np.abs(normals[:, :1]) < 0.9, [1.0, 0, 0], [0.0, 1, 0]))
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(normals, side)
    angles = np.arange(6) * np.pi / 3
    ring = side[:, None] * np.cos(angles)[:, None] + other[:, None] * np.sin(angles)[:, None]
    vertices = (cloud.points[:, None] + radius * ring).reshape(-1, 3)
    fan = np.array([[0, k, k + 1] for k in range(1, 5)])
    return vertices, (6 * np.arange(len(cloud))[:, None, None] + fan).reshape(-1, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("-o", "--output", required=True, metavar="PNG")
    parser.add_argument(
        "--from", dest="directions", action="append", metavar="X,Y,Z", help="again for another row"
    )
    parser.add_argument("--up", default="0,0,1", metavar="X,Y,Z")
    options = parser.parse_args()
    up = np.array(options.up.split(","), float)
    rows = []
    for text in options.directions or ["-1,-2,1"]:
        direction = np.array(text.split(","), float)
        rows.append(np.concatenate([draw(path, direction, up) for path in options.files], axis=1))
    imsave(Path(options.output), np.concatenate(rows), check_contrast=False)


if __name__ == "__main__":
    main()
