"""A batch that was left alone."""

from __future__ import annotations

import pytest
from folder_scans import TINY, Done, make_scans

import recon


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    place = tmp_path_factory.mktemp("undisturbed")
    make_scans(place / "scans")
    results = {r.scan: r for r in recon.batch(place / "scans", place / "out", overrides={"*": TINY}, jobs=2)}
    return Done(place / "scans", place / "out", results)
