"""One scan's work, as plain values that any process on any machine can be given, and what is known of it on
disk: the manifest beside its mesh.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from recon.base import provenance
from recon.base.files import atomic_path
from recon.base.runs import own_run
from recon.errors import OutputError
from recon.version import VERSION

DONE, FAILED = "done", "failed"


@dataclass(frozen=True)
class Job:
    """A scan to convert.

    name         the scan's path below the folder, with slashes
    scan, mesh   absolute paths of what is read and written
    config       `Config.as_dict()`
    run          where the run is kept; None for a folder of its own that is gone in the end
    preview, tensorboard, overwrite  as the options of `recon mesh`
    version      of recon: who takes the job must have the same
    """

    name: str
    scan: str
    mesh: str
    config: dict[str, Any]
    device: str = "auto"
    threads: int = 1
    run: str | None = None
    preview: float | None = None
    tensorboard: str | None = None
    overwrite: bool = False
    version: str = VERSION

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def run_path(self) -> Path:
        return Path(self.run) if self.run else own_run(Path(self.mesh))

    def left_to_do(self, manifest: dict[str, Any] | None) -> str | None:
        """Why the work is to be done, in a few words; None where `manifest` says that it is done, with the
        scan, the settings and the mesh as they are now.
        """
        if manifest is None:
            return "new"
        if manifest["state"] != DONE:
            return "failed before"
        if manifest["scan"] != self.name or manifest["config"] != self.config:
            return "other settings"
        if manifest["input"] != fingerprint(self.scan):
            return "another scan"
        if manifest["mesh"] != fingerprint(self.mesh):
            return "its mesh is damaged or gone"
        return None


def fingerprint(path: str | Path) -> dict[str, Any] | None:
    """Length and SHA-256 of a file; None where it cannot be read, or is no regular file."""
    try:
        found = provenance.fingerprint(path) if Path(path).is_file() else None
    except OSError:
        return None
    return found and {"bytes": found["bytes"], "sha256": found["sha256"]}


def check_own(job: Job, manifest: dict[str, Any] | None) -> None:
    """Raises OutputError where something lies at the mesh's path that no batch has made."""
    own = job.overwrite or (manifest and manifest["mesh"]) or job.run_path.exists()
    if Path(job.mesh).exists() and not own:
        raise OutputError(f"{job.mesh} exists, and no batch has made it: remove it, or --overwrite")


def manifest_path(mesh: str | Path) -> Path:
    return Path(f"{mesh}.json")


def picture_path(mesh: str | Path) -> Path:
    return Path(f"{mesh}.png")


def lock_path(mesh: str | Path) -> Path:
    """Held by the process that makes `mesh`."""
    return Path(mesh).with_name(f".{Path(mesh).name}.recon-lock")


def read_manifest(mesh: str | Path) -> dict[str, Any] | None:
    """What is known of the work on `mesh`; None where that is nothing."""
    try:
        manifest = json.loads(manifest_path(mesh).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    known = {"state", "scan", "config", "input", "mesh", "result", "error", "run"}
    return manifest if isinstance(manifest, dict) and known <= manifest.keys() else None


def write_manifest(mesh: str | Path, manifest: dict[str, Any]) -> None:
    """Raises OutputError where the disk refuses."""
    with atomic_path(manifest_path(mesh), overwrite=True) as temporary:
        temporary.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
