"""Scans in parts, for those that are larger than memory: binary PLY and LAS or LAZ; other files at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from recon.errors import ScanError
from recon.geometry import PointCloud
from recon.scan.files import READERS, read_cloud, reader_of
from recon.scan.preparation.selection import selected
from recon.scan.readers.las import las_count, las_parts, read_las
from recon.scan.readers.ply import ply_count, ply_parts, read_ply
from recon.scan.settings import ScanConfig

PART_POINTS = 1 << 18


def scans_in(paths: Sequence[str | Path]) -> list[Path]:
    """`paths`, each folder replaced by the scans in it, sorted. Raises ScanError for a folder without any."""
    found: list[Path] = []
    for path in map(Path, paths):
        if not _is_folder(path):
            found.append(path)
            continue
        files = sorted(file for file in path.iterdir() if not file.name.startswith(".") and file.is_file())
        scans = [file for file in files if file.suffix.lower() in READERS]
        if not scans:
            raise ScanError(f"{path} holds no scans: none of its files ends in one of {' '.join(READERS)}")
        found += scans
    return found


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name that no file can have: its reader says so
        return False


def large_count(path: Path) -> int:
    """How many points a file holds that can be read in parts; 0 for any other. Raises ScanError."""
    reader = reader_of(path)
    if reader is read_las:
        return las_count(path)
    return ply_count(path) if reader is read_ply else 0


def parts_of(path: Path, config: ScanConfig, seed: int = 0) -> Iterator[PointCloud]:
    """The finite points of a scan, of the classes and returns in `config`, in parts of limited size.

    Raises ScanError as `read_cloud`, and if no point of the file is of these classes and returns.
    """
    reader = reader_of(path)
    if reader is read_las:
        whole = las_parts(path, PART_POINTS)
    elif reader is read_ply and ply_count(path):
        whole = ply_parts(path, PART_POINTS)
    else:
        whole = _split(read_cloud(path, samples=config.samples, seed=seed, columns=config.columns))
    missing, found = None, False
    for part in whole:
        try:
            chosen = selected(part, config)
        except ScanError as error:
            missing = error
            continue
        finite = np.isfinite(chosen.points).all(1)
        found = True
        yield chosen if finite.all() else chosen.select(finite)
    if missing is not None and not found:
        raise missing


def _split(cloud: PointCloud) -> Iterator[PointCloud]:
    for start in range(0, len(cloud), PART_POINTS):
        yield cloud.select(np.arange(start, min(start + PART_POINTS, len(cloud))))
