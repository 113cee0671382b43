"""What curves of error against seconds say in a few numbers."""

from __future__ import annotations

import math
from typing import NamedTuple

from benchmarks.report import Row, table

NEAR_BEST = 1.05  # of the smallest error: the last per cents of a flat, noisy curve take chance long
Curve = list[tuple[float, float]]  # (seconds, error), sorted by seconds


class Reached(NamedTuple):
    """When a curve comes down to an error; `at_most`: before its first measurement."""

    seconds: float
    at_most: bool


def curve(rows: list[Row], method: str, measure: str = "mean") -> Curve:
    """The measured points of a method; those without a mesh are left out."""
    return sorted(
        (row["seconds"], row["distance"]["both"][measure])
        for row in rows
        if row["method"] == method and "error" not in row
    )


def reached(points: Curve, error: float) -> Reached | None:
    """When `points` first come down to `error`, on straight lines in logarithms; None: not within what was
    measured."""
    for k, (seconds, value) in enumerate(points):
        if value > error:
            continue
        if k == 0:
            return Reached(seconds, True)
        before, above = points[k - 1]
        share = math.log(above / error) / math.log(above / value)
        return Reached(before * (seconds / before) ** share, False)
    return None


def headline(rows: list[Row], against: str) -> Row | None:
    """How long `against` takes to near its best mean distance, and how long recon does.

    error                best error of `against`, times NEAR_BEST
    against_seconds      until it is there
    recon_seconds        until recon is; None if it never is
    recon_measured       seconds of recon's shortest run that is there, without interpolation
    at_most              recon's first run is there already: its seconds are an upper bound
    ratio                against_seconds / recon_seconds
    """
    other, ours = curve(rows, against), curve(rows, "recon")
    if not other or not ours:
        return None
    error = NEAR_BEST * min(value for _, value in other)
    theirs, mine = reached(other, error), reached(ours, error)
    if theirs is None:
        return None
    return {
        "against": against,
        "error": error,
        "against_seconds": theirs.seconds,
        "recon_seconds": mine and mine.seconds,
        "recon_measured": next((seconds for seconds, value in ours if value <= error), None),
        "at_most": bool(mine and mine.at_most),
        "ratio": mine and theirs.seconds / mine.seconds,
    }


def markdown(rows: list[Row]) -> list[str]:
    """The rows of one scan and its headline, as two tables."""
    names = ["shape", "kind", "method", "budget", "seconds", "steps", "mean distance", "largest"]
    lines = table(names, [], words=3) + [cells(row) for row in rows]
    methods = dict.fromkeys(row["method"] for row in rows if row["method"].startswith("reference"))
    found = [line for line in (headline(rows, method) for method in methods) if line]
    names = ["against", "mean distance, near its best", "its seconds", "recon's", "ratio"]
    names += ["recon's shortest run that is there"]
    return lines + (["", *table(names, [_headline_cells(line) for line in found])] if found else [])


def cells(row: Row) -> str:
    """One line of the first table."""
    start = [row["shape"], row["kind"], f"{row['method']} {row['options']}".strip()]
    start.append("" if row["budget"] is None else f"{row['budget']:g}")
    if "error" in row:
        return f"| {' | '.join(start)} | {row['error']} |"
    distance = row["distance"]["both"]
    steps = row.get("steps", row.get("summary", {}).get("steps", ""))
    end = [f"{row['seconds']:.1f}", str(steps), f"{distance['mean']:.3f}", f"{distance['largest']:.1f}"]
    return f"| {' | '.join([*start, *end])} |"


def _headline_cells(line: Row) -> list[str]:
    theirs, mine = line["against_seconds"], line["recon_seconds"]
    start = [line["against"], f"{line['error']:.3f}", f"{theirs:.0f}"]
    if mine is None:
        return [*start, "not reached", "–", "–"]
    signs = ("≤ ", "≥ ") if line["at_most"] else ("", "")
    ends = [f"{signs[0]}{mine:.1f}", f"{signs[1]}{line['ratio']:.1f}", f"{line['recon_measured']:.1f}"]
    return [*start, *ends]
