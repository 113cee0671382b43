"""Which scans are found, and what their meshes are called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from recon.batching.find import Found, find_scans, matches
from recon.errors import ScanError, UsageError
from recon.viewer.scene import below


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")


def test_every_ending_is_found_in_order_and_nothing_else(tmp_path: Path) -> None:
    scans, out = tmp_path / "scans", tmp_path / "scans" / "out"
    make(scans, "b/z.LAZ", "b/a.e57", "a.ply", "notes.md", ".hidden.ply", ".git/x.ply", "out/a.ply")
    (scans / "link.ply").symlink_to(scans / "gone.ply")
    found, unread = find_scans(scans, out, None, ".ply")
    assert found == [
        Found("a.ply", "a.ply"),
        Found("b/a.e57", "b/a.ply"),
        Found("b/z.LAZ", "b/z.ply"),
        Found("link.ply", "link.ply"),
    ]
    assert unread == {}


def test_two_scans_never_share_a_mesh(tmp_path: Path) -> None:
    """Not even where the whole name of one is that of another."""
    make(tmp_path / "s", "a.xyz", "a.ply", "a.xyz.pts", "b.ply", "deep/a.ply")
    scans, _ = find_scans(tmp_path / "s", tmp_path / "o", None, ".ply")
    found = {scan.name: scan.mesh for scan in scans}
    assert found == {
        "a.ply": "a.ply.ply",
        "a.xyz": "a.xyz.ply",
        "a.xyz.pts": "a.xyz.pts.ply",
        "b.ply": "b.ply",
        "deep/a.ply": "deep/a.ply",
    }
    [alone], _ = find_scans(tmp_path / "s", tmp_path / "o", "*.pts", ".ply")  # named as if all were asked for
    assert alone.mesh == found[alone.name]


def test_linked_folders_are_walked_once(tmp_path: Path) -> None:
    make(tmp_path / "s", "a.ply")
    make(tmp_path / "elsewhere", "b.ply")
    (tmp_path / "s" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "s" / "loop").symlink_to(tmp_path / "s")
    (tmp_path / "s" / "again").symlink_to(tmp_path / "s" / "real")
    for name in ("more too", "zones"):
        (tmp_path / "s" / name).symlink_to(tmp_path / "elsewhere")
    make(tmp_path / "s", "real/c.ply")
    (tmp_path / "s" / "real" / "itself").symlink_to("itself")
    found, _ = find_scans(tmp_path / "s", tmp_path / "o", None, ".ply")
    assert [scan.name for scan in found] == ["a.ply", "more/b.ply", "real/c.ply"]
    assert below(tmp_path / "s") == [tmp_path / "s" / scan.name for scan in found]  # as `recon view` does


def test_folders_that_cannot_be_read_are_named(tmp_path: Path, close: Callable[[Path], None]) -> None:
    """And hide nothing else; but where the folder itself is closed, there is nothing to do."""
    make(tmp_path / "s", "a.ply", "b/c/d.ply", "b/e.ply")
    close(tmp_path / "s" / "b" / "c")
    found, unread = find_scans(tmp_path / "s", tmp_path / "o", None, ".ply")
    assert [scan.name for scan in found] == ["a.ply", "b/e.ply"]
    assert list(unread) == ["b/c/"] and "Permission denied" in unread["b/c/"]
    close(tmp_path / "s")
    with pytest.raises(ScanError, match=r"cannot read the folder .*/s: Permission denied"):
        find_scans(tmp_path / "s", tmp_path / "o", None, ".ply")


@pytest.mark.parametrize(
    ("name", "pattern", "fits"),
    [
        ("rooms/a.e57", "*.e57", True),
        ("rooms/a.e57", "rooms/*", True),
        ("rooms/deep/a.e57", "rooms/*", True),
        ("rooms/a.e57", "rooms", False),
        ("rooms/a.e57", "a.*", True),
        ("rooms/a.e57", "*.ply", False),
        ("a1.ply", "a[0-9].ply", True),
    ],
)
def test_patterns(name: str, pattern: str, fits: bool) -> None:
    assert matches(name, pattern) == fits


def test_meshes_never_go_where_scans_are(tmp_path: Path) -> None:
    make(tmp_path, "s/a.ply")
    for folder, out in (("s", "s"), ("s", ".")):
        with pytest.raises(UsageError, match="another folder"):
            find_scans(tmp_path / folder, tmp_path / out, None, ".ply")
    with pytest.raises(ScanError, match="no folder"):
        find_scans(tmp_path / "none", tmp_path / "o", None, ".ply")
