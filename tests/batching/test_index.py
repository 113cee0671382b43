"""The page and the table that a batch leaves."""

from __future__ import annotations

import csv
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes

import numpy as np
import pytest
from folder_scans import BAD, GOOD, Done
from PIL import Image

from recon.batching.index import write_index
from recon.batching.summary import Result, table, write_summary


class Page(HTMLParser):
    """The rows of the table, as text, and all addresses."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[str] = []
        self.links: list[str] = []
        self.pictures: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "tr":
            self.rows.append("")
        self.links += [values["href"] or ""] if "href" in values else []
        self.pictures += [values["src"] or ""] if "src" in values else []

    def handle_data(self, data: str) -> None:
        if self.rows:
            self.rows[-1] += data


@pytest.mark.slow
def test_the_page_lists_every_scan_and_needs_nothing_else(done: Done) -> None:
    text = (done.out / "index.html").read_text()
    page = Page(text)
    assert len(page.rows) == 1 + len(GOOD) + len(BAD)
    assert len(page.pictures) == len(GOOD) and all(p.startswith("data:image/png") for p in page.pictures)
    assert all((done.out / unquote(link)).exists() for link in page.links)
    outside = re.sub(r"base64,[^\"]*", "", text)
    assert "//" not in outside and "url(" not in outside and "import" not in outside
    row = next(row for row in page.rows if "two.xyz" in row)
    assert "failed: " in row and "2 usable points" in row


@pytest.mark.slow
def test_the_pictures_show_the_meshes(done: Done) -> None:
    """Small, and the ball is round: as wide as it is high."""
    picture = np.asarray(Image.open(done.out / "ball.ply.png"))
    body = (picture < 240).any(2)
    assert picture.shape == (180, 240, 3)
    assert abs(int(body.any(0).sum()) - int(body.any(1).sum())) <= 6 and body.any(1).sum() > 90
    assert (done.out / "ball.ply.png").stat().st_size < 50_000


def test_names_are_only_text(tmp_path: Path) -> None:
    name = "<b>&'\" 100% #1.ply"
    failure = {"result": None, "run": {}, "error": {"message": "<script>"}}
    results = [Result(name, tmp_path / name, "failed", failure)]
    write_index(results, tmp_path / "scans", tmp_path)
    text = (tmp_path / "index.html").read_text()
    page = Page(text)
    assert name in page.rows[1] and "failed: <script>" in page.rows[1]
    assert "<b>" not in text and text.count("<script>") == 1
    assert [unquote(link) for link in page.links[2:]] == [f"scans/{name}", f"{name}.json"]


@pytest.mark.slow
def test_the_table_is_aligned(done: Done) -> None:
    lines = table(list(done.results.values()), done.out)
    ends = {line.index("yes" if " yes " in line else "no ") for line in lines[1:-1] if "failed" not in line}
    assert len(lines) == 2 + len(done.results) and len(ends) <= 2
    assert lines[-1] == "8 scans: 4 done, 4 failed"


def test_names_of_any_bytes_are_written_and_do_nothing(tmp_path: Path) -> None:
    """In the summary, the page and the table: bytes that are no UTF-8, commands of terminals, formulas."""
    names = [os.fsdecode(b"caf\xe9.ply"), "\x1b[2J\n.ply", "=HYPERLINK(1).ply", "@a.ply", "-1.ply", "+1.ply"]
    failure = {"result": None, "run": {}, "error": {"message": "=1+1\x1b[2J"}}
    results = [Result(name, tmp_path / name, "failed", failure) for name in names]
    write_summary(results, tmp_path / "scans", tmp_path)
    write_index(results, tmp_path / "scans", tmp_path)
    with (tmp_path / "summary.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert not [cell for row in rows for cell in row.values() if cell[:1] in ("=", "+", "-", "@")]
    assert rows[0]["scan"] == r"caf\udce9.ply" and rows[2]["scan"] == "'=HYPERLINK(1).ply"
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert [row["scan"] for row in summary["scans"]] == names
    links = [
        os.fsdecode(unquote_to_bytes(link)) for link in Page((tmp_path / "index.html").read_text()).links
    ]
    assert [link for link in links if link.startswith("scans/")] == [f"scans/{name}" for name in names]
    assert all(line.isprintable() for line in table(results, tmp_path))
