"""The wave equation on a square grid: leapfrog in time, second differences in space.

    ∂²u/∂t² = c(x)² Δu,   u(0) = f,   ∂u/∂t(0) = g

Second order in both; stable while c·step·√2 ≤ spacing (Courant, Friedrichs, Lewy 1928). At the sides either u
= 0, or the first-order absorbing condition ∂u/∂t + c ∂u/∂n = 0 (Engquist, Majda 1977,
doi:10.1090/S0025-5718-1977-0436612-4) in Mur's form (1981, doi:10.1109/TEMC.1981.303970).
"""

import numpy as np

from recon.base.progress import ProgressCallback, no_progress
from recon.geometry import Float

COURANT_FRACTION = 0.6  # of the largest stable time step


def leapfrog(
    value: Float,
    velocity: Float,
    speed: Float,
    spacing: float,
    times: Float,
    absorbing: bool = True,
    progress: ProgressCallback = no_progress,
) -> Float:
    """The field u (t, n, n) float64 at `times` (t,), ascending from 0, from u and ∂u/∂t (n, n) at time 0.

    Grid points are `spacing` apart, sides included; waves run at `speed` (n, n).
    """
    fastest = float(speed.max())
    steps = max(1, int(np.ceil(float(times[-1]) * fastest * np.sqrt(2) / (COURANT_FRACTION * spacing))))
    step = float(times[-1]) / steps
    factor = (speed * step / spacing) ** 2
    edge = (speed * step / spacing - 1) / (speed * step / spacing + 1)
    before = value.copy()
    now = value + step * velocity + 0.5 * factor * _laplacian(value)
    now = _sides(now, before, edge, absorbing)
    frames = np.empty((len(times), *value.shape))
    done = 0
    for number in range(1, steps + 1):  # `now` is at number·step
        while done < len(times) and times[done] <= number * step * (1 + 1e-12):
            share = times[done] / step - (number - 1)
            frames[done] = (1 - share) * before + share * now
            done += 1
        after = 2 * now - before + factor * _laplacian(now)
        before, now = now, _sides(after, now, edge, absorbing)
        progress(number / steps, "reference")
    return frames


def _laplacian(u: Float) -> Float:
    """Δu times spacing²; zero at the sides."""
    found = np.zeros_like(u)
    found[1:-1, 1:-1] = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4 * u[1:-1, 1:-1]
    return found


def _sides(after: Float, now: Float, edge: Float, absorbing: bool) -> Float:
    """`after`, one step later than `now`, with its sides set."""
    for at, inner in ((0, 1), (-1, -2)):
        if absorbing:
            after[at] = now[inner] + edge[at] * (after[inner] - now[at])
        else:
            after[at] = 0
    for at, inner in ((0, 1), (-1, -2)):
        if absorbing:
            after[:, at] = now[:, inner] + edge[:, at] * (after[:, inner] - now[:, at])
        else:
            after[:, at] = 0
    return after
