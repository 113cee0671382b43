"""No triangle is lower than a stated share of a cell, whatever the field, nor is it another surface."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

import recon.meshing.extraction as module
from recon.geometry import Float, Mesh
from recon.meshing import marching_cubes as marching
from recon.meshing.bricks import CORNER_OFFSETS
from recon.meshing.extraction import extract
from recon.meshing.simplification import simplify
from recon.meshing.slivers import MIN_TRIANGLE_HEIGHT, heights, without_slivers
from recon.meshing.topology import Topology, topology
from recon.meshing.triangles import distance_to_mesh
from recon.meshing.trimming import cut

pytestmark = pytest.mark.slow

BOX = [[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]]
TORUS = Mesh(*(lambda t: (t.vertices, t.faces))(trimesh.creation.torus(1.0, 0.3, 64, 32)))
Field = Callable[[Tensor], Tensor]


def lowest(mesh: Mesh) -> Float:
    return heights(torch.tensor(mesh.vertices), torch.tensor(mesh.faces)).numpy()


def waves(frequency: float, bound: bool) -> Field:
    """A random field, smooth where `frequency` is low; in a sphere, or cut by the box."""
    generator = torch.Generator().manual_seed(3)
    directions = frequency * torch.randn(60, 3, generator=generator, dtype=torch.float64)
    phases = 6.3 * torch.rand(60, generator=generator, dtype=torch.float64)

    def field(x: Tensor) -> Tensor:
        inner = torch.sin(x @ directions.t() + phases).sum(1) / 60
        return torch.maximum(inner, x.norm(dim=1) - 0.9) if bound else inner

    return field


def test_heights_are_those_of_the_triangle() -> None:
    vertices = torch.tensor([[0, 0, 0], [4, 0, 0], [1, 2, 0], [9, 0, 0]], dtype=torch.float64)
    faces = torch.tensor([[0, 1, 2], [1, 2, 0], [0, 1, 3], [1, 1, 2]])
    assert heights(vertices, faces).tolist() == [2.0, 2.0, 0.0, 0.0]


def test_marching_cubes_has_no_triangle_lower_than_its_inset_over_the_root_of_two() -> None:
    """All 256 cases, both ways through each face that has two, vertices anywhere on their edges."""
    table, rng = marching._table(torch.device("cpu")), np.random.default_rng(0)
    ends = np.array([[CORNER_OFFSETS[a], CORNER_OFFSETS[b]] for a, b in marching.CUBE_EDGES], float)
    least = np.inf
    for triangles, count in zip(table.triangles.tolist(), table.count.tolist(), strict=True):
        if not count:
            continue
        used = np.array(triangles[:count])
        share = rng.uniform(marching.MIN_EDGE_SHARE, 1 - marching.MIN_EDGE_SHARE, (300, 12, 1))
        extreme = rng.integers(3, size=share.shape)
        share = np.select(
            [extreme == 0, extreme == 1], [marching.MIN_EDGE_SHARE, 1 - marching.MIN_EDGE_SHARE], share
        )
        places = ends[:, 0] + share * (ends[:, 1] - ends[:, 0])
        loop = np.unique(used[(used == marching.LOOP_CENTRE).any(1)])
        middle = places[:, loop[:-1]].mean(1, keepdims=True) if len(loop) else places[:, :1]
        corners = np.concatenate([places, middle], axis=1)[:, used].reshape(-1, 3)
        found = heights(torch.tensor(corners), torch.arange(len(corners)).reshape(-1, 3))
        least = min(least, float(found.min()))
    assert least == pytest.approx(marching.MIN_EDGE_SHARE / np.sqrt(2), rel=1e-6)


@pytest.mark.parametrize("bound", [True, False])
@pytest.mark.parametrize(("frequency", "resolution"), [(6, 50), (25, 50), (200, 24)])
def test_random_fields_keep_the_floor_and_every_face(
    frequency: float, resolution: int, bound: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last is white noise: there is every one of the 256 cases. Faces are those of the plain marching
    cubes, one by one, so all that they say about the surface is, too."""
    field, cell = waves(frequency, bound), 2 / (resolution - 1)
    meshed = lambda: extract(field, BOX, resolution, dtype=torch.float64, lipschitz=1e9)  # noqa: E731
    mesh = meshed()
    assert lowest(mesh).min() >= MIN_TRIANGLE_HEIGHT * cell
    assert topology(mesh).watertight is bound and topology(mesh).nonmanifold_edges == 0
    monkeypatch.setattr(marching, "MIN_EDGE_SHARE", 0.0)
    monkeypatch.setattr(module, "_keep_height", lambda *rest: None)
    plain = meshed()
    assert np.array_equal(plain.faces, mesh.faces)
    assert lowest(plain).min() < MIN_TRIANGLE_HEIGHT * cell / 10
    off = [np.abs(field(torch.tensor(m.vertices)).numpy()) / cell for m in (mesh, plain)]
    assert np.mean(off[0] < 1e-3) > np.mean(off[1] < 1e-3) - 0.02
    if frequency == 200 and not bound:
        side = torch.linspace(-1, 1, resolution, dtype=torch.float64)
        inside = (field(torch.cartesian_prod(side, side, side)) < 0).reshape(3 * [resolution]).long()
        steps = [slice(a, resolution - 1 + a) for a in (0, 1)]
        case = sum(inside[steps[x], steps[y], steps[z]] << k for k, (x, y, z) in enumerate(CORNER_OFFSETS))
        assert len(torch.unique(torch.as_tensor(case))) == 256


def kind(mesh: Mesh) -> tuple[object, ...]:
    shape: Topology = topology(mesh)
    return shape.consistent, shape.components, shape.genus, shape.boundary_loops, shape.nonmanifold_edges


def disturbed(mesh: Mesh, seed: int) -> Mesh:
    """`mesh` with slivers: a third of its vertices all but on a neighbour, or on the edge beyond a face."""
    rng, vertices = np.random.default_rng(seed), mesh.vertices.copy()
    for a, b, c in mesh.faces[rng.permutation(len(mesh.faces))[: len(mesh.vertices) // 3]]:
        aim = vertices[b] if rng.random() < 0.5 else 0.5 * (vertices[b] + vertices[c])
        vertices[a] += (1 - 1e-4) * (aim - vertices[a])
    return Mesh(vertices, mesh.faces)


@pytest.mark.parametrize("seed", range(2))
def test_slivers_go_and_the_surface_stays(seed: int) -> None:
    worse, floor = disturbed(TORUS, seed), 2e-3
    better = without_slivers(worse, floor)
    count = (lowest(worse) < floor).sum()
    assert count > 200 and (lowest(better) < floor).sum() < 0.02 * count
    assert kind(better) == kind(worse) == (True, 1, 1, 0, 0)
    apart = distance_to_mesh(worse.vertices, better).max(), distance_to_mesh(better.vertices, worse).max()
    assert max(apart) < 10 * floor


def test_a_rim_drawn_anywhere_keeps_the_floor() -> None:
    level = 0.4 - TORUS.vertices[:, 0] - 0.37 * TORUS.vertices[:, 1] ** 2
    level[np.argsort(np.abs(level))[:20]] *= 1e-7  # the rim all but meets vertices
    rough, floor = cut(TORUS, level), 1e-3
    tidy = without_slivers(rough, floor)
    assert lowest(rough).min() < floor / 10 and lowest(tidy).min() >= floor
    assert kind(tidy) == kind(rough)
    rim = distance_to_mesh(rough.vertices, tidy)
    assert rim.max() < 2 * floor


@pytest.mark.parametrize("faces", [27000, 13500])
def test_simplified_meshes_keep_the_floor_of_their_cells(faces: int) -> None:
    mesh = extract(waves(12, True), BOX, 50, dtype=torch.float64)
    small, floor = simplify(mesh, faces), MIN_TRIANGLE_HEIGHT * 2 / 49
    better = without_slivers(small, floor)
    assert lowest(small).min() < floor <= lowest(better).min()
    assert kind(better) == kind(small) == kind(mesh)
    assert 0.995 * faces < len(better.faces) <= faces
    off = [distance_to_mesh(mesh.vertices, one) for one in (small, better)]
    assert off[1].mean() < 1.01 * off[0].mean() and off[1].max() < off[0].max() + floor


def test_what_has_no_slivers_is_left_as_it_is() -> None:
    after = without_slivers(TORUS, 1e-3)
    assert np.array_equal(after.vertices, TORUS.vertices) and np.array_equal(after.faces, TORUS.faces)


def test_a_part_that_is_too_small_stays_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    tetrahedron = Mesh(1e-6 * np.eye(4)[:, :3], [[0, 1, 2], [0, 3, 1], [1, 3, 2], [2, 3, 0]])
    with caplog.at_level(logging.INFO, "recon"):
        after = without_slivers(tetrahedron, 1e-3)
    assert len(after.faces) == 4 and "4 triangles remain lower than 0.001" in caplog.text
