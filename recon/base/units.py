"""Units of length, by the names that messages and pages use for them."""

from __future__ import annotations

METRES = {
    "micron": 1e-6,
    "millimetre": 1e-3,
    "centimetre": 1e-2,
    "metre": 1.0,
    "inch": 0.0254,
    "foot": 0.3048,
    "US survey foot": 1200 / 3937,
}
SHORT = {"um": "micron", "mm": "millimetre", "cm": "centimetre", "m": "metre", "in": "inch", "ft": "foot"}
OTHER_SPELLINGS = {"millimeter": "millimetre", "centimeter": "centimetre", "meter": "metre"}
