"""Extraction from analytic fields: no training, closed forms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes
from torch import Tensor

import recon.meshing.extraction as module
from recon.errors import ExtractError
from recon.geometry import Mesh
from recon.meshing import bricks
from recon.meshing import marching_cubes as marching
from recon.meshing.extraction import extract
from recon.meshing.topology import topology

Field = Callable[[Tensor], Tensor]
BOX = [[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]]


def sphere(x: Tensor, radius: float = 0.7) -> Tensor:
    return x.norm(dim=1) - radius


def torus(x: Tensor) -> Tensor:
    ring = x[:, :2].norm(dim=1) - 0.6
    return (ring.square() + x[:, 2].square()).sqrt() - 0.25


def waves(x: Tensor) -> Tensor:
    """Many parts, necks and ambiguous cells, closed by the sphere around them."""
    inner = torch.sin(9 * x[:, 0]) * torch.sin(8 * x[:, 1]) * torch.cos(7 * x[:, 2]) / 12 + 0.01
    return torch.maximum(inner, sphere(x, 0.9))


def doubles(field: Field, resolution: int, **more) -> Mesh:
    return extract(field, BOX, resolution, dtype=torch.float64, **more)


def centre_errors(mesh: Mesh, field: Field) -> float:
    """Mean distance of the face centres from the true surface."""
    centres = mesh.vertices[mesh.faces].mean(1)
    return float(field(torch.tensor(centres)).abs().mean())


@pytest.mark.parametrize("field", [sphere, torus])
def test_the_error_is_of_second_order_and_vertices_are_on_the_surface(field: Field) -> None:
    errors = []
    for resolution in (25, 49, 97):
        mesh = doubles(field, resolution)
        errors.append(centre_errors(mesh, field))
        assert field(torch.tensor(mesh.vertices)).abs().max() < 1e-4 * 2 / (resolution - 1)
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(slopes > 1.9) and np.all(slopes < 2.3)


def test_a_sphere_is_closed_outward_and_as_large_as_it_is() -> None:
    mesh = doubles(sphere, 96)
    shape = topology(mesh)
    assert shape.watertight and shape.consistent and shape.outward
    assert (shape.components, shape.genus) == (1, 0)
    exact = 4 / 3 * np.pi * 0.7**3
    assert 0.998 * exact < enclosed(mesh) < exact  # chords cut the corners off
    assert np.abs((mesh.normals * mesh.vertices).sum(1) / 0.7 - 1).max() < 1e-6


def dense_mesh(field: Field, resolution: int, monkeypatch: pytest.MonkeyPatch) -> Mesh:
    """The plain version: every sample of the grid evaluated."""
    with monkeypatch.context() as patch:
        patch.setattr(bricks, "TRUST_FACTOR", np.inf)
        return doubles(field, resolution, lipschitz=1e9)


@pytest.mark.parametrize("resolution", [33, 64, pytest.param(91, marks=pytest.mark.slow)])
@pytest.mark.parametrize("field", [torus, waves])
def test_it_is_the_dense_grids_mesh(field: Field, resolution: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same triangles where those samples alone are evaluated that a bound leaves, far too small a bound
    included; and with interpolated samples the same but for where on the surface a vertex lies."""
    dense = dense_mesh(field, resolution, monkeypatch)
    assert topology(dense).watertight
    for lipschitz in (None, 0.3):
        with monkeypatch.context() as patch:
            patch.setattr(bricks, "TRUST_FACTOR", np.inf)
            sparse = doubles(field, resolution, lipschitz=lipschitz)
        assert same_triangles(sparse, dense)
        fast = doubles(field, resolution, lipschitz=lipschitz)
        assert topology(fast) == topology(dense)
        apart = cKDTree(fast.vertices).query(dense.vertices)[0] * (resolution - 1) / 2
        assert apart.mean() < 0.01 and apart.max() < 0.3


@pytest.mark.slow
def test_at_160_it_has_the_size_and_topology_of_the_dense_grids_mesh(monkeypatch: pytest.MonkeyPatch) -> None:
    dense, fast = dense_mesh(torus, 160, monkeypatch), doubles(torus, 160)
    assert topology(fast) == topology(dense)
    assert enclosed(fast) == pytest.approx(enclosed(dense), rel=1e-6)


@pytest.mark.parametrize("field", [torus, waves])
def test_its_vertices_are_those_of_another_marching_cubes(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marching, "MIN_EDGE_SHARE", 0.0)
    monkeypatch.setattr(module, "_onto_zero_set", lambda gradient, points, *rest: (points, points))
    monkeypatch.setattr(module, "_keep_height", lambda *rest: None)
    mesh = dense_mesh(field, 65, monkeypatch)
    side = torch.linspace(-1, 1, 65, dtype=torch.float64)
    volume = field(torch.cartesian_prod(side, side, side)).reshape(65, 65, 65).numpy() * 32
    volume = np.where(volume < 0, -1, 1) * np.maximum(np.abs(volume), 1e-4)
    vertices, faces, _, _ = marching_cubes(volume, 0.0)
    apart, _ = cKDTree(vertices / 32 - 1).query(mesh.vertices)
    assert (apart < 1e-5).mean() > 0.999  # all but the middles of loops
    assert abs(len(vertices) - len(mesh.vertices)) < 1e-3 * len(vertices)
    assert abs(len(faces) - len(mesh.faces)) < 1e-2 * len(faces)
    assert enclosed(mesh) == pytest.approx(enclosed(Mesh(vertices / 32 - 1, faces)), rel=1e-3)


def enclosed(mesh: Mesh) -> float:
    a, b, c = mesh.vertices[mesh.faces].transpose(1, 0, 2)
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def same_triangles(one: Mesh, other: Mesh) -> bool:
    """Whether both have the same triangles, bit for bit, in whatever order."""

    def triangles(mesh: Mesh) -> set[frozenset[bytes]]:
        corners = [vertex.tobytes() for vertex in mesh.vertices]
        return {frozenset((corners[a], corners[b], corners[c])) for a, b, c in mesh.faces.tolist()}

    return triangles(one) == triangles(other)


def test_sampling_costs_the_surface_not_the_volume() -> None:
    counts = []
    for resolution in (65, 129):
        taken = 0

        def counting(x: Tensor) -> Tensor:
            nonlocal taken
            taken += len(x)
            return sphere(x)

        doubles(counting, resolution, value_and_gradient=module.central_differences(sphere, 1e-4))
        counts.append(taken)
    assert counts[1] < 5.5 * counts[0]  # 4 for a surface, 8 for a volume
    assert counts[1] < 0.2 * 129**3


def test_a_random_field_gives_a_closed_mesh() -> None:
    generator = torch.Generator().manual_seed(3)
    directions = 12 * torch.randn(60, 3, generator=generator, dtype=torch.float64)
    phases = 6.3 * torch.rand(60, generator=generator, dtype=torch.float64)

    def rough(x: Tensor) -> Tensor:
        return torch.maximum(torch.sin(x @ directions.t() + phases).sum(1) / 60, sphere(x, 0.9))

    shape = topology(doubles(rough, 80, lipschitz=20.0))
    assert shape.watertight and shape.consistent and shape.nonmanifold_edges == 0


def test_both_of_two_spheres_are_found() -> None:
    centres = torch.tensor([[-0.5, 0, 0], [0.6, 0.3, 0.2]], dtype=torch.float64)
    radii = torch.tensor([0.3, 0.05], dtype=torch.float64)
    mesh = doubles(lambda x: ((x[:, None] - centres).norm(dim=2) - radii).min(1).values, 90)
    assert topology(mesh).components == 2


def test_a_plate_thinner_than_two_cells_stays_whole() -> None:
    half = torch.tensor([0.7, 0.7, 0.02], dtype=torch.float64)
    mesh = doubles(lambda x: (x.abs() - half).max(1).values, 70)
    shape = topology(mesh)
    assert (shape.watertight, shape.components, shape.genus) == (True, 1, 0)


def test_a_surface_that_leaves_the_box_is_open_there_and_nowhere_else() -> None:
    mesh = doubles(lambda x: x[:, 2] - 0.1 * torch.sin(3 * x[:, 0]), 40)
    edges = np.sort(np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]]))
    edges, count = np.unique(edges, axis=0, return_counts=True)
    rim = mesh.vertices[edges[count == 1].ravel()]
    assert len(rim) and np.all(np.abs(rim[:, :2]).max(1) > 0.97)


@pytest.mark.parametrize("place", [(0.5, 0.0, 0.0), (0.6, 0.6, 0.6)])
def test_asked_for_a_closed_mesh_the_box_closes_it(place: tuple[float, float, float]) -> None:
    """A sphere that sticks out of the box through a face, or through faces, edges and a corner."""
    middle, cell = torch.tensor(place), 2 / 39
    mesh = extract(lambda x: sphere(x - middle), [[-1] * 3, [1] * 3], 40, closed=True)
    shape = topology(mesh)
    assert shape.watertight and shape.outward and shape.components == 1 and shape.genus == 0
    assert np.abs(mesh.vertices).max() < 1 + cell  # the grid is half a cell wider, Newton's step half a cell
    inside = np.abs(mesh.vertices).max(1) < 1 - cell
    away = np.linalg.norm(mesh.vertices - middle.numpy(), axis=1)
    assert np.abs(away - 0.7)[inside].max() < 1e-3


def test_a_box_of_any_shape_is_covered() -> None:
    mesh = extract(sphere, [[-0.8, -0.71, -0.75], [1.9, 0.71, 0.75]], 101, dtype=torch.float64)
    assert topology(mesh).watertight
    assert np.abs(np.linalg.norm(mesh.vertices, axis=1) - 0.7).max() < 1e-6


def test_progress_goes_from_nothing_to_all() -> None:
    shares: list[float] = []
    doubles(sphere, 50, progress=shares.append)
    assert shares == sorted(shares) and shares[-1] == 1.0


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (lambda x: x.norm(dim=1) + 1, "positive all over"),
        (lambda x: -x.norm(dim=1) - 1, "negative all over"),
        (lambda x: sphere(x - 0.013, 1e-3), "positive all over"),  # between samples
        (lambda x: -sphere(x - 0.013, 1e-3), "negative all over"),
        (lambda x: x[:, 0] / 0, "not finite"),
    ],
)
def test_a_field_without_a_surface_is_an_error(field: Field, words: str) -> None:
    with pytest.raises(ExtractError, match=words):
        doubles(field, 20)


def test_a_box_or_resolution_that_makes_no_grid_is_an_error() -> None:
    with pytest.raises(ExtractError, match="no volume"):
        extract(sphere, [[0, 0, 0], [1, 1, 0]], 20)
    with pytest.raises(ExtractError, match="too coarse"):
        extract(sphere, BOX, 2)
