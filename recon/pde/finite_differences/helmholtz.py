"""The Helmholtz equation with a perfectly matched layer, by second differences and a sparse direct solver.

    ∂x(e_y/e_x ∂xΦ) + ∂y(e_x/e_y ∂yΦ) + e_x e_y (k² s² Φ + f) = 0,   Φ = 0 at the sides

e is that of `recon.pde.absorbing_layer`. The error is second order in the spacing.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import diags
from scipy.sparse.linalg import splu

from recon.geometry import Float

Complex = NDArray[np.complex128]


def direct_helmholtz(
    slowness: Float,
    sources: Complex | Float,
    wavenumber: float,
    half: float,
    stretch: Callable[[Float], Complex],
) -> Complex:
    """Φ (s, n, n) complex128, rows along y, of sources f (s, n, n).

    The n² points cover the square of half-width `half`, sides included. `stretch` gives e at coordinates
    (n,).
    """
    n = len(slowness)
    axis = np.linspace(-half, half, n)
    area = (axis[1] - axis[0]) ** 2
    e, between = stretch(axis), stretch((axis[1:] + axis[:-1]) / 2)
    across, inner = np.ones((n - 2, n - 2)), e[1:-1]
    east, west = (across * inner[:, None] / part / area for part in (between[1:], between[:-1]))
    north, south = (across * inner / part[:, None] / area for part in (between[1:], between[:-1]))
    turns = np.outer(inner, inner) * (wavenumber * slowness[1:-1, 1:-1]) ** 2
    centre = turns - east - west - north - south
    east[:, -1] = west[:, 0] = 0  # beyond them are the sides
    m = n - 2
    columns = [centre.ravel(), east.ravel()[:-1], west.ravel()[1:], north.ravel()[:-m], south.ravel()[m:]]
    matrix = diags(columns, [0, 1, -1, m, -m], format="csc")
    right = -np.outer(inner, inner) * np.asarray(sources)[:, 1:-1, 1:-1]
    found = np.zeros((len(right), n, n), complex)
    solved = splu(matrix).solve(right.reshape(len(right), -1).T.astype(complex))
    found[:, 1:-1, 1:-1] = solved.T.reshape(-1, m, m)
    return found
