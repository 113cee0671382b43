"""The figures of the page as HTML: tiles, settings, and where the run comes from."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from recon.base.settings import Schedule
from recon.geometry import PointCloud
from recon.surface.settings import PRESETS, STANDARD, Config


@dataclasses.dataclass(frozen=True)
class Training:
    """How a field was trained, or the fields of a scene.

    Attributes:
        steps, seconds, recoveries: of all of it.
        share: of the steps that are to be.
        history: rows of it; none of a scene in blocks.
    """

    steps: int
    seconds: float
    recoveries: int = 0
    share: float = 1.0
    history: Sequence[Mapping[str, float]] = ()


def tiles(stats: Mapping[str, Any], scan: PointCloud, training: Training) -> str:
    """The mesh in figures: `stats` as `recon.surface.conversion.mesh_statistics` returns them."""
    unit, distances = stats["unit"], stats["scan_to_mesh"]
    closed = "watertight" if stats["watertight"] else "open"
    parts = "1 part" if stats["components"] == 1 else f"{stats['components']:,} parts"
    count = len(stats["holes"])
    holes = "" if count == 0 else "1 hole" if count == 1 else f"{count:,} holes"
    genus = "" if stats["genus"] is None else f"genus {stats['genus']}"
    below = ", ".join(text for text in (parts, genus, holes) if text)
    volume = [] if stats["volume"] is None else [("volume", _quantity(stats["volume"], unit, "³"), "")]
    share = f"{distances['mean'] / stats['diagonal']:.2g} of the diagonal" if stats["diagonal"] else ""
    return html_tiles(
        [
            ("mesh", f"{stats['faces']:,} triangles", f"{stats['vertices']:,} vertices"),
            ("surface", closed, below),
            ("mean distance, scan to mesh", _quantity(distances["mean"], unit), share),
            (
                "95 % are below",
                _quantity(distances["p95"], unit),
                f"largest {_quantity(distances['largest'], unit)}",
            ),
            ("area", _quantity(stats["area"], unit, "²"), ""),
            *volume,
            *_of_scan(scan, training),
        ]
    )


def tiles_without_mesh(scan: PointCloud, training: Training) -> str:
    """What can be said of a run whose field has no surface yet."""
    return html_tiles(_of_scan(scan, training))


def _of_scan(scan: PointCloud, training: Training) -> list[tuple[str, str, str]]:
    size = scan.points.max(0) - scan.points.min(0)
    box = " × ".join(f"{side:.4g}" for side in size)
    known = {"normals": scan.normals, "colours": scan.colors, **scan.values}
    has = [name for name, array in known.items() if array is not None]
    recovered = f", {training.recoveries} recoveries" if training.recoveries else ""
    return [
        ("points kept of the scan", f"{len(scan):,}", f"with {', '.join(has)}" if has else "positions only"),
        ("size", box, scan.unit or "in the scan's unit"),
        ("training", f"{training.steps:,} steps", f"{training.seconds:.0f} s{recovered}"),
    ]


def html_tiles(rows: Iterable[tuple[str, str, str]]) -> str:
    """Tiles with a name, a figure and a remark each."""
    tile = '<div class="tile"><span>{}</span><b>{}</b><small>{}</small></div>'
    return "\n".join(tile.format(*map(escape, row)) for row in rows)


def _quantity(value: float, unit: str | None, power: str = "") -> str:
    return f"{value:.4g} {unit}{power}" if unit else f"{value:.4g}"


def settings(config: Config, preset: str) -> str:
    """Every setting; those that differ from the preset's are marked."""
    usual, rows = PRESETS.get(preset, STANDARD), []
    for stage in dataclasses.fields(config):
        if stage.name == "seed":
            continue
        rows.append(f'<tr class="stage"><th colspan="4">{stage.name}</th></tr>')
        here, there = getattr(config, stage.name), getattr(usual, stage.name)
        for setting in dataclasses.fields(here):
            value, before = getattr(here, setting.name), getattr(there, setting.name)
            rows.append(_setting(setting.name, value, before, setting.metadata["help"]))
    rows.append(_setting("seed", config.seed, usual.seed, "of everything that is drawn"))
    return "\n".join(rows)


def _setting(name: str, value: Any, before: Any, help: str) -> str:
    changed = value != before
    was = "" if not changed else "left to the scan" if before is None else _value(before)
    mark = ' class="changed"' if changed else ""
    cells = "".join(f"<td>{escape(text)}</td>" for text in (name, _value(value), was, help))
    return f"<tr{mark}>{cells}</tr>"


def _value(value: Any) -> str:
    if isinstance(value, Schedule):
        if len(value.points) == 1:
            return f"{value.points[0][1]:g}"
        return " → ".join(f"{weight:g} at {100 * progress:g} %" for progress, weight in value.points)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ", ".join(f"{part:g}" for part in value)
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def sources(origin: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """The files that were read, their size and hash; the mesh that was written; versions and machine."""
    rows = [
        ("read", f"{file['path']}, {file['bytes']:,} bytes, SHA-256 {file['sha256']}")
        for file in origin.get("inputs", ())
    ]
    if "mesh" in summary:
        rows.append(("written", summary["mesh"]))
    if "seconds" in summary:
        stages = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in summary["seconds"].items())
        rows.append(("time", f"{summary['seconds_all']:.1f} s: {stages}"))
    if "folder" in origin:
        rows.append(("in the folder", origin["folder"]))
    if "versions" in origin:
        rows.append(("versions", ", ".join(f"{name} {what}" for name, what in origin["versions"].items())))
        count = origin.get("threads", 1)
        machine = (origin.get("device"), f"{count} thread{'s' if count != 1 else ''}", origin.get("system"))
        rows.append(("machine", ", ".join(filter(None, machine))))
        rows.append(("date", origin.get("date", "").replace("T", " ")))
    return "\n".join(f"<tr><th>{escape(name)}</th><td>{escape(what)}</td></tr>" for name, what in rows)
