"""Measures of quality in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from recon.signals.media.quality import decibels, psnr, ssim


def test_psnr_of_a_known_error() -> None:
    wanted = np.full((20, 30, 3), 0.5)
    assert psnr(wanted + 0.01, wanted) == pytest.approx(40.0)
    assert psnr(wanted + 0.1, wanted, peak=10.0) == pytest.approx(40.0)
    assert decibels(4.0, 0.04) == pytest.approx(20.0)
    assert psnr(wanted, wanted) == float("inf")


def test_ssim_is_one_for_the_same_picture_and_falls_with_noise() -> None:
    rng = np.random.default_rng(0)
    wanted = rng.random((32, 40, 3))
    assert ssim(wanted, wanted) == pytest.approx(1.0)
    noisy = [ssim((wanted + s * rng.normal(size=wanted.shape)).clip(0, 1), wanted) for s in (0.05, 0.2)]
    assert noisy[0] is not None and noisy[1] is not None and 1 > noisy[0] > noisy[1]
    assert ssim(wanted[:5], wanted[:5]) is None
