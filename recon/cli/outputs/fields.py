"""What `--json` prints: of signals, boundary-value problems, spaces and studies."""

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


class _Solve(TypedDict):
    output: str
    medium: str
    activation: str
    parameters: int
    steps: int
    last_layer_solved: bool
    seconds: dict[str, float]
    seconds_all: float


class _ClosedForm(TypedDict, total=False):
    error_closed_form: float
    reference_error: float


class SolveHelmholtz(_Solve, _ClosedForm):
    """`recon solve helmholtz`.

    Attributes:
        error: relative L2 distance from the reference by finite differences.
        error_closed_form: from the closed form, in a uniform medium.
        reference_error: of the reference, from the closed form.
    """

    problem: Literal["helmholtz"]
    wavenumber: float
    error: float


class SolveWave(_Solve):
    """`recon solve wave`.

    Attributes:
        error: relative L2 distance from the reference by finite differences.
        error_at_end: the same at the last moment.
    """

    problem: Literal["wave"]
    until: float
    sides: Literal["open", "fixed"]
    frames: int
    error: float
    error_at_end: float
    film: str


class _KnownMedium(TypedDict, total=False):
    error: float
    correlation: float
    offset: float


class SolveInverse(_Solve, _KnownMedium):
    """`recon solve inverse`.

    Attributes:
        noise: as a share of the recorded waves; null for a recording from a file.
        slowness: the least and the largest that was found.
        misfit: relative, of the recorded waves.
        error: relative L2 distance from the true slowness, where it is known.
        correlation: with the true slowness.
        offset: of the inclusion from its true place.
    """

    problem: Literal["inverse"]
    wavenumbers: list[float]
    sources: int
    receivers: int
    noise: float | None
    slowness: list[float]
    misfit: float


class _Study(TypedDict):
    page: str
    csv: str


class StudyInit(_Study):
    """`recon study init`: standard deviations, and PSNR in dB after training, by initialisation."""

    study: Literal["init"]
    largest_deviation_of_std: float
    psnr: dict[str, float]
    expected_std: list[float]


class StudyActivations(_Study):
    """`recon study activations`: quality after each fit, by what was fitted and by activation."""

    study: Literal["activations"]
    ends: dict[str, dict[str, dict[str, float]]]


class StudyBandwidth(_Study):
    """`recon study bandwidth`: the best ω of the first layer by the signal's frequency."""

    study: Literal["bandwidth"]
    best_omega: dict[str, float]


Errors = dict[str, dict[str, float]]  # by method and by what is known


class _Learn(TypedDict):
    run: str
    encoder: str
    parameters: int
    field_parameters: int
    steps: int
    recoveries: int
    seconds: dict[str, float]
    seconds_trained: float


class LearnImages(_Learn):
    """`recon learn images`.

    Attributes:
        pictures: how many were learnt from.
        validation: how many were held out.
        mse: mean squared errors by method and by what is known.
    """

    kind: Literal["images"]
    pictures: int
    validation: int
    size: int
    channels: int
    mse: Errors


class LearnShapes(_Learn):
    """`recon learn shapes`.

    Attributes:
        distance: mean errors of signed distances by method and by what is known.
        surface: mean distances of surfaces, likewise.
    """

    kind: Literal["shapes"]
    distance: Errors
    surface: Errors


class _PictureOptions(TypedDict, total=False):
    mse: float
    mse_missing: float
    refined: int
    between: str


class CompletePicture(_PictureOptions):
    """`recon complete` of a picture.

    Attributes:
        known: number of known pixels of the square that the space sees.
        pixels: of that square.
        mse: mean squared error of values from 0 to 1.
        mse_missing: the same at unknown pixels.
        refined: steps of --refine.
        between: the picture of --between.
    """

    input: str
    output: str
    width: int
    height: int
    known: int
    pixels: int
    seconds_all: float


class CompleteShape(TypedDict):
    """`recon complete` of a shape.

    Attributes:
        known: number of points used.
    """

    input: str
    output: str
    known: int
    vertices: int
    faces: int
    watertight: bool
    components: int
    genus: int | None
    seconds_all: float
