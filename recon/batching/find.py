"""Which scans a folder holds, and how their meshes are named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from recon.base.files import walk
from recon.errors import ScanError, UsageError
from recon.scan.files import READERS


@dataclass(frozen=True)
class Found:
    """One scan: its `name`, the path below the folder with slashes, and the path of its mesh below OUT."""

    name: str
    mesh: str


def find_scans(
    folder: Path, out: Path, pattern: str | None, ending: str
) -> tuple[list[Found], dict[str, str]]:
    """Finds every scan below `folder`, by file ending and `pattern`.

    Names that start with a dot, and `out`, are skipped; links are followed, to each folder once.
    The mesh of `rooms/a.xyz` is `rooms/a.ply` (with `ending` .ply); if `rooms/a.e57` wants that name, too,
    both keep their endings: `rooms/a.xyz.ply`, `rooms/a.e57.ply`, even if `pattern` excludes one of them.

    Returns:
        The scans, sorted by name, and for each unreadable folder, as `rooms/`, what is wrong.

    Raises:
        ScanError: there is no folder, or nothing in it.
        UsageError: meshes could overwrite scans.
    """
    if not folder.is_dir():
        what = f"{folder} is a file: `recon mesh` converts one scan" if folder.exists() else None
        raise ScanError(what or f"there is no folder {folder}")
    inside, outside = folder.resolve(), out.resolve()
    if inside == outside or outside in inside.parents:
        raise UsageError(f"{folder} lies in {out}, where the meshes go: give another folder for them")
    unread: dict[str, str] = {}
    names = sorted(_files(folder, outside, unread))
    found = [
        Found(name, mesh)
        for name, mesh in zip(names, _meshes(names, ending), strict=True)
        if pattern is None or matches(name, pattern)
    ]
    if not found and not unread:
        what = "no scan" if pattern is None else f"no scan that matches '{pattern}'"
        raise ScanError(f"{folder} holds {what}; scans end in {' '.join(READERS)}")
    return found, unread


def matches(name: str, pattern: str) -> bool:
    """Whether a scan's name, or its path if `pattern` has a slash, matches it; * matches slashes, too."""
    return fnmatchcase(name if "/" in pattern else PurePosixPath(name).name, pattern)


def _files(folder: Path, out: Path, unread: dict[str, str]) -> Iterator[str]:
    def note(error: OSError) -> None:
        place = Path(error.filename)
        if place == folder:
            raise ScanError(f"cannot read the folder {folder}: {error.strerror}")
        name = f"{place.relative_to(folder).as_posix()}/"
        unread[name] = f"cannot read the folder: {error.strerror}; no scan in it was converted"

    for path in walk(folder, skip=[out], on_error=note):
        if path.suffix.lower() in READERS:
            yield path.relative_to(folder).as_posix()


def _meshes(names: list[str], ending: str) -> list[str]:
    """The name of each scan's mesh, all different."""
    meshes = [str(PurePosixPath(name).with_suffix(ending)) for name in names]
    while len(set(meshes)) < len(meshes):
        count = Counter(meshes)
        whole = (f"{name}{ending}" for name in names)
        meshes = [full if count[mesh] > 1 else mesh for mesh, full in zip(meshes, whole, strict=True)]
    return meshes
