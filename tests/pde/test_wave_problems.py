"""Known waves make the residuals of the named problems zero; their media are what they say."""

import math

import numpy as np
import pytest
import torch
from scipy.special import hankel2
from tensors import assert_close
from torch import Tensor

from recon.errors import UsageError
from recon.field.jet import Jet
from recon.pde.absorbing_layer import Layer, as_complex
from recon.pde.equations.helmholtz import closed_form, helmholtz_problem
from recon.pde.equations.inverse import Recording, incident, inverse_problem, slowness_of
from recon.pde.equations.wave import wave_problem
from recon.pde.media import Map, named_medium
from recon.training.constraints import Draw

ONE = Map(np.ones((1, 1)), 1.0)


def drawn(seed: int = 0) -> Draw:
    return Draw(0, 1.0, torch.Generator().manual_seed(seed))


def test_a_plane_wave_dies_in_the_layer_as_its_equation_says() -> None:
    """exp(-ik∫e dx) solves Δu + k²u = 0 in the stretched coordinates, for waves outwards on both sides."""
    layer, k = Layer(), 7.0
    x = torch.linspace(-0.99, 0.99, 41, dtype=torch.float64)
    points = torch.stack((x, 0.3 * x), 1)
    depth = (x.abs() - 0.5).clamp_min(0)
    way = x.abs() - 1j * layer.strength * depth**3 / (3 * layer.width**2)
    e, slope = layer.stretch(x)
    value = torch.exp(-1j * k * way)
    sign = x.sign()
    first = -1j * k * e * sign * value
    second = (-1j * k * slope * sign - k**2 * e**2) * value
    zero = torch.zeros_like(first)
    found = layer.laplacian(torch.stack((first, zero)), torch.stack((second, zero)), points)
    assert_close(found + k**2 * value, zero, atol=1e-9, rtol=0)
    assert abs(value[-1]) < 1e-2


def test_the_closed_form_is_the_field_of_the_gaussian_source() -> None:
    """Against the integral over the source of Hankel functions."""
    k, width, at = 9.0, 0.05, (0.45, 0.2)
    nodes = np.linspace(-6, 6, 241) * width
    x, y = np.meshgrid(nodes, nodes)
    weight = np.exp(-(x**2 + y**2) / (2 * width**2)) / (2 * np.pi * width**2) * (nodes[1] - nodes[0]) ** 2
    whole = -0.25j * (weight * hankel2(0, k * np.hypot(at[0] - x, at[1] - y))).sum()
    found = closed_form(np.array(at[0]), np.array(at[1]), k, [(0.0, 0.0)], width)
    assert abs(found - whole) < 1e-6 * abs(whole)
    assert np.isnan(closed_form(np.array(0.1), np.array(0.0), k, [(0.0, 0.0)], width))


def test_the_residual_of_helmholtz_is_the_equation() -> None:
    """Of u = exp(-ikx) in the region, far from the source: Δu = -k²u."""
    k = 8.0
    problem = helmholtz_problem(ONE, k, [(5.0, 5.0)], 0.05, Layer(), 64, 8)
    points = torch.rand(64, 2) - 0.5
    wave = torch.exp(-1j * k * points[:, :1].to(torch.complex64))
    slope, none = -1j * k * wave, torch.zeros_like(wave)

    def parts(*fields: Tensor) -> Tensor:
        return torch.stack([torch.view_as_real(part)[:, 0] for part in fields])

    jet = Jet(parts(wave)[0], parts(slope, none), parts(-(k**2) * wave, none))
    found = problem.equations["helmholtz"].residual(jet, points)
    assert float(found.abs().max()) < 1e-3
    value, gradient, _ = as_complex(jet)
    assert_close(value, wave)
    assert_close(gradient[0], slope)


def test_a_wave_that_moves_on_is_one_and_leaves() -> None:
    """u = sin(3(x - ct)) with c = 1/s, and at the right side with its normal (1, 0)."""
    slow = Map(np.full((1, 1), 0.8), 1.0)
    first = Map(np.zeros((1, 1)), 1.0)
    problem = wave_problem(first, first, slow, 1.0, "open", 1.0, 5.0, 50, 20, 20)
    points = torch.rand(50, 3)
    points[:, 1] = 1.0
    phase = 3 * (points[:, 1] - points[:, 0] / 0.8)
    sine, cosine = torch.sin(phase), torch.cos(phase)
    zero = torch.zeros_like(sine)
    gradient = torch.stack((-3 / 0.8 * cosine, 3 * cosine, zero))[..., None]
    second = torch.stack((-9 / 0.64 * sine, -9 * sine))[..., None]
    jet = Jet(sine[:, None], gradient, second)
    assert float(problem.equations["wave"].residual(jet, points).abs().max()) < 1e-5
    normal = torch.tensor([[1.0, 0.0]]).expand(50, 2)
    assert float(problem.equations["sides"].residual(jet, points, normal).abs().max()) < 1e-5
    assert float(problem.equations["sides"].residual(jet, points, -normal).abs().max()) > 1


def test_sides_are_sides_and_the_start_is_at_time_zero() -> None:
    problem = wave_problem(ONE, ONE, ONE, 2.0, "fixed", 1.0, 1.0, 50, 20, 40)
    sampled = problem.equations["sides"].sample(drawn())
    assert isinstance(sampled, tuple)
    points, normal = sampled
    assert ((points[:, 1:] * normal).sum(1) == 1).all()
    assert {tuple(row) for row in normal.tolist()} == {(1, 0), (-1, 0), (0, 1), (0, -1)}
    start = problem.equations["initial value"].sample(drawn())
    assert isinstance(start, Tensor) and (start[:, 0] == 0).all()


def test_the_incident_wave_is_the_hankel_function() -> None:
    points, sources = torch.rand(7, 2).double(), torch.rand(3, 2).double() + 2
    found = incident(torch.tensor([4.0, 9.0]).double(), sources, points)
    distance = np.linalg.norm(points.numpy()[:, None] - sources.numpy(), axis=2)
    for number, k in enumerate((4.0, 9.0)):
        np.testing.assert_allclose(found[:, number].numpy(), -0.25j * hankel2(0, k * distance), rtol=1e-6)


def recording(**changes: np.ndarray) -> Recording:
    angle = np.linspace(0, 2 * np.pi, 5)[:-1]
    ring = 0.4 * np.stack((np.cos(angle), np.sin(angle)), 1)
    parts = {"sources": ring[:2], "receivers": ring, "wavenumbers": np.array([5.0, 9.0])}
    return Recording(**{**parts, "scattered": np.zeros((2, 2, 4), complex), **changes})


def test_without_an_inclusion_nothing_is_scattered() -> None:
    """No field, slowness one: all equations hold but for the edge of |∇s| at zero."""
    problem = inverse_problem(recording(), Layer(), 32)
    assert problem.outputs == 9
    points = torch.rand(32, 2) - 0.5
    nothing = Jet(torch.zeros(32, 9), torch.zeros(2, 32, 9), torch.zeros(2, 32, 9))
    for name in ("helmholtz", "inside"):
        assert float(problem.equations[name].residual(nothing, points).abs().max()) == 0
    data = torch.zeros(32, 2, 2, dtype=torch.complex64)
    assert float(problem.equations["receivers"].residual(nothing, points, data).abs().max()) == 0


def test_the_slowness_is_one_from_the_ring_on() -> None:
    points = torch.tensor([[0.0, 0.0], [0.4, 0.0], [0.9, 0.9]])
    found = slowness_of(torch.full((3,), -0.5), points, 0.4)
    assert_close(found, torch.tensor([0.5, 0.9715, 1.0]), atol=2e-2, rtol=0)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sources": np.zeros((2, 3))}, "rows of x, y"),
        ({"receivers": np.full((4, 2), 0.8)}, "within ±0.5"),
        ({"wavenumbers": np.array([5.0, -1.0])}, "above 0"),
        ({"scattered": np.zeros((2, 2, 3), complex)}, "one a wavenumber"),
        ({"scattered": np.full((2, 2, 4), np.nan, complex)}, "not finite"),
    ],
)
def test_recordings_whose_parts_do_not_fit_are_refused(changes: dict, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        recording(**changes).check(0.5)


def test_media_have_the_speed_and_the_area_they_say() -> None:
    for name, area in (("square", 0.5**2), ("circle", math.pi * 0.25**2)):
        medium = named_medium(name, 1.0)
        found = medium(torch.tensor([0.5, -0.5, 3.0]), torch.tensor([0.0, 0.0, 0.0]))
        assert_close(found, torch.tensor([0.5, 1.0, 1.0]))
        covered = (1 - medium.table).mean() / 0.5 * 4
        assert covered == pytest.approx(area, rel=1e-3)
    assert float(named_medium("uniform", 1.0)(torch.tensor([0.3]), torch.tensor([9.0]))) == 1.0
    with pytest.raises(UsageError, match="unknown medium 'sphere'"):
        named_medium("sphere", 1.0)


def test_maps_are_bilinear_with_rows_along_y() -> None:
    table = np.add.outer(10 * np.arange(4.0), np.arange(4.0))  # 10 a row, 1 a column
    found = Map(table, 2.0)(torch.tensor([-1.5, 0.0, 1.5]), torch.tensor([-1.5, 0.5, 1.5]))
    assert_close(found, torch.tensor([0.0, 21.5, 33.0]))
    np.testing.assert_allclose(Map(table, 2.0).on(np.array([-1.5, -0.5])), [[0, 1], [10, 11]], atol=1e-12)
