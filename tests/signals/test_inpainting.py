"""Inpainting: its terms are their formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tensors import assert_close

from recon.field.derivatives import jet_plain
from recon.field.jet import hessian_order
from recon.field.settings import FieldConfig
from recon.field.siren import Siren
from recon.signals.tasks.grid import Grid
from recon.signals.tasks.inpainting import inpainting_task

GRID = Grid.square(16, 24)
KNOWN = torch.arange(0, len(GRID), 5)


def task(**settings: object) -> object:
    values = torch.linspace(-1, 1, len(KNOWN))[:, None].repeat(1, 2)
    return inpainting_task(GRID, values, KNOWN, 40, prior_points=300, prior_weight=0.5, **settings)


@pytest.mark.parametrize("prior", ["none", "tv", "hessian"])
def test_terms_are_their_formulas(prior: str) -> None:
    problem = task(prior=prior)
    field = Siren(FieldConfig(width=16), 2, 2)
    batch = problem.sample(2)
    terms = problem.terms(field, batch)
    points, values = batch["data"]
    np.testing.assert_allclose(
        terms["data"].item(), (field(points) - values).square().sum(1).mean().item(), rtol=1e-5
    )
    if prior == "none":
        assert set(terms) == set(problem.weights) == {"data"}
        return
    jet = jet_plain(field, batch["prior"][0], hessian_order(2))
    pixel = 2 / 24
    xx, xy, yy = jet.second.detach()
    frobenius = (xx.square() + 2 * xy.square() + yy.square()).sum(1).sqrt().mean()
    wanted = {"tv": pixel * jet.gradient.detach().abs().sum((0, 2)).mean(), "hessian": pixel**2 * frobenius}
    np.testing.assert_allclose(terms["prior"].item(), wanted[prior].item(), rtol=1e-4)


def test_samples_of_known_pixels_are_theirs() -> None:
    problem = task(prior="none")
    points, values = problem.sample(0)["data"]
    places = GRID.points(KNOWN)
    for point, value in zip(points, values, strict=True):
        row = int((places - point).square().sum(1).argmin())
        assert_close(places[row], point)
        assert value[0] == torch.linspace(-1, 1, len(KNOWN))[row]


def test_the_footprint_of_a_pixel_is_triangular() -> None:
    """Mean 0 and variance 1/6 of a pixel's square along each axis, all within one pixel: max(0, 1 - |u|)."""
    problem = task(prior="none", footprint=2000)
    points, _ = problem.sample(0)["data"]
    centres = task(prior="none").sample(0)["data"][0]
    off = (points - centres[:, None]) / GRID.spacing
    assert off.abs().max() < 1
    assert off.mean((0, 1)).abs().max() < 0.01
    np.testing.assert_allclose(off.var((0, 1)).numpy(), 1 / 6, rtol=0.02)
    assert abs(float((off[..., 0] * off[..., 1]).mean())) < 0.002
