"""A file is whole or not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from recon.base.files import atomic_path, check_writable
from recon.errors import OutputError


def test_a_block_that_ends_well_leaves_its_file_alone(tmp_path: Path) -> None:
    target = tmp_path / "mesh.ply"
    with atomic_path(target) as temporary:
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".ply")
        temporary.write_text("whole")
        assert not target.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["mesh.ply"]
    assert target.read_text() == "whole"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_block_that_fails_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "mesh.ply"
    target.write_text("before")
    with pytest.raises(error), atomic_path(target, overwrite=True) as temporary:
        temporary.write_text("half")
        raise error
    assert [path.name for path in tmp_path.iterdir()] == ["mesh.ply"]
    assert target.read_text() == "before"


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No space left"), atomic_path(tmp_path / "mesh.ply"):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_unless_asked(tmp_path: Path) -> None:
    target = tmp_path / "mesh.ply"
    target.write_text("before")
    with pytest.raises(OutputError, match="exists"):
        check_writable(target)
    with pytest.raises(OutputError, match="exists"), atomic_path(target):
        pytest.fail("the block ran")
    with atomic_path(target, overwrite=True) as temporary:
        temporary.write_text("after")
    assert target.read_text() == "after"


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "mesh.ply"
    with pytest.raises(OutputError, match="exists"), atomic_path(target) as temporary:
        temporary.write_text("mine")
        target.write_text("another's")
    assert target.read_text() == "another's"
    assert len(list(tmp_path.iterdir())) == 1


def test_places_that_cannot_be_written_are_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OutputError, match="is a folder"):
        check_writable(tmp_path)
    with pytest.raises(OutputError, match="no folder"):
        check_writable(tmp_path / "missing" / "mesh.ply")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(OutputError, match="no permission"):
        check_writable(tmp_path / "mesh.ply")
