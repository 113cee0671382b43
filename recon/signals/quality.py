"""How close a fitted signal is: PSNR and SSIM of pictures, SNR of sound, in dB."""

from __future__ import annotations

import numpy as np

from recon.geometry import Float


def psnr(found: Float, wanted: Float, peak: float = 1.0) -> float:
    """Peak signal-to-noise ratio of values in [0, peak]: 10 lg(peak² / mean squared error)."""
    error = float(np.square(np.asarray(found, np.float64) - wanted).mean())
    return float("inf") if error == 0 else 10 * float(np.log10(peak**2 / error))


def snr(found: Float, wanted: Float) -> float:
    """Signal-to-noise ratio: 10 lg(mean square of the signal / mean squared error)."""
    power, error = float(np.square(wanted).mean()), float(np.square(found - wanted).mean())
    return float("inf") if error == 0 else 10 * float(np.log10(max(power, 1e-300) / error))


def ssim(found: Float, wanted: Float, peak: float = 1.0) -> float | None:
    """Structural similarity of pictures (h, w, k), mean over outputs (Wang et al. 2004,
    doi:10.1109/TIP.2003.819861),
    over windows of 7 pixels; None for pictures smaller than these."""
    from skimage.metrics import structural_similarity

    if min(wanted.shape[:2]) < 7:
        return None
    return float(structural_similarity(found, wanted, data_range=peak, channel_axis=2))
