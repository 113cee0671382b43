"""The settings of `recon learn`; λ1 and λ2 of pictures are the paper's, docs/studies.md explains the rest."""

from dataclasses import dataclass, replace

from recon.base.settings import StagedConfig, setting
from recon.field.settings import FieldConfig
from recon.training.settings import FitConfig

ENCODERS = ("set-sine", "set-relu", "cnn", "partial-conv")


@dataclass(frozen=True)
class EncoderConfig:
    """From what is known of a signal to its latent vector, and on to the parameters of its field."""

    kind: str = setting("set-sine", "the encoder", choices=ENCODERS)
    width: int = setting(128, "units a layer of a set encoder", within=(1, 4096))
    layers: int = setting(3, "layers of a set encoder", within=(1, 32))
    omega: float = setting(10.0, "frequency factor ω of the sine set encoder", within=(1e-3, 1e4))
    latent: int = setting(256, "numbers of a latent vector", within=(1, 65536))
    hidden: int = setting(256, "units of the hypernetwork's one hidden layer", within=(1, 65536))


@dataclass(frozen=True)
class SetEncoderConfig(EncoderConfig):
    """The same for shapes, whose encoder has to take points in any order."""

    kind: str = setting("set-relu", "the encoder", choices=ENCODERS[:2])


@dataclass(frozen=True)
class LearningConfig:
    """What a step of training sees."""

    size: int = setting(32, "pixels a side that pictures are cropped and shrunk to", within=(8, 512))
    batch: int = setting(32, "signals a step", within=(1, 1e5))
    targets: int = setting(
        256, "samples of each signal that its field is compared with, a step", within=(1, 1e7)
    )
    halves: float = setting(
        0.25,
        "share of steps in which what is known is a half: of the picture, or one side of a shape",
        within=(0.0, 1.0),
    )
    validation: float = setting(0.1, "share of the signals that are kept for validation", within=(0.0, 0.9))
    latent_weight: float = setting(
        0.1, "λ1: weight of the mean square of the latent vector", within=(0.0, 1e9)
    )
    weights_weight: float = setting(
        100.0, "λ2: weight of the mean square of the field's parameters", within=(0.0, 1e9)
    )


@dataclass(frozen=True)
class SpaceConfig(StagedConfig):
    """All stages of a space of functions."""

    encoder: EncoderConfig = EncoderConfig()
    field: FieldConfig = FieldConfig(width=64, hidden=2, omega_first=30.0, spread=1.0)
    learning: LearningConfig = LearningConfig()
    fit: FitConfig = FitConfig(steps=5_000, rate=1e-3, optimizer="adam", beta2=0.99, warmup=100, watch=False)


_IMAGES = SpaceConfig()
STANDARD = {
    "images": _IMAGES,
    "shapes": replace(_IMAGES, encoder=SetEncoderConfig()).with_(
        field={"omega_first": 10.0},
        learning={"batch": 16, "halves": 0.7, "latent_weight": 0.001, "weights_weight": 0.1},
    ),
}
