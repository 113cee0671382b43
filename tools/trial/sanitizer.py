"""Memory checks by compute-sanitizer, where it is installed, on a tiny run."""

from __future__ import annotations

import shutil
import subprocess

from trial.parts import DATA, ROOT, Trial

SETTINGS = ("fit.steps=8", "field.width=32", "field.hidden=2", "surface.prior_samples=2000")


def run(trial: Trial) -> None:
    tool = shutil.which("compute-sanitizer")
    if tool is None or not trial.on_gpu:
        trial.note("memcheck", skipped="no compute-sanitizer" if trial.on_gpu else "no GPU")
        return
    command = [tool, "--tool", "memcheck", "--print-limit", "5", "--error-exitcode", "9"]
    out = trial.work / "checked.ply"
    command += trial.command("-m", "recon", "mesh", DATA / "oni.ply", "-o", out, "--resolution", 24)
    command += ["--device", trial.device, "--quiet"]
    for setting in SETTINGS:
        command += ["--set", setting]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(done.stdout)
    lines = done.stdout.splitlines()
    found = [line for line in lines if line.startswith("=========")]
    own = [line for line in lines if not line.startswith("=========")]
    trial.note("memcheck", ok=done.returncode == 0, said=found[-6:] + own[-3:])
