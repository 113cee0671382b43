"""The blend of the blocks' fields: one function where they agree, smooth where they do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scenes.made_scene import cut, use
from torch import Tensor

from recon.surface.scenes.field import SceneField


@pytest.fixture
def shell() -> np.ndarray:
    points = np.random.default_rng(0).normal(size=(20_000, 3))
    return 0.8 * points / np.linalg.norm(points, axis=1, keepdims=True)


def ball(x: Tensor, radius: float = 0.8) -> Tensor:
    return x.norm(dim=1) - radius


def test_blocks_that_agree_are_one_field(
    shell: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = cut(shell, 9, tmp_path)
    use(monkeypatch, lambda number: ball, shell, made)
    x = torch.tensor(shell) * (0.92 + 0.16 * torch.rand(len(shell), 1, dtype=torch.float64))
    value, gradient = SceneField(made, tmp_path).value_and_gradient(x)
    assert (value - ball(x)).abs().max() < 1e-6
    assert (gradient - x / x.norm(dim=1, keepdim=True)).abs().max() < 1e-5
    assert (SceneField(made, tmp_path).values(x) - ball(x)).abs().max() < 1e-6


def test_blocks_that_differ_are_blended_with_a_continuous_gradient(
    shell: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = cut(shell, 9, tmp_path)
    use(monkeypatch, lambda number: lambda x: ball(x, 0.8 + 0.01 * number), shell, made)
    scene = SceneField(made, tmp_path)
    rng = np.random.default_rng(2)
    axis = rng.integers(3, size=400)
    x = torch.tensor(shell[:400])
    for number in range(400):  # on a cut
        cuts = made.corners[:, :, axis[number]].ravel()
        cuts = cuts[np.isfinite(cuts)]
        if len(cuts):
            x[number, axis[number]] = float(rng.choice(cuts))
    x = x / x.norm(dim=1, keepdim=True) * 0.8
    value, gradient = scene.value_and_gradient(x)
    assert 0 < value.abs().max() < 0.1  # between the fields of the blocks
    step = 1e-4
    for along in range(3):
        shift = step * torch.eye(3, dtype=torch.float64)[along]
        ahead, behind = (scene.value_and_gradient(x + sign * shift) for sign in (1, -1))
        slope = (ahead[0] - behind[0]) / (2 * step)
        assert (slope - gradient[:, along]).abs().max() < 2e-3  # fields are in single precision
        assert (ahead[1] - behind[1]).norm(dim=1).max() < 100 * step  # no jump


def test_on_cuts_the_value_does_not_depend_on_what_else_is_asked(
    shell: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = cut(shell, 4, tmp_path)
    use(monkeypatch, lambda number: lambda x: ball(x, 0.8 + 0.01 * number), shell, made)
    axis = int(np.isfinite(made.corners).any((0, 1)).argmax())
    place = made.corners[:, :, axis][np.isfinite(made.corners[:, :, axis])][0]
    cuts = [torch.empty(0, dtype=torch.float64)] * 3
    cuts[axis] = torch.tensor([place])
    scene = SceneField(made, tmp_path, (cuts[0], cuts[1], cuts[2]))
    x = torch.tensor(shell[:1000])
    x[::2, axis] = place
    whole = scene.values(x)
    assert (scene.values(x[::2]).float() == whole[::2].float()).all()
    assert (whole[::2] != SceneField(made, tmp_path).values(x)[::2]).any()  # which are rounded
