"""The 24 scans of tools/batch_trial.py: one or two of every format, and six that cannot be converted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import laspy
import numpy as np
import pye57
from numpy.typing import NDArray

import recon

GOOD = (
    *(
        "real/hippo.ply",
        "real/kitten.xyz",
        "real/oni.pwn",
        "real/milk.pcd",
        "real/autzen.las",
        "real/bunny.e57",
    ),
    *(
        "real/hippo2.ptx",
        "shapes/rocker.ply",
        "shapes/rocker.laz",
        "shapes/elephant.pts",
        "shapes/coupling.csv",
    ),
    *(
        "shapes/turbine.txt",
        "shapes/rocker.npy",
        "shapes/turbine.npz",
        "meshes/coupling.obj",
        "meshes/turbine.stl",
    ),
    *("meshes/peaks.off", "meshes/rocker.glb"),
)
BAD = ("bad/cut.ply", "bad/empty.las", "bad/nan.xyz", "bad/two.csv", "bad/letter.pts", "bad/locked.e57")


def make_scans(data: Path, folder: Path) -> None:
    """Write them all below `folder`, out of the files of `data`."""
    for part in ("real", "shapes", "meshes", "bad"):
        (folder / part).mkdir(parents=True)
    for name, source in COPIED.items():
        shutil.copyfile(data / source, folder / name)
    for name, (source, write) in WRITTEN.items():
        write(folder / name, recon.read_cloud(data / source))
    for name, source in MESHES.items():
        recon.write_mesh(recon.read_mesh(data / source), folder / name)
    _make_bad(data, folder / "bad")


COPIED = {
    "real/hippo.ply": "real/cgal_hippo1.ply",
    "real/kitten.xyz": "real/cgal_kitten.xyz",
    "real/oni.pwn": "real/cgal_oni.pwn",
    "real/milk.pcd": "real/pcl_milk.pcd",
    "real/autzen.las": "real/pdal_autzen_trim.las",
    "shapes/rocker.ply": "shapes/rocker.scan.ply",
    "meshes/peaks.off": "open/cgal_three_peaks.off",
}
MESHES = {
    "meshes/coupling.obj": "shapes/coupling.gt.ply",
    "meshes/turbine.stl": "shapes/turbine.gt.ply",
    "meshes/rocker.glb": "shapes/rocker.gt.ply",
}


def _table(cloud: recon.PointCloud) -> NDArray[np.float64]:
    assert cloud.normals is not None
    return np.hstack([cloud.points, cloud.normals])


def _e57(path: Path, cloud: recon.PointCloud) -> None:
    with pye57.E57(str(path), mode="w") as file:
        axes = ("cartesianX", "cartesianY", "cartesianZ")
        file.write_scan_raw(dict(zip(axes, np.ascontiguousarray(cloud.points.T), strict=True)))


def _laz(path: Path, cloud: recon.PointCloud) -> None:
    las = laspy.create()
    las.header.offsets, las.header.scales = cloud.points.min(0), np.full(3, 1e-6)
    las.x, las.y, las.z = cloud.points.T
    las.write(path)


def _ptx(path: Path, cloud: recon.PointCloud) -> None:
    """As from a scanner far out along z, where it saw these points from."""
    place = np.array([0.0, 0.0, 3.0 * float(np.ptp(cloud.points, axis=0).max())])
    head = [str(len(cloud)), "1", "0 0 0", "1 0 0", "0 1 0", "0 0 1"]
    head += ["1 0 0 0", "0 1 0 0", "0 0 1 0", "{} {} {} 1".format(*place)]
    rows = (f"{x:.9g} {y:.9g} {z:.9g} 0.5" for x, y, z in cloud.points - place)
    path.write_text("\n".join([*head, *rows, ""]), encoding="utf-8")


def _pts(path: Path, cloud: recon.PointCloud) -> None:
    rows = (f"{x:.9g} {y:.9g} {z:.9g}" for x, y, z in cloud.points)
    path.write_text("\n".join([str(len(cloud)), *rows, ""]), encoding="utf-8")


WRITTEN: dict[str, tuple[str, Callable[[Path, recon.PointCloud], None]]] = {
    "real/bunny.e57": ("real/simpleicp_bunny_part1.xyz", _e57),
    "real/hippo2.ptx": ("real/cgal_hippo2.ply", _ptx),
    "shapes/rocker.laz": ("shapes/rocker.noisy.ply", _laz),
    "shapes/elephant.pts": ("shapes/elephant.sparse.ply", _pts),
    "shapes/coupling.csv": (
        "shapes/coupling.sparse.ply",
        lambda path, cloud: np.savetxt(
            path, _table(cloud), delimiter=",", header="x,y,z,nx,ny,nz", comments=""
        ),
    ),
    "shapes/turbine.txt": ("shapes/turbine.sparse.ply", lambda path, cloud: np.savetxt(path, _table(cloud))),
    "shapes/rocker.npy": ("shapes/rocker.sparse.ply", lambda path, cloud: np.save(path, _table(cloud))),
    "shapes/turbine.npz": (
        "shapes/turbine.clean.ply",
        lambda path, cloud: np.savez(path, points=cloud.points, normals=_table(cloud)[:, 3:]),
    ),
}


def _make_bad(data: Path, folder: Path) -> None:
    whole = (data / "shapes/rocker.clean.ply").read_bytes()
    (folder / "cut.ply").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.las").write_bytes(b"")
    np.savetxt(folder / "nan.xyz", np.full((500, 6), np.nan))
    np.savetxt(folder / "two.csv", np.eye(3)[:2], delimiter=",")
    (folder / "letter.pts").write_text("Dear Sir,\nplease find enclosed the scan of the pump.\n")
    locked = folder / "locked.e57"
    locked.write_bytes(b"ASTM-E57")
    locked.chmod(0)
    if os.access(locked, os.R_OK):  # root reads everything, but not what is not there
        locked.unlink()
        locked.symlink_to("nowhere.e57")
