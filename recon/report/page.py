"""A self-contained HTML page that needs no network and no server, with a view in 3-D.

page.html is the template, page.css its style, view.html and page.js the view, drawn with three.js
(`vendor/`). The page itself forbids the browser to load anything.
"""

import base64
import json
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from recon.base.files import atomic_path
from recon.render.files import png
from recon.render.palette import DIVERGING, SEQUENTIAL, table


def page(title: str, subtitle: str, body: str, scene: dict[str, Any]) -> str:
    """The page: `body` is HTML, `scene` what `recon.report.scene.drawn_data` returns, the rest text."""
    return template("page.html").substitute(
        title=escape(title),
        subtitle=escape(subtitle),
        body=body,
        css=_text("page.css"),
        three=_text("vendor/three.js"),
        licence=escape(_text("vendor/LICENSE")),
        palettes=json.dumps(
            {"sequential": table(SEQUENTIAL).tolist(), "diverging": table(DIVERGING).tolist()}
        ),
        scene=json.dumps(scene).replace("<", "\\u003c"),
        js=_text("page.js"),
    )


def write_page(text: str, out: Path, overwrite: bool) -> None:
    """Write the page to `out`. Raises OutputError."""
    with atomic_path(out, overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def view(points: str) -> str:
    """The section with the view in 3-D of a mesh and of `points`, a word for the cloud."""
    return template("view.html").substitute(points=escape(points))


def figure(image: Any, words: str) -> str:
    """A picture, (h, w, 3) uint8 or an address, and what it shows."""
    coded = "" if isinstance(image, str) else base64.b64encode(png(image)).decode()
    url = f"data:image/png;base64,{coded}" if coded else image
    return f'<figure><img src="{url}" alt="{escape(words)}"><figcaption>{escape(words)}</figcaption></figure>'


def template(name: str) -> Template:
    """The template in that file beside this one."""
    return Template(_text(name))


def _text(name: str) -> str:
    return files("recon.report").joinpath(name).read_text(encoding="utf-8")
