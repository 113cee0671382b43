"""The origin of a run and what it takes to repeat it: plain values, as run folders store them."""

from __future__ import annotations

import hashlib
import platform
import shlex
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from recon.base.system import system_name
from recon.version import VERSION

SUMMARY_FILE = "summary.csv"  # of a batch, beside its meshes
SOUND, SUSPECT = "sound", "suspect"  # states of a mesh: it looks like its scan, or not
CHUNK_BYTES = 1 << 20
VERSIONED_PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "libigl",
    "scikit-image",
)  # whose version can change a result


def command_origin(arguments: Sequence[str], preset: str) -> dict[str, Any]:
    """The command `recon ARGUMENTS`, the working folder, and the preset."""
    return {"command": shlex.join(["recon", *arguments]), "folder": str(Path.cwd()), "preset": preset}


def machine_origin(device: str, threads: int) -> dict[str, Any]:
    """The date, versions, system and device of a run."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": {
            "python": platform.python_version(),
            "recon": VERSION,
            **{name: _version(name) for name in VERSIONED_PACKAGES},
        },
        "system": system_name(),
        "device": device,
        "threads": threads,
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # it lies on the path, but was not installed there
        return "unknown"


def fingerprint(path: str | Path) -> dict[str, Any]:
    """A file's path, its size in bytes and its SHA-256."""
    sha256, size = hashlib.sha256(), 0
    with Path(path).open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            sha256.update(chunk)
            size += len(chunk)
    return {"path": str(path), "bytes": size, "sha256": sha256.hexdigest()}
