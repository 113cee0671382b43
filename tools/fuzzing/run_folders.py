"""Damaged run folders of `recon mesh`, and everything that reads one."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

import numpy as np
import torch

from fuzzing.mutations import MUTATIONS, changed_value
from recon.field.heads import HeadedField
from recon.field.siren import Siren
from recon.field.tiles import Tiles
from recon.geometry import Frame, PointCloud
from recon.report.run_page import _title
from recon.report.tables import settings, sources
from recon.surface.pipeline import surrounding_box
from recon.surface.reconstruction import Reconstruction, describe_run, load
from recon.surface.settings import PRESETS
from recon.training.trainer import Snapshot


def make_run(folder: Path) -> None:
    """Writes a run that has not been trained, with heads."""
    normals = np.random.default_rng(0).normal(size=(300, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    cloud = PointCloud(5 + normals, normals, values={"intensity": normals[:, 0]}, unit="metre")
    config = PRESETS["draft"].with_(field={"width": 8, "hidden": 1}, heads={"tile": 0.5})
    config = config.with_(fit={"steps": 10})
    frame = Frame.around(cloud.points)
    unit = torch.tensor(frame.to_unit(cloud.points), dtype=torch.float32)
    box = surrounding_box(unit.numpy().astype(float), 0.1)
    siren = Siren(config.field)
    tiles = Tiles.around(unit, 0.5)
    field = HeadedField(siren, tiles, torch.zeros(len(tiles) + 1, 1, 9))
    description = describe_run(config, frame, box, cloud, False)
    description["origin"] = {
        "command": "recon mesh",
        "inputs": [{"path": "a.ply", "bytes": 3, "sha256": "0"}],
    }
    description["origin"] |= {
        "threads": 1,
        "versions": {"recon": "0", "python": "3"},
        "date": "2026-01-01T00",
    }
    state = {name: value.detach().clone() for name, value in siren.state_dict().items()}
    history = [{"step": 10, "seconds": 0.1, "rate": 1e-3, "loss": 1.0}]
    snapshot = Snapshot(10, 1.0, 1.0, state, {"state": {}}, history=history)
    Reconstruction(field, frame, box, cloud, config, snapshot, description).save(folder)
    (folder / "result.json").write_text(
        json.dumps({"mesh": "m", "seconds": {"read": 1.0}, "seconds_all": 2.0})
    )


def damage(rng: random.Random, good: Path, folder: Path) -> None:
    """Copies the run `good` to `folder`, with one or two files damaged, exchanged or of another kind."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(good, folder)
    names = sorted(path.name for path in folder.iterdir())
    for _ in range(rng.choice([1, 1, 2])):
        path = folder / rng.choice(names)
        choice = rng.random()
        content = (good / path.name).read_bytes()
        if choice < 0.4 and path.suffix == ".json":
            values = json.loads(content)
            for _n in range(rng.randint(1, 2)):
                values = changed_value(rng, values)
            _replace(path, json.dumps(values).encode())
        elif choice < 0.4 and path.suffix == ".npz":
            with np.load(good / path.name) as archive:
                arrays = dict(archive)
            name = rng.choice(list(arrays))
            arrays[name] = _changed_array(rng, arrays[name])
            _replace(path, b"")
            (np.savez if rng.random() < 0.8 else np.savez_compressed)(path, allow_pickle=False, **arrays)
        elif choice < 0.4 and path.suffix == ".pt":
            values = torch.load(good / path.name, weights_only=True)
            _replace(path, b"")
            torch.save(_changed_state(rng, values), path)
        elif choice < 0.75:
            for mutation in rng.choices(MUTATIONS, k=rng.randint(1, 2)):
                content = mutation(rng, content or b" ", (good / rng.choice(names)).read_bytes())
            _replace(path, content)
        else:
            _replace(path, None)
            _other_kind(rng.randrange(7), path, (good / rng.choice(names)).read_bytes())


def _other_kind(kind: int, path: Path, other: bytes) -> None:
    if kind == 0:
        os.mkfifo(path)
    elif kind == 1:
        path.mkdir()
    elif kind in (2, 3):
        path.symlink_to("/dev/zero" if kind == 2 else path.name)
    elif kind in (4, 5):
        path.write_bytes(other if kind == 4 else b"[" * 100_000)


def _replace(path: Path, content: bytes | None) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_bytes(content)


def _changed_array(rng: random.Random, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "U":
        return np.array(rng.choice(["", "x" * 9999, "\x1b[2J"]))
    changed = np.array(array, rng.choice(["f8", "i4", "U3", "f2", array.dtype.str]))
    choice = rng.randrange(5)
    if choice == 0 and changed.ndim:
        return changed[: rng.randrange(len(changed) + 1)]
    if choice == 1 and changed.ndim:
        return changed[..., None]
    if choice == 2 and array.dtype.kind in "fi" and changed.dtype.kind in "fi" and changed.size:
        odd = [-1, 0, 2**19, 2**30] if changed.dtype.kind == "i" else [-1, 6e4, np.nan, np.inf]
        with np.errstate(all="ignore"):
            changed.flat[rng.randrange(changed.size)] = rng.choice(odd)
    return changed.T if choice == 3 else changed


def _changed_state(rng: random.Random, values: dict) -> dict:
    name = rng.choice(list(values))
    if name == "field" and rng.random() < 0.8:
        odd = [torch.zeros(3), torch.zeros(()), torch.zeros(1).expand(1 << 40), "flat", torch.zeros(97).int()]
        return values | {"field": {"flat": rng.choice(odd)}}
    return values | {name: changed_value(rng, values[name])} if rng.random() < 0.9 else {name: 1}


def read(folder: Path) -> None:
    """Does with the run what `recon query` does, and what `recon report` does besides meshing."""
    from recon.base.run_files import read_result

    result = load(folder)
    result.distance_and_gradient(result.scan.points[:5])
    origin = result.description.get("origin", {})
    _title(origin, folder.name)
    sources(origin, read_result(folder))
    settings(result.config, origin.get("preset", "standard"))
