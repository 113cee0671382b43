"""What `--json` prints: `recon study`, `learn` and `complete`."""

from typing import Literal, TypedDict

Errors = dict[str, dict[str, float]]  # by method and by what is known


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
    """`recon study activations`: quality of each fit, by what was fitted and activation; PSNR by product."""

    study: Literal["activations"]
    ends: dict[str, dict[str, dict[str, float]]]
    products: dict[str, float]


class StudyBandwidth(_Study):
    """`recon study bandwidth`: the best ω of the first layer by the signal's frequency."""

    study: Literal["bandwidth"]
    best_omega: dict[str, float]


class StudyLimits(_Study):
    """`recon study limits`: quality on what was fitted to and on what was not, by problem and method."""

    study: Literal["limits"]
    problems: dict[str, dict[str, list[float]]]


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
