"""The heads of a field in its run folder: heads.npz, beside the checkpoint of its trunk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from recon.base.files import atomic_path
from recon.base.run_files import read_arrays, reading
from recon.errors import FitError
from recon.field.heads import HeadedField
from recon.field.lattice import Lattice
from recon.field.siren import Siren
from recon.field.tiles import Tiles

HEADS_FILE = "heads.npz"
MAX_HEAD = 1e30  # of a head's parameters
PLACE_BITS = 60  # of the number of a place in a lattice that holds all nodes


def save_heads(field: HeadedField, folder: Path) -> None:
    """Write heads.npz to a run folder, or remove it if there are none."""
    path = folder / HEADS_FILE
    if field.tiles is None or field.heads is None:
        path.unlink(missing_ok=True)
        return
    lattices, heads = field.tiles.lattices, field.heads.cpu().numpy()
    edge, counts = [lattice.edge for lattice in lattices], [len(lattice) for lattice in lattices]
    nodes = torch.cat([lattice.nodes for lattice in lattices]).int().cpu().numpy()
    with atomic_path(path, overwrite=True) as temporary, temporary.open("wb") as stream:
        np.savez(stream, edge=edge, counts=counts, nodes=nodes, heads=heads)


def read_heads(folder: Path, trunk: Siren) -> HeadedField:
    """`trunk` with the heads that `save_heads` wrote, if any. Raises FitError for a damaged file."""
    path = folder / HEADS_FILE
    if not path.exists():
        return HeadedField(trunk)
    with reading(path, FitError):
        arrays = read_arrays(path)
        edge, nodes, heads = (arrays[name] for name in ("edge", "nodes", "heads"))
        outputs, units = trunk.weights[-1].shape
        wanted = (len(nodes) + 1, outputs, units + 1)
        if nodes.shape != (max(1, len(nodes)), trunk.axes) or heads.shape != wanted:
            raise ValueError(f"nodes of shape {nodes.shape}, heads of shape {heads.shape}")
        edge = np.atleast_2d(edge)
        counts = arrays.get("counts", np.array([len(nodes)]))  # older ones are of one size
        if counts.dtype.kind not in "iu" or not (counts > 0).all() or sum(counts.tolist()) != len(nodes):
            raise ValueError(f"{counts} of {len(nodes)} nodes")
        if edge.shape != (len(counts), trunk.axes) or not ((edge > 0) & (edge < np.inf)).all():
            raise ValueError(f"edges of {edge}")
        if np.abs(nodes.astype(np.int64)).max() >= 1 << (PLACE_BITS // trunk.axes - 1):
            raise ValueError(f"nodes up to {np.abs(nodes).max()}")
        if not (np.abs(heads) < MAX_HEAD).all():
            raise ValueError("heads that are not finite, or huge")
        where = trunk.flat.device
        each = torch.tensor(nodes, dtype=torch.long, device=where).split(counts.tolist())
        tiles = Tiles([Lattice(*size) for size in zip(edge.tolist(), each, strict=True)])
        return HeadedField(trunk, tiles, torch.tensor(heads, dtype=torch.float32, device=where))
