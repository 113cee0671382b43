"""What `--json` prints: `recon fit`."""

from typing import Literal, TypedDict


class _Fit(TypedDict):
    input: list[str]
    output: str
    activation: str
    parameters: int
    steps: int
    recoveries: int
    seconds: dict[str, float]
    seconds_all: float


class _Picture(_Fit):
    width: int
    height: int
    channels: Literal["L", "LA", "RGB", "RGBA"]
    psnr: float
    ssim: float | None


class _Derivatives(TypedDict, total=False):
    derivatives: str


class FitImage(_Picture, _Derivatives):
    """`recon fit image`. Sizes are those of the input, `psnr` is in dB."""

    mode: Literal["image"]


class FitDerivative(_Picture, _Derivatives):
    """`recon fit gradient` and `recon fit laplacian`.

    Attributes:
        fitted_back: what the derivative does not tell, fitted to the input.
    """

    mode: Literal["gradient", "laplacian"]
    fitted_back: str


class FitBlend(_Fit):
    """`recon fit blend`.

    Attributes:
        gradient_error: relative to the size of the mixed gradients.
    """

    mode: Literal["blend"]
    width: int
    height: int
    mask: str | None
    gradient_error: float


class _Missing(TypedDict, total=False):
    psnr_missing: float


class FitInpaint(_Fit, _Missing):
    """`recon fit inpaint`.

    Attributes:
        known: number of pixels that were fitted.
        psnr_missing: of the other pixels, in dB.
    """

    mode: Literal["inpaint"]
    width: int
    height: int
    known: int
    prior: str
    psnr: float
    ssim: float | None


class _Spectrogram(TypedDict, total=False):
    spectrogram: str


class FitAudio(_Fit, _Spectrogram):
    """`recon fit audio`.

    Attributes:
        duration: in seconds.
        rate: samples per second of the output.
        subtype: of its file format.
        snr: in dB.
    """

    mode: Literal["audio"]
    duration: float
    rate: int
    channels: int
    subtype: str
    snr: float


class FitVideo(_Fit):
    """`recon fit video`.

    Attributes:
        rate: frames per second of the output.
        psnr: mean over the frames, in dB.
        psnr_std: its standard deviation over the frames.
    """

    mode: Literal["video"]
    width: int
    height: int
    frames: int
    rate: float
    psnr: float
    psnr_std: float
