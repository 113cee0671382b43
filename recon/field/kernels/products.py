"""Faster float32 matrix products, where they are exact or where it does not matter.

PyTorch sends float32 products to a library that uses 256-bit instructions on some processors; oneDNN, a part
of PyTorch, has 512-bit ones (2.2 times as fast there). It is used only if its "bf16" mode is allowed, in
which it *may* round the operands; so it is tested, and used on processors on which it rounds nothing.

On a GPU, TF32 rounds operands to 10 bits. The backward pass bears that: even with 7 bits a trained field is
as good. The forward pass does not: with 10 bits the error of the mesh grows by some percent, with 7 by half
(docs/ablations.md).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor

_MAX_RELATIVE_ERROR = 2e-6  # of an exact float32 product; rounding operands to bfloat16 gives 2e-3


@contextmanager
def fast_products() -> Iterator[None]:
    """Within it, float32 products are exact: on the CPU by oneDNN if that is exact, on a GPU without TF32."""
    settings: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    with _precision(torch.backends.cuda.matmul, "ieee"):
        if not _bf16_mode_is_exact():
            yield
            return
        with _precision(settings, "bf16"):
            yield


@contextmanager
def tf32_products(device: torch.device) -> Iterator[None]:
    """Within it, float32 products on a GPU may round their operands to TF32."""
    if device.type != "cuda":
        yield
        return
    with _precision(torch.backends.cuda.matmul, "tf32"):
        yield


@contextmanager
def _precision(settings: Any, precision: str) -> Iterator[None]:
    """Within it, the products that `settings` are for have this precision."""
    before = settings.fp32_precision
    settings.fp32_precision = precision
    try:
        yield
    finally:
        settings.fp32_precision = before


@cache
def _bf16_mode_is_exact() -> bool:
    if not torch.backends.mkldnn.is_available():
        return False
    settings: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    generator = torch.Generator().manual_seed(0)
    left, weight = (torch.randn(n, 256, generator=generator) for n in (512, 256))
    with _precision(settings, "bf16"):
        products = left @ weight, left @ weight.t(), left.t() @ left
    wide, square = left.double(), weight.double()
    expected = wide @ square, wide @ square.t(), wide.t() @ wide
    return all(_relative_error(a, b) < _MAX_RELATIVE_ERROR for a, b in zip(products, expected, strict=True))


def _relative_error(product: Tensor, expected: Tensor) -> float:
    return float((product.double() - expected).norm() / expected.norm())
