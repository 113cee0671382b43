"""GPU and CPU do the same: terms and gradients of a step, recorded steps, a training, a field's mesh."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import torch

import recon
from recon.field.derivatives import value_and_gradient
from recon.surface.evaluation import evaluate
from recon.surface.loss import SurfaceBatch
from recon.surface.settings import Config
from recon.training.step import Steps
from trial.parts import DATA, Trial
from trial.problem import accuracy, moments, moved, preset, problem, samples

EXACT, TF32 = 2e-5, 3e-3  # relative differences of float32 sums, and of products whose operands are rounded
STEPS = 10
REPLAYED, DRIFT = 1e-2, 0.1  # of the way that the parameters go in these steps: the same device, another


def run(trial: Trial) -> None:
    config = preset(trial, "draft")
    _field(trial, config)
    _step(trial, config)
    for optimizer in ("muon", "adam"):
        _recorded(trial, config.with_(fit={"optimizer": optimizer}))
    _training(trial, config)


def _relative(found: torch.Tensor, wanted: torch.Tensor) -> float:
    found, wanted = found.detach().cpu().double(), wanted.detach().cpu().double()
    return float((found - wanted).norm() / wanted.norm())


def _field(trial: Trial, config: Config) -> None:
    """Φ and ∇Φ, against float64 on the CPU."""
    field, task = problem(trial.shape, config, "cpu")
    points = task.sample(0).points
    exact = problem(trial.shape, config, "cpu")[0].double()
    exact_points = points.double().requires_grad_()
    wanted = exact(exact_points).squeeze(1)
    (slope,) = torch.autograd.grad(wanted.sum(), exact_points)
    for device in dict.fromkeys(("cpu", trial.device)):
        value, gradient = value_and_gradient(field.to(device), points.to(device))
        trial.check(f"Φ on {device} against float64", _relative(value, wanted), EXACT)
        trial.check(f"∇Φ on {device} against float64", _relative(gradient, slope), EXACT)
        plain = field.values(points.to(device))[:, 0]
        trial.check(f"values on {device} against float64", _relative(plain, wanted), EXACT)


def _step(trial: Trial, config: Config) -> None:
    """Terms and the gradient of their sum, against the CPU's, which are differentiated by hand, too."""
    results = {}
    for device in ("cpu", trial.device):
        field, task = problem(trial.shape, config, device)
        batch = moved(problem(trial.shape, config, "cpu")[1].sample(0), device)
        weights = {name: weight(0.5) for name, weight in task.weights.items()}
        results[device] = task.gradient(field, batch, weights)
    (wanted, slope), (terms, gradient) = results["cpu"], results[trial.device]
    for name, term in terms.items():
        trial.check(f"term {name}", _relative(term, wanted[name]), EXACT)
    trial.check("gradient", _relative(gradient, slope), TF32 if trial.on_gpu else EXACT)


def _recorded(trial: Trial, config: Config) -> None:
    """Steps that are recorded and replayed, plain ones on the same device, and the CPU's."""
    first = [problem(trial.shape, config, "cpu")[1].sample(step) for step in range(STEPS)]
    ended = {}
    for name, device in (("cpu", "cpu"), ("plain", trial.device), ("recorded", trial.device)):
        field, task = problem(trial.shape, config, device)
        start = field.flat.detach().cpu().clone()
        batches = [moved(batch, device) for batch in first]
        task.sample = partial(_fixed, batches)  # type: ignore[method-assign]
        steps = Steps(field, task, config.fit)
        if name == "plain":
            steps.record = None
        elif name == "recorded" and not trial.on_gpu:
            steps.record = lambda work: work
        terms = steps.window(moments(range(STEPS), task, config))
        ended[name] = field.flat.detach().cpu() - start, terms
    for one, other, at_most in (("recorded", "plain", REPLAYED), ("plain", "cpu", DRIFT)):
        difference = _relative(ended[one][0], ended[other][0])
        worst = max(abs(ended[one][1][name] / value - 1) for name, value in ended[other][1].items())
        what = f"{config.fit.optimizer}: {STEPS} steps {one} against {other}"
        trial.check(what, difference, at_most, terms=worst)


def _fixed(batches: list[SurfaceBatch], step: int, progress: float = 0.0) -> SurfaceBatch:
    return batches[step]


def _training(trial: Trial, config: Config) -> None:
    """One scan and seed on both: other samples, so that errors are compared; and one field meshed on both."""
    if not trial.quick:
        config = config.with_(fit={"steps": 600}, surface={"prior_samples": 50_000}, mesh={"resolution": 128})
    made: dict[str, Any] = {}
    errors = {}
    for device in dict.fromkeys(("cpu", trial.device)):
        made[device] = recon.reconstruct(recon.read_cloud(DATA / f"{trial.shape}.ply"), config, device=device)
        found = accuracy(trial, trial.shape, made[device].mesh())
        errors[device] = found["mean_distance"]
        last = made[device].snapshot.history[-1]
        trial.note(
            f"training on {device}",
            **found,
            loss=last["loss"],
            seconds=made[device].seconds["train"],
            recoveries=made[device].snapshot.recoveries,
        )
    # By the seed alone the errors of short trainings spread by some percent.
    trial.check("error of the training against the CPU's", errors[trial.device] / errors["cpu"], 1.25)
    there = replace(made["cpu"], field=made["cpu"].field.to(trial.device)).mesh()
    here = replace(made["cpu"], field=made["cpu"].field.to("cpu")).mesh()
    both = evaluate(there, here, samples=samples(trial)).both
    assert both is not None
    same = there.faces.shape == here.faces.shape
    figures = {"faces": len(there.faces), "faces_cpu": len(here.faces), "same_count": same, "mean": both.mean}
    trial.check("mesh of one field, largest distance in 0.001 half sides", both.largest, 1.0, **figures)
