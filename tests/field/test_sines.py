"""The fast sines are the plain ones."""

import pytest
import torch

from recon.field.kernels.sines import sine_, sine_cosine_


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 3e-7), (torch.float64, 5e-16)])
def test_sines_equal_the_plain_ones(dtype: torch.dtype, bound: float) -> None:
    z = torch.linspace(-300, 300, 100_003, dtype=torch.float64).to(dtype).reshape(-1, 1)
    exact = z.double()
    sine, cosine = sine_cosine_(z.clone())
    assert (sine.double() - exact.sin()).abs().max() < bound
    assert (cosine.double() - exact.cos()).abs().max() < bound
    assert torch.equal(sine_(z.clone()), sine)


def test_sines_work_in_place() -> None:
    z = torch.ones(4, 3)
    assert sine_(z) is z
    assert sine_cosine_(z)[0] is z
