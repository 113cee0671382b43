"""Colours as light: what files and screens hold is sRGB, what adds up is linear."""

import numpy as np
from numpy.typing import NDArray

_LEVELS = np.arange(256) / 255
_LINEAR = np.where(  # IEC 61966-2-1
    _LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4
).astype(np.float32)


def linear_light(colors: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Linear light in 0..1 of sRGB colours, of the same shape."""
    return _LINEAR[colors]


def srgb(light: NDArray) -> NDArray[np.uint8]:
    """The sRGB colours of linear light, in 0..1 or whole numbers up to the type's largest, of the same shape.

    Those of `linear_light` come back exactly.
    """
    if light.dtype.kind == "u":
        light = light / np.iinfo(light.dtype).max
    return np.searchsorted((_LINEAR[1:] + _LINEAR[:-1]) / 2, light).astype(np.uint8)
