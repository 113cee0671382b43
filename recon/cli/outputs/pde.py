"""What `--json` prints: `recon solve`."""

from typing import Literal, TypedDict


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
