"""A study's findings, and the folder they are written to: a self-contained index.html, a CSV, the figures."""

import base64
import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recon.base.files import atomic_path, check_writable
from recon.errors import OutputError
from recon.render.files import png, write_png

Row = Mapping[str, str | int | float]
PAGE_TEMPLATE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;color:#333;max-width:62em;margin:2em auto;padding:0 1em}}
img{{max-width:100%}}figure{{margin:1.5em 0}}figcaption{{color:#666}}code{{background:#eee;padding:.1em .3em}}
table{{border-collapse:collapse;font-size:13px}}td,th{{border-bottom:1px solid #ddd;padding:.2em .8em;
text-align:right}}td:first-child,th:first-child{{text-align:left}}</style>
<h1>{title}</h1>
{body}
</html>
"""


@dataclass(frozen=True)
class Study:
    """The findings of a study.

    Attributes:
        text: paragraphs.
        figures: file name, caption, picture (h, w, 3).
        rows: of the CSV, all with the keys of the first one or fewer.
        table: the part of it that the page shows; `results`: the same for programs.
    """

    name: str
    title: str
    text: Sequence[str]
    figures: Sequence[tuple[str, str, NDArray[np.uint8]]]
    rows: Sequence[Row]
    table: Sequence[Row]
    results: Mapping[str, Any]


def check_folder(out: Path, overwrite: bool) -> None:
    """Raise OutputError if a study cannot be written to the folder `out`."""
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out} is a file, expected a folder to write")
    if not out.exists() and not out.parent.is_dir():
        raise OutputError(f"cannot write {out}: there is no folder {out.parent}")
    if out.is_dir():
        check_writable(out / "index.html", overwrite)


def write_study(study: Study, out: Path, command: str, overwrite: bool = False) -> Path:
    """Write a study to the folder `out`; returns the page. Raises OutputError."""
    check_folder(out, overwrite)
    out.mkdir(exist_ok=True)
    body = [f"<p>{escape(text)}</p>" for text in study.text]
    for name, caption, picture in study.figures:
        write_png(picture, out / f"{name}.png", overwrite=overwrite)
        url = "data:image/png;base64," + base64.b64encode(png(picture)).decode()
        words = escape(caption)
        body.append(f'<figure><img src="{url}" alt="{words}"><figcaption>{words}</figcaption></figure>')
    body += [
        _table(study.table),
        f"<p>All figures: {study.name}.csv. Made by <code>{escape(command)}</code></p>",
    ]
    with (
        atomic_path(out / f"{study.name}.csv", overwrite) as temporary,
        temporary.open("w", newline="") as stream,
    ):
        rows = csv.DictWriter(stream, list(study.rows[0]))
        rows.writeheader()
        rows.writerows(study.rows)
    with atomic_path(out / "index.html", overwrite) as temporary:
        temporary.write_text(
            PAGE_TEMPLATE.format(title=escape(study.title), body="\n".join(body)), encoding="utf-8"
        )
    return out / "index.html"


def _table(rows: Sequence[Row]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in rows[0])
    lines = ["".join(f"<td>{escape(_cell(value))}</td>" for value in row.values()) for row in rows]
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _cell(value: str | int | float) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
