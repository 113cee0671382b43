"""What the benchmark of derivatives times: the same derivatives, by both ways."""

import importlib
import sys
from pathlib import Path

import pytest
import torch

from recon.field import derivatives as calculus
from recon.field.jet import laplacian_order
from recon.field.settings import FieldConfig
from recon.field.siren import Siren

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))
derivatives = importlib.import_module("benchmarks.derivatives")


def test_both_ways_take_turns_and_the_first_turn_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    field = Siren(FieldConfig(width=8, hidden=1, spread=1.0), 2, 3)
    points, order, called = torch.rand(10, 2), laplacian_order(2), []
    for name in ("jet", "jet_plain"):
        take = getattr(calculus, name)
        monkeypatch.setattr(calculus, name, lambda *a, n=name, t=take: (called.append(n), t(*a))[1])
    row = derivatives.compared(field, points, order, repeats=2)
    assert called == ["jet", "jet_plain"] * 6  # three turns without the parameters' gradient, three with it
    for kind in ("alone", "trained"):
        middle, least, most = row[kind]["ratio"]
        assert 0 < least <= middle <= most
    sizes = {"derivative": "Laplacian", "batch": 10, "inputs": 2, "outputs": 3, "width": 8}
    line = derivatives.markdown([{**sizes, **row}])[-1]
    assert line.startswith("| Laplacian | 10 | 2 → 8 → 3 |")
