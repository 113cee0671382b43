"""Leapfrog against waves that are known."""

import numpy as np
import pytest

from recon.pde.finite_differences.wave import leapfrog

TIMES = np.linspace(0.0, 0.8, 5)


def standing(cells: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """A standing wave between fixed sides at TIMES: u and its first state; u = 0 at ±1."""
    axis = np.linspace(-1, 1, cells + 1)
    shape = np.outer(np.sin(np.pi * (axis + 1)), np.sin(np.pi * (axis + 1) / 2))
    turned = np.pi * np.sqrt(1 + 0.25) * 1.5  # at speed 1.5
    wave = np.cos(turned * TIMES)[:, None, None] * shape
    return wave, shape, np.zeros_like(shape), axis[1] - axis[0]


def error(cells: int) -> float:
    wave, value, velocity, spacing = standing(cells)
    found = leapfrog(value, velocity, np.full_like(value, 1.5), spacing, TIMES, absorbing=False)
    return float(np.abs(found - wave).max())


def test_the_error_is_second_order_in_the_spacing() -> None:
    order = np.log2(error(40) / error(80))
    assert order == pytest.approx(2, abs=0.15)
    assert error(80) < 0.01


def test_a_wave_that_moves_on_needs_its_velocity() -> None:
    """f(x - t) has ∂u/∂t = -f', and leaves through an open side as if nothing were there."""
    axis = np.linspace(-1, 1, 401)
    spacing = axis[1] - axis[0]

    def pulse(at: np.ndarray) -> np.ndarray:
        return np.exp(-((at - 0.5) ** 2) / (2 * 0.1**2))

    value = np.tile(pulse(axis), (401, 1))
    velocity = value * (axis - 0.5) / 0.1**2
    times = np.array([0.0, 0.2, 0.95])
    found = leapfrog(value, velocity, np.ones_like(value), spacing, times)
    middle = found[:, 200]  # waves from the upper and lower sides are not there before t = 1
    assert np.abs(middle[1] - pulse(axis - 0.2)).max() < 0.01
    assert np.abs(middle[2]).max() < 0.02


def test_times_between_steps_and_slow_inclusions() -> None:
    """Where waves are slower they are later; times need not be those of steps."""
    axis = np.linspace(-1, 1, 201)
    value = np.tile(np.exp(-((axis + 0.5) ** 2) / (2 * 0.1**2)), (201, 1))
    speed = np.ones_like(value)
    speed[:, axis > 0] = 0.5
    found = leapfrog(value, 0 * value, speed, axis[1] - axis[0], np.array([0.123, 0.9]), absorbing=True)
    right = axis[np.argmax(np.where(axis > 0, found[1, 100], 0))]
    assert right == pytest.approx(0.2, abs=0.02)  # 0.5 to the rim, then 0.4 at half the speed
