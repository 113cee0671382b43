"""Scenes whose blocks' fields are known functions: all but the fitting is tried at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from recon.base.run_files import RUN_FILE
from recon.geometry import Float, Frame, Mesh, PointCloud
from recon.meshing.files import read_mesh
from recon.scan.preparation.context import AS_GIVEN, Context
from recon.surface.scenes import blocks, field, pieces
from recon.surface.scenes.blocks import Scene, mesh_block
from recon.surface.scenes.field import BlockField
from recon.surface.scenes.joining import Joined, join
from recon.surface.scenes.pieces import finish_block
from recon.surface.scenes.plan import Plan, lattice, plan
from recon.surface.scenes.sorting import sort_points
from recon.surface.scenes.survey import Survey
from recon.surface.settings import PRESETS

Function = Callable[[Tensor], Tensor]


class Known:
    """A field that is a function of places in the frame of the scene, in double precision or rounded."""

    def __init__(self, function: Function, centre: Tensor, scale: float) -> None:
        self.function, self.centre, self.scale = function, centre, scale

    def values(self, x: Tensor) -> Tensor:
        return (self.function(x.double() * self.scale + self.centre) / self.scale).to(x.dtype)

    def value_and_gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            place = (x.double() * self.scale + self.centre).requires_grad_()
            value = self.function(place)
            (gradient,) = torch.autograd.grad(value.sum(), place)
        return (value / self.scale).to(x.dtype).detach(), gradient.to(x.dtype)


def cut(points: Float, count: int, folder: Path) -> Plan:
    """Points, whose box is about the unit one, in blocks."""
    found = sort_points([PointCloud(points)], folder)
    context = Context(PointCloud(points, np.zeros_like(points)), AS_GIVEN, False, 0.02)
    return plan(found, Survey(context, Frame(np.zeros(3), 1.0), 0.02), count)


def use(patch: pytest.MonkeyPatch, functions: Callable[[int], Function], points: Float, made: Plan) -> None:
    """Makes the fields of the blocks of a plan those functions, known around their points."""

    @cache
    def made_block(number: int) -> BlockField:
        low, high = made.corners[number] + np.array([[-1.0], [1.0]]) * made.margin
        known = points[((points >= low) & (points <= high)).all(1)]
        box = torch.tensor(np.stack([known.min(0) - 0.1, known.max(0) + 0.1]))
        centre, scale = box.mean(0), float((box[1] - box[0]).max()) / 2
        one = Known(functions(number), centre, scale)
        block = BlockField(one, centre, scale, box, 0.1)  # type: ignore[arg-type]
        block.__dict__["precise"] = one
        return block

    patch.setattr(field.SceneField, "block", lambda self, number: made_block(number))
    for module in (blocks, pieces):
        patch.setattr(module, "scan_of", lambda scene, number: PointCloud(points, normals_of(points)))


def normals_of(points: Float) -> Float:
    """The outward normals of points of a surface around the origin, roughly."""
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def meshed(
    folder: Path, made: Plan, points: Float, resolution: int, open: bool = False
) -> tuple[Joined, Mesh]:
    """The scene's mesh, and what it is said to be."""
    config = PRESETS["draft"].with_(mesh={"resolution": resolution, "parts": "all"})
    context = Context(PointCloud(points, normals_of(points)), AS_GIVEN, open, 0.02)
    scene = Scene(folder, made, lattice(made, config), context, config)
    for work in (mesh_block, lambda scene, number: finish_block(scene, number, 1)):
        for number in range(len(made)):
            scene.of(number).mkdir(parents=True, exist_ok=True)
            (scene.of(number) / RUN_FILE).touch()  # it has a field
            work(scene, number)
    with (folder / "out.ply").open("wb") as stream:
        joined = join(scene, stream)
    return joined, read_mesh(folder / "out.ply")
