"""OUT/index.html: every scan of a batch on one page that needs no other file and no network."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from recon.base.files import atomic_path
from recon.batching.job import manifest_path, picture_path
from recon.batching.summary import CSV_FILE, JSON_FILE, TABLE_HEADER, Result, cells, counts, scan_count

INDEX_FILE = "index.html"
NUMERIC = ("points", "seconds", "faces", "scan_to_mesh")  # columns 1 to 4, sorted by value

PAGE_TEMPLATE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
  :root {{ color-scheme: light dark; --line: light-dark(#ddd, #444); --soft: light-dark(#666, #aaa); }}
  body {{ font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }}
  h1 {{ font-size: 1.3rem; margin: 0; }}
  p {{ color: var(--soft); margin: .3rem 0 1.2rem; }}
  table {{ border-collapse: collapse; width: 100%; }}
  th, td {{ border-bottom: 1px solid var(--line); padding: .4rem .7rem; text-align: left; }}
  th {{ position: sticky; top: 0; background: Canvas; font-weight: 600; white-space: nowrap; }}
  th button {{ all: unset; cursor: pointer; }}
  th button:focus-visible {{ outline: 2px solid; outline-offset: 3px; }}
  th[aria-sort=ascending] button::after {{ content: " ▲"; }}
  th[aria-sort=descending] button::after {{ content: " ▼"; }}
  .number {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }}
  .name {{ overflow-wrap: anywhere; min-width: 11rem; }}
  .name small {{ display: block; color: var(--soft); white-space: nowrap; }}
  td.picture {{ padding: .2rem; width: 122px; }}
  img {{ display: block; width: 120px; height: 90px; border-radius: 4px; background: #fff; }}
  .state {{ white-space: nowrap; }}
  .failed {{ color: light-dark(#b3261e, #ff8a80); white-space: normal; min-width: 14rem; }}
  .failed {{ overflow-wrap: anywhere; }}
  .suspect {{ color: light-dark(#8a5a00, #ffcc66); white-space: normal; min-width: 14rem; }}
  .unfinished {{ color: var(--soft); }}
</style>
<h1>{title}</h1>
<p>{counts} · scans of {folder} · <a href="{csv}">CSV</a> · <a href="{json}">JSON</a></p>
<table>
<thead><tr><th></th>{header}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
<script>
for (const button of document.querySelectorAll("th button")) button.onclick = () => {{
  const head = button.parentElement, column = head.cellIndex, body = document.querySelector("tbody");
  const down = head.ariaSort === "ascending";
  for (const other of document.querySelectorAll("th")) other.removeAttribute("aria-sort");
  head.ariaSort = down ? "descending" : "ascending";
  const key = row => row.cells[column].dataset.value ?? row.cells[column].textContent;
  const compare = new Intl.Collator(undefined, {{ numeric: true }}).compare;
  const rows = [...body.rows].sort((a, b) => {{
    const left = key(a), right = key(b);
    if (left === "" || right === "") return (left === "") - (right === "");
    const order = head.className ? left - right : compare(left, right);
    return down ? -order : order;
  }});
  body.append(...rows);
}};
</script>
</html>
"""


def write_index(results: Sequence[Result], folder: Path, out: Path) -> None:
    """Writes the page with the pictures so far. Raises OutputError if the disk refuses."""
    header = "".join(
        f"<th{' class=number' if 1 <= column <= len(NUMERIC) else ''}><button>{escape(name)}</button></th>"
        for column, name in enumerate(TABLE_HEADER)
    )
    numbers = ", ".join(f"{number} {state}" for state, number in counts(results).items() if number)
    page = PAGE_TEMPLATE.format(
        title=escape(f"{scan_count(len(results))} of {folder.name or folder.resolve().name}"),
        counts=escape(numbers),
        folder=escape(str(folder.absolute())),
        csv=CSV_FILE,
        json=JSON_FILE,
        header=header,
        rows="\n".join(_row(result, folder, out) for result in results),
    )
    with atomic_path(out / INDEX_FILE, overwrite=True) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")


def _row(result: Result, folder: Path, out: Path) -> str:
    row = result.row(out)
    name, *numbers, watertight, state = map(escape, cells(row))
    links = [_link(Path(os.path.relpath((folder / result.scan).absolute(), out)), "scan")]
    if result.has_mesh:
        links.append(_link(result.mesh.relative_to(out), "mesh"))
    if result.manifest:
        links.append(_link(manifest_path(result.mesh).relative_to(out), "details"))
    columns = [f"<td class=name>{name}<small>{' · '.join(links)}</small></td>"]
    columns += [_number(row[column], shown) for column, shown in zip(NUMERIC, numbers, strict=True)]
    columns += [f"<td>{watertight}</td>", f'<td class="state {escape(result.state)}">{state}</td>']
    return f"<tr><td class=picture>{_picture(result)}</td>{''.join(columns)}</tr>"


def _number(value: Any, shown: str) -> str:
    return f'<td class=number data-value="{"" if value is None else value}">{shown}</td>'


def _picture(result: Result) -> str:
    if not result.has_mesh:
        return ""
    try:
        content = b64encode(picture_path(result.mesh).read_bytes()).decode()
    except OSError:  # the mesh could not be drawn, or somebody took the picture away
        return ""
    return f'<img alt="" src="data:image/png;base64,{content}">'


def _link(path: Path, text: str) -> str:
    return f'<a href="{escape(quote(os.fsencode(path)))}">{text}</a>'
