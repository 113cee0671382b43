"""Make a scan of a made-up city from the air, and the surfaces that were scanned.

    .venv/bin/python tools/make_city.py CITY.las --points 1000000 --truth TRUTH.ply
    .venv/bin/python tools/make_city.py CITY.ply --points 20000000 --density 8 --sensors

Terrain, houses with roofs and windows, and trees, as large as the points need at that density. An aircraft
flies over it in strips; its rays have noise, go through leaves now and then (several returns), and know the
class of what they meet. Coordinates are those of a survey, far from the origin; `--local` leaves them near
it. The mesh of the truth has the same frame. A seed gives the same files again.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import trimesh
from city.surfaces import VEGETATION, City

CHUNK = 500_000
FLIGHT_HEIGHT, STRIP, SWATH = 260.0, 150.0, 130.0  # metres above the terrain's middle; between strips; reach
THROUGH_LEAVES = 0.4  # share of the rays that meet leaves and go on
SURVEY = np.array([511_000.0, 5_403_000.0, 220.0])
COLUMNS = {
    "x": "<f8",
    "y": "<f8",
    "z": "<f8",
    "vx": "<f4",
    "vy": "<f4",
    "vz": "<f4",
    "classification": "u1",
    "return_number": "u1",
    "number_of_returns": "u1",
}


def scanned(city: City, count: int, noise: float, seed: int, draws: int) -> Iterator[np.ndarray]:
    """Rows of COLUMNS, local, in parts, `count` of them in all."""
    import open3d as o3d

    rng = np.random.default_rng((seed, 1 + draws))
    everything = _scene(o3d, city.vertices, city.faces)
    solid = city.kinds != VEGETATION
    leafless = _scene(o3d, city.vertices, city.faces[solid])
    kinds = city.kinds[solid]
    left = count
    while left > 0:
        target = np.column_stack([rng.uniform(0, city.side, (CHUNK, 2)), np.zeros(CHUNK)])
        strips = np.maximum(1, round(city.side / STRIP))
        lines = (np.arange(strips) + 0.5) * city.side / strips
        line = lines[(rng.random(CHUNK) * strips).astype(int)]
        reached = np.abs(line - target[:, 1]) < SWATH
        target, line = target[reached], line[reached]
        origin = np.column_stack([target[:, 0], line, np.full(len(line), FLIGHT_HEIGHT)])
        distance, face = _hits(o3d, everything, origin, target - origin)
        met = np.isfinite(distance)
        origin, ray, distance, face = origin[met], (target - origin)[met], distance[met], face[met]
        leaves = (city.kinds[face] == VEGETATION) & (rng.random(len(face)) < THROUGH_LEAVES)
        behind, further = _hits(o3d, leafless, origin[leaves], ray[leaves])
        rows = np.zeros(len(face) + len(behind), list(COLUMNS.items()))
        origin, ray = np.concatenate([origin, origin[leaves]]), np.concatenate([ray, ray[leaves]])
        length = np.linalg.norm(ray, axis=1)
        along = np.concatenate([distance, behind]) + rng.normal(0, noise, len(rows)) / length
        place = origin + along[:, None] * ray
        for axis, name in enumerate("xyz"):
            rows[name], rows[f"v{name}"] = place[:, axis], origin[:, axis]
        rows["classification"] = np.concatenate([city.kinds[face], kinds[further.clip(0, len(kinds) - 1)]])
        rows["return_number"] = np.repeat([1, 2], [len(face), len(behind)])
        rows["number_of_returns"] = np.concatenate([1 + leaves, np.full(len(behind), 2)])
        rows = rows[np.isfinite(place).all(1)][:left]
        left -= len(rows)
        yield rows


def _scene(o3d, vertices, faces):
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(vertices.astype(np.float32), faces.astype(np.uint32))
    return scene


def _hits(o3d, scene, origin, ray):
    """How far along each ray, and on which face, it meets the scene first; inf if nowhere."""
    found = scene.cast_rays(o3d.core.Tensor(np.hstack([origin, ray]).astype(np.float32)))
    return found["t_hit"].numpy().astype(np.float64), found["primitive_ids"].numpy().astype(np.int64)


def write_ply(path: Path, parts: Iterator[np.ndarray], count: int, shift: np.ndarray, sensors: bool) -> None:
    """Binary PLY, part by part."""
    kinds = {"<f8": "double", "<f4": "float", "u1": "uchar"}
    columns = {name: kind for name, kind in COLUMNS.items() if sensors or not name.startswith("v")}
    columns |= {name: "<f8" for name in columns if name.startswith("v")}
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {count}"]
    header += [f"property {kinds[kind]} {name}" for name, kind in columns.items()]
    with path.open("wb") as stream:
        stream.write("\n".join([*header, "end_header", ""]).encode())
        for rows in parts:
            out = np.zeros(len(rows), list(columns.items()))
            for name in columns:
                axis = "xyz".find(name[-1]) if len(name) < 3 else -1
                out[name] = rows[name] + (shift[axis] if axis >= 0 else 0)
            stream.write(out.tobytes())


def write_las(path: Path, parts: Iterator[np.ndarray], shift: np.ndarray) -> None:
    """LAS or LAZ 1.4, part by part."""
    import laspy

    header = laspy.LasHeader(point_format=6, version="1.4")
    header.scales, header.offsets = [0.001] * 3, np.floor(shift)
    with laspy.open(path, "w", header=header) as writer:
        for rows in parts:
            record = laspy.ScaleAwarePointRecord.zeros(len(rows), header=header)
            for axis, name in enumerate("xyz"):
                setattr(record, name, rows[name] + shift[axis])
            for name in ("classification", "return_number", "number_of_returns"):
                record[name] = rows[name]
            writer.write_points(record)


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("scan", type=Path, help=".las, .laz or .ply")
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--density", type=float, default=8.0, help="points per square metre")
    parser.add_argument("--noise", type=float, default=0.02, help="standard deviation along the ray, metres")
    parser.add_argument("--truth", type=Path, help="write the scanned surfaces there, a PLY mesh")
    parser.add_argument("--sensors", action="store_true", help="write where the aircraft was (PLY)")
    parser.add_argument("--local", action="store_true", help="coordinates near the origin")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--draws", type=int, default=0, help="of the rays, for another scan of the city")
    args = parser.parse_args()
    city = City.built((args.points / args.density) ** 0.5, args.seed)
    shift = np.zeros(3) if args.local else SURVEY
    if args.truth:
        trimesh.Trimesh(city.vertices + shift, city.faces, process=False).export(args.truth)
    parts = scanned(city, args.points, args.noise, args.seed, args.draws)
    if args.scan.suffix == ".ply":
        write_ply(args.scan, parts, args.points, shift, args.sensors)
    else:
        write_las(args.scan, parts, shift)
    size = f"{city.side:.0f} m wide, {len(city.faces):,} triangles"
    print(f"{args.scan}: {args.points:,} points of a city {size}")


if __name__ == "__main__":
    main()
