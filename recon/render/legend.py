"""What the colours of a picture stand for, and a picture of that."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from recon.geometry import Bytes, Float
from recon.render.palette import Colors, at

INK_RGB, BACKGROUND_RGB = (40, 40, 40), (255, 255, 255)


@dataclass(frozen=True)
class Legend:
    """What the colours of a picture stand for.

    Attributes:
        title: what is shown.
        unit: of the numbers.
        low: the value at the lower end of `map`; likewise `high`. Values beyond have the colour of the end.
        map: RGB, at equal steps from low to high.
        beyond: whether there are values below low, above high.
    """

    title: str
    unit: str
    low: float
    high: float
    map: Colors
    beyond: tuple[bool, bool] = (False, False)

    def colors(self, values: Float) -> Bytes:
        """(n, 3) RGB of values (n,); grey where they are not finite."""
        known = np.isfinite(values)
        share = (np.where(known, values, self.low) - self.low) / (self.high - self.low)
        return np.where(known[:, None], at(self.map, share), np.uint8(128))

    def ticks(self, count: int = 5) -> list[tuple[float, str]]:
        """Places in 0..1 and their labels; the ends say if values lie beyond."""
        shares = np.linspace(0, 1, count)
        texts = [f"{self.low + share * (self.high - self.low):.3g}" for share in shares]
        texts[0] = ("< " if self.beyond[0] else "") + texts[0]
        texts[-1] = ("> " if self.beyond[1] else "") + texts[-1]
        return list(zip(shares.tolist(), texts, strict=True))


def legend_picture(
    legend: Legend, height: int, ground: tuple[int, int, int] = BACKGROUND_RGB
) -> NDArray[np.uint8]:
    """(height, width, 3): an upright colour bar with its numbers and title, as wide as they need."""
    letter = max(10.0, height / 14)
    font, line = ImageFont.load_default(letter), int(1.3 * letter)
    heading = [legend.title, f"({legend.unit})"] if legend.unit else [legend.title]
    ticks = legend.ticks()
    gap, bar = line // 2, line
    texts = [font.getlength(text) for _, text in ticks]
    width = int(max(*(font.getlength(text) for text in heading), bar + gap + max(texts))) + 2 * gap
    image = Image.new("RGB", (width, height), ground)
    pen = ImageDraw.Draw(image)
    for row, text in enumerate(heading):
        pen.text((gap, gap // 2 + row * line), text, INK_RGB, font)
    top, bottom = gap + len(heading) * line + line // 2, height - line
    colors = legend.colors(np.linspace(legend.high, legend.low, bottom - top))
    strip = np.repeat(colors[:, None], bar, axis=1)
    image.paste(Image.fromarray(strip), (gap, top))
    pen.rectangle((gap - 1, top - 1, gap + bar, bottom), outline=INK_RGB)
    for share, text in ticks:
        y = bottom - share * (bottom - top)
        pen.line((gap + bar, y, gap + bar + gap // 2, y), INK_RGB)
        pen.text((gap + bar + gap, y), text, INK_RGB, font, anchor="lm")
    return np.asarray(image)


def beside(picture: NDArray[np.uint8], legend: Legend | None, width: int) -> NDArray[np.uint8]:
    """The picture with a column of that width to its right, which holds the legend, if any."""
    column = np.full((len(picture), width, 3), BACKGROUND_RGB, np.uint8)
    if legend is not None:
        drawn = legend_picture(legend, legend_height(len(picture)))[:, :width]
        column[len(column) - len(drawn) :, : drawn.shape[1]] = drawn
    return np.concatenate([picture, column], axis=1)


def legend_height(height: int) -> int:
    """Height of the legend of a picture this high, in pixels."""
    return min(height, max(140, height * 2 // 5))


def legend_width(legends: Iterable[Legend | None], height: int) -> int:
    """Width of a column for these legends beside pictures this high."""
    drawn = [legend_picture(legend, legend_height(height)) for legend in legends if legend]
    return max((picture.shape[1] for picture in drawn), default=0)
