"""Memory checks by compute-sanitizer, where it is installed, on a tiny run; elsewhere the run alone."""

from __future__ import annotations

import shutil
import subprocess

from trial.parts import DATA, ROOT, Trial
from trial.problem import commanded

# After 8 steps of such a field there is no surface yet, after 40 there is.
SETTINGS = ("fit.steps=80", "field.width=32", "field.hidden=2", "surface.prior_samples=2000")


def run(trial: Trial) -> None:
    out = trial.work / "checked.ply"
    words: list[object] = ["mesh", DATA / "oni.ply", "-o", out, "--resolution", 24, "--device", trial.device]
    words += [word for setting in SETTINGS for word in ("--set", setting)]
    tool = shutil.which("compute-sanitizer")
    if tool is None or not trial.on_gpu:
        code, _, complained = commanded(trial, *words, "--quiet")
        missing = "no compute-sanitizer" if trial.on_gpu else "no GPU"
        trial.note("the run without memcheck", ok=code == 0, why=missing, said=complained.splitlines()[-3:])
        return
    checked = [tool, "--tool", "memcheck", "--print-limit", "5", "--error-exitcode", "9"]
    checked += trial.command("-m", "recon", *words, "--quiet")
    done = subprocess.run(checked, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(done.stdout)
    lines = done.stdout.splitlines()
    found = [line for line in lines if line.startswith("=========")]
    own = [line for line in lines if not line.startswith("=========")]
    trial.note("memcheck", ok=done.returncode == 0, said=found[-6:] + own[-3:])
