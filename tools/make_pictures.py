"""Small pictures of several kinds from what comes with scikit-image and scikit-learn, without a download, to
learn spaces of pictures from.

    python tools/make_pictures.py photographs OUT     OUT/train and OUT/test: 32 x 32 crops of photographs
    python tools/make_pictures.py digits OUT          handwritten digits, 8 x 8, enlarged to 32 x 32
    python tools/make_pictures.py faces OUT           faces, 25 x 25, grey

The crops for the test come from the right fifth of each photograph, those for training from what lies left of
it: no pixel is in both, and a strip between them in neither. Digits and faces are split at random, digits
without regard to who wrote them. Sources: `china.jpg` and `flower.jpg` of scikit-learn (CC BY 2.0),
`astronaut`, `chelsea`, `coffee`, `motorcycle`, `rocket` and others of scikit-image, digits of the UCI
repository, faces of Labeled Faces in the Wild. Needs scikit-learn (pip install scikit-learn) for
`photographs` and `digits`."""

from __future__ import annotations

import argparse
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZE, SIDES = 32, (64, 96, 128, 192)  # of a crop, and of what it is shrunk from
TEST_SHARE, GAP = 0.2, 0.02
TRAIN, TEST = 6000, 600  # crops
SKIMAGE = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "motorcycle_left.png",
    "rocket.jpg",
)


def datasets() -> Any:
    """scikit-learn's."""
    try:
        from sklearn import datasets
    except ImportError:
        raise SystemExit(
            "scikit-learn is not installed: .venv/bin/python -m pip install scikit-learn"
        ) from None
    return datasets


def photographs() -> list[Image.Image]:
    folder = files("skimage").joinpath("data")
    found = [Image.open(str(folder.joinpath(name))).convert("RGB") for name in SKIMAGE]
    return found + [Image.fromarray(picture) for picture in datasets().load_sample_images().images]


def crops(
    picture: Image.Image, low: float, high: float, count: int, rng: np.random.Generator
) -> list[Image.Image]:
    """Squares between two shares of the picture's width, of several sizes, shrunk to SIZE."""
    left, right = round(low * picture.width), round(high * picture.width)
    fitting = [side for side in SIDES if side <= min(right - left, picture.height)]
    found = []
    for _ in range(count):
        side = int(rng.choice(fitting))
        x = int(rng.integers(left, right - side, endpoint=True))
        y = int(rng.integers(0, picture.height - side, endpoint=True))
        box = (x, y, x + side, y + side)
        found.append(picture.resize((SIZE, SIZE), Image.Resampling.BICUBIC, box))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("kind", choices=("photographs", "digits", "faces"))
    parser.add_argument("out", metavar="OUT", type=Path)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    train: list[Image.Image] = []
    test: list[Image.Image] = []
    if options.kind == "photographs":
        pictures = photographs()
        for picture in pictures:
            train += crops(picture, 0.0, 1 - TEST_SHARE - GAP, TRAIN // len(pictures), rng)
            test += crops(picture, 1 - TEST_SHARE, 1.0, TEST // len(pictures), rng)
    else:
        if options.kind == "digits":
            values = np.round(datasets().load_digits().images * (255 / 16)).astype(np.uint8)
        else:
            from skimage.data import lfw_subset

            values = np.round(255 * lfw_subset()[:100]).astype(np.uint8)
        each = [Image.fromarray(one).resize((SIZE, SIZE), Image.Resampling.BICUBIC) for one in values]
        order, kept = rng.permutation(len(each)), len(each) // 5
        train, test = [each[i] for i in order[kept:]], [each[i] for i in order[:kept]]
    for name, some in (("train", train), ("test", test)):
        folder = options.out / name
        folder.mkdir(parents=True)
        for number, picture in enumerate(some):
            picture.save(folder / f"{number:05}.png")
    print(f"{options.out}: {len(train)} pictures to learn from, {len(test)} to test with")


if __name__ == "__main__":
    main()
