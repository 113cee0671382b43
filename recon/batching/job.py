"""The work on one scan, as plain values for any process on any machine, and its manifest on disk."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from recon.base import provenance
from recon.base.files import write_json
from recon.base.run_files import matches, read_json
from recon.base.runs import default_run_folder
from recon.errors import OutputError, ScanError
from recon.version import VERSION

DONE, FAILED = "done", "failed"
FAILED_MANIFEST: dict[str, Any] = {"state": str, "scan": str, "config": dict, "run": dict}
DONE_MANIFEST = FAILED_MANIFEST | {
    "result": {
        "faces": int,
        "points": int,
        "doubts": [str],
        "scan_to_mesh": dict.fromkeys(("mean", "p95", "largest"), float),
    },
    "run": {"seconds": float, "peak_memory": int},
}


@dataclass(frozen=True)
class Job:
    """A scan to convert.

    Attributes:
        name: the scan's path below the folder, with slashes.
        scan: absolute path of the scan.
        mesh: absolute path of the mesh.
        config: `Config.as_dict()`.
        device: "auto", "cpu" or "cuda[:N]".
        threads: CPU threads.
        run: folder of the run; None for a temporary one.
        preview: as the option of `recon mesh`; so are `tensorboard` and `overwrite`.
        version: of recon, which the process must share.
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
        """Plain values for JSON."""
        return asdict(self)

    @property
    def run_path(self) -> Path:
        """The run folder, given or temporary."""
        return Path(self.run) if self.run else default_run_folder(Path(self.mesh))

    def reason_to_run(self, manifest: dict[str, Any] | None) -> str | None:
        """Why the work has to be done; None if `manifest` fits the present scan, settings and mesh."""
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
    """Length and SHA-256 of a file; None if it is unreadable or not a regular file."""
    try:
        found = provenance.fingerprint(path) if Path(path).is_file() else None
    except OSError:
        return None
    return found and {"bytes": found["bytes"], "sha256": found["sha256"]}


def check_replaceable(job: Job, manifest: dict[str, Any] | None) -> None:
    """Raises OutputError if the mesh's path holds a file that no batch has made."""
    own = job.overwrite or (manifest and manifest["mesh"]) or job.run_path.exists()
    if Path(job.mesh).exists() and not own:
        raise OutputError(f"{job.mesh} exists, and no batch has made it: remove it, or --overwrite")


def manifest_path(mesh: str | Path) -> Path:
    """The manifest beside `mesh`."""
    return Path(f"{mesh}.json")


def picture_path(mesh: str | Path) -> Path:
    """The picture beside `mesh`."""
    return Path(f"{mesh}.png")


def read_manifest(mesh: str | Path) -> dict[str, Any] | None:
    """The manifest of `mesh`; None if it is missing or damaged."""
    try:
        manifest = read_json(manifest_path(mesh))
    except (OSError, ScanError):
        return None
    wanted = DONE_MANIFEST if manifest.get("state") == DONE else FAILED_MANIFEST
    known = manifest.keys() >= {"input", "mesh", "result", "error"} | wanted.keys()
    return manifest if known and matches(manifest, wanted) else None


def write_manifest(mesh: str | Path, manifest: dict[str, Any]) -> None:
    """Writes the manifest of `mesh`. Raises OutputError if the disk refuses."""
    write_json(manifest_path(mesh), manifest)
