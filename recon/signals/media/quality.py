"""How close a fitted signal is: PSNR and SSIM of pictures, SNR of sounds."""

import numpy as np

from recon.geometry import Float


def decibels(signal: float, error: float) -> float:
    """10 lg(signal / error), of powers or mean squares: infinite without an error."""
    return float("inf") if error == 0 else 10 * float(np.log10(max(signal, 1e-300) / error))


def psnr(found: Float, wanted: Float, peak: float = 1.0) -> float:
    """Peak signal-to-noise ratio of values in [0, peak]: 10 lg(peak² / mean squared error)."""
    return decibels(peak**2, float(np.square(np.asarray(found, np.float64) - wanted).mean()))


def ssim(found: Float, wanted: Float, peak: float = 1.0) -> float | None:
    """Structural similarity of pictures (h, w, k), mean over outputs; None for fewer than 7 pixels a side.

    Wang et al. 2004, doi:10.1109/TIP.2003.819861, over windows of 7 pixels.
    """
    from skimage.metrics import structural_similarity

    if min(wanted.shape[:2]) < 7:
        return None
    return float(structural_similarity(found, wanted, data_range=peak, channel_axis=2))
