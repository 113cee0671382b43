"""What `--json` prints, by command; `tools/make_schema.py` makes docs/schema of it."""

from recon.cli.outputs.pde import SolveHelmholtz, SolveInverse, SolveWave
from recon.cli.outputs.signals import FitAudio, FitBlend, FitDerivative, FitImage, FitInpaint, FitVideo
from recon.cli.outputs.spaces import (
    CompletePicture,
    CompleteShape,
    LearnImages,
    LearnShapes,
    StudyActivations,
    StudyBandwidth,
    StudyInit,
    StudyLimits,
)
from recon.cli.outputs.surfaces import Batch, Eval, InfoExtra, Mesh, Query, QueryFile, Report, View
from recon.info.findings import Info

OUTPUTS: dict[str, tuple[type | tuple[type, ...], ...]] = {
    "mesh": (Mesh,),
    "batch": (Batch,),
    "info": ((Info, InfoExtra),),
    "eval": (Eval,),
    "query": (Query, QueryFile),
    "report": (Report,),
    "fit": (FitImage, FitDerivative, FitBlend, FitInpaint, FitAudio, FitVideo),
    "solve": (SolveHelmholtz, SolveWave, SolveInverse),
    "study": (StudyInit, StudyActivations, StudyBandwidth, StudyLimits),
    "learn": (LearnImages, LearnShapes),
    "complete": (CompletePicture, CompleteShape),
    "view": (View,),
}
"""The alternatives of each command's output; a tuple has the keys of all its members."""
