"""Run the tests, or some of them, as other machines would: other instructions, kernels, threads and seeds.

    python tools/settings_trial.py                                  all tests, under every setting
    python tools/settings_trial.py -n 2 tests/surface              these, in two processes
    python tools/settings_trial.py --only seed-1,avx2 tests/pde    under some settings

What a training comes to depends on rounding, which differs between processors; a claim about it holds only if
it holds for every rounding, and every start. Each setting is a run of pytest in an environment of its own;
other arguments go to it. It prints a line a setting and what failed, in the end each such test and where it
did, and exits with 1 if one did. Settings that are unknown to this processor or its libraries do nothing.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SEED = "RECON_TRIAL_SEED"
DISPATCHED = "X86_V3 X86_V4 AVX512_ICL AVX512_SPR"  # all that numpy 2.4 has beyond its baseline

SETTINGS: dict[str, dict[str, str]] = {
    "as-it-is": {},
    "no-vectors": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"},
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "avx512": {"ATEN_CPU_CAPABILITY": "avx512", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE"},
    "mkl-compatible": {"MKL_CBWR": "COMPATIBLE"},
    "openblas-haswell": {"OPENBLAS_CORETYPE": "Haswell"},
    "openblas-skylakex": {"OPENBLAS_CORETYPE": "SkylakeX"},
    "openblas-zen": {"OPENBLAS_CORETYPE": "Zen"},
    "numpy-baseline": {"NPY_DISABLE_CPU_FEATURES": DISPATCHED},
    "2-threads": {"OMP_NUM_THREADS": "2"},
    "4-threads": {"OMP_NUM_THREADS": "4"},
    **{f"seed-{k}": {SEED: str(k)} for k in range(1, 5)},
}
ENDED = re.compile(r"^(FAILED|ERROR) (\S+)", re.MULTILINE)


# Run by every Python that starts, those that tests start, too: fields begin elsewhere. It imports nothing
# before it is wanted.
CUSTOMIZE = f"""
import importlib.abc
import importlib.util
import os
import sys

SHIFT = int(os.environ.get("{SEED}", "0"))


class Elsewhere(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "recon.field.siren":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def loaded(module):
            load(module)
            import torch

            start = module.Siren.__init__

            def begin(self, config, inputs=3, outputs=1, generator=None):
                seed = generator.initial_seed() if generator else 0
                start(self, config, inputs, outputs, torch.Generator().manual_seed(seed + SHIFT))

            module.Siren.__init__ = begin

        spec.loader.exec_module = loaded
        return spec


if SHIFT:
    sys.meta_path.insert(0, Elsewhere())
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--only", help=f"some of {', '.join(SETTINGS)}")
    args, others = parser.parse_known_args()
    names = args.only.split(",") if args.only else list(SETTINGS)
    if unknown := set(names) - set(SETTINGS):
        parser.error(f"there is no setting {', '.join(sorted(unknown))}; there are {', '.join(SETTINGS)}")
    failed: dict[str, list[str]] = defaultdict(list)
    broken = False
    for name in names:
        began = time.monotonic()
        code, said = _run(SETTINGS[name], others)
        last = (said.strip().splitlines() or ["nothing was said"])[-1]
        print(f"{name:20}{time.monotonic() - began:6.0f} s  {last}", flush=True)
        for test in sorted({match[2] for match in ENDED.finditer(said)}):
            print(f"    {test}", flush=True)
            failed[test].append(name)
        if code not in (0, 1):  # of pytest: all passed, some failed
            print(said[-2000:])
            broken = True
    for test, where in sorted(failed.items()):
        print(f"{test}: {', '.join(where)}")
    sys.exit(1 if failed or broken else 0)


def _run(setting: dict[str, str], arguments: list[str]) -> tuple[int, str]:
    """The exit code of pytest and what it said."""
    command = [sys.executable, "-m", "pytest", "-rfE", "--tb", "short"]
    command += ["-n", "0", "--dist", "loadfile", *arguments]
    with tempfile.TemporaryDirectory(prefix="settings-") as folder:
        (Path(folder) / "sitecustomize.py").write_text(CUSTOMIZE, encoding="utf-8")
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **setting}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))
        done = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    return done.returncode, done.stdout.decode(errors="replace")


if __name__ == "__main__":
    main()
