"""Tensors that are nearly the same."""

from __future__ import annotations

import torch
from torch import Tensor

TOLERANCES = {torch.float32: (1.3e-6, 1e-5), torch.float64: (1e-7, 1e-7)}  # relative, absolute


def assert_close(found: Tensor, wanted: Tensor, rtol: float | None = None, atol: float | None = None) -> None:
    """Shape, type and place are the same, and values are within `atol + rtol · |wanted|`.

    `torch.testing.assert_close` says the same and imports all of sympy for it: seconds in each process.
    """
    assert (found.shape, found.dtype, found.device) == (wanted.shape, wanted.dtype, wanted.device)
    relative, absolute = TOLERANCES.get(found.dtype, (0.0, 0.0))
    if rtol is not None and atol is not None:
        relative, absolute = rtol, atol
    near = (found == wanted) | ((found - wanted).abs() <= absolute + relative * wanted.abs())
    assert near.all(), f"{int((~near).sum())} of {near.numel()} differ:\n{found}\n{wanted}"
