"""Collect the wheels that a machine without internet lacks, to be carried there beside a checkout.

    there:  python -m pip list --format freeze > node.txt
    here:   python tools/collect_wheels.py node.txt --python 3.12 --out wheels
    there:  python -m pip install --no-index --no-deps --target site wheels/*.whl
            PYTHONPATH=CHECKOUT:site python -m recon mesh SCAN

What recon needs is read from pyproject.toml, what each wheel needs from the wheel; what the machine has in a
version that serves stays as it is. Versions are those of tools/constraints.txt where it has one. PyTorch is
not collected: a machine with a GPU has its own build of it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable
from email.parser import HeaderParser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
NEVER = {"torch"}
OLD_NAMES = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}  # by the minor version of their glibc

Fetch = Callable[[Requirement], Path]  # to a wheel that fits


class Missing(Exception):
    """What cannot be collected, for the person who asked."""


def needs(extras: Iterable[str] = ()) -> list[Requirement]:
    """Of recon, by pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known = project["optional-dependencies"]
    if unknown := sorted(set(extras) - set(known)):
        raise Missing(f"there is no extra {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return [Requirement(line) for line in sum((known[extra] for extra in extras), project["dependencies"])]


def installed(text: str) -> dict[str, Version]:
    """What a machine has, by the words of `pip freeze` or `pip list`."""
    found = re.findall(r"^([A-Za-z0-9][\w.-]*)(?:==|\s+)(\d\S*)", text, re.MULTILINE)
    return {canonicalize_name(name): Version(version) for name, version in found}


def target(python: str, machine: str) -> dict[str, str]:
    """The environment of markers."""
    return {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }


def collect(
    wanted: Iterable[Requirement],
    there: dict[str, Version],
    pins: Iterable[Requirement],
    environment: dict[str, str],
    fetch: Fetch,
) -> list[Path]:
    """The wheels of what is `wanted` and what that needs, but for what is `there`. Raises Missing."""
    pinned = {canonicalize_name(pin.name): pin for pin in pins if _applies(pin, environment)}
    queue: list[Requirement] = sorted(wanted, key=lambda one: one.name not in NEVER)
    wheels: dict[str, Path] = {}
    while queue:
        one = queue.pop(0)
        name = canonicalize_name(one.name)
        if not _applies(one, environment):
            continue
        if name in wheels or (name in there and one.specifier.contains(there[name], prereleases=True)):
            continue
        if name in NEVER:
            has = f"has {there[name]}" if name in there else "has none"
            raise Missing(f"the machine {has}: it needs {one.name}{one.specifier} of its own first")
        chosen = Requirement(f"{one.name}{pinned[name].specifier if name in pinned else one.specifier}")
        wheels[name] = fetch(chosen)
        queue += _needed_by(wheels[name], one.extras)
    return list(wheels.values())


def _applies(one: Requirement, environment: dict[str, str], extras: Iterable[str] = ("",)) -> bool:
    return one.marker is None or any(one.marker.evaluate({**environment, "extra": e}) for e in extras)


def _needed_by(wheel: Path, extras: Iterable[str]) -> list[Requirement]:
    """By the words of the wheel; what only its own extras want, where they are asked for."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        lines = HeaderParser().parsestr(archive.read(name).decode()).get_all("Requires-Dist") or []
    found = []
    for one in map(Requirement, lines):
        if one.marker is not None and "extra" in str(one.marker):
            if not any(one.marker.evaluate({"extra": extra}) for extra in extras):
                continue
            one.marker = None
        found.append(one)
    return found


def by_pip(one: Requirement, python: str, machine: str, glibc: int, out: Path) -> Path:
    """Download it. Raises Missing where pip finds no wheel of it."""
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(glibc, 4, -1)]
    platforms += [f"{old}_{machine}" for minor, old in OLD_NAMES.items() if minor <= glibc]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--implementation", "cp", "--python-version", python]
    for platform in platforms:
        command += ["--platform", platform]
    partial = out / "partial"
    done = subprocess.run([*command, "--dest", partial, str(one)], capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise Missing(f"no wheel of {one} for Python {python} on {machine}, glibc 2.{glibc}: pip said {said}")
    (wheel,) = partial.glob("*.whl")
    wheel = wheel.replace(out / wheel.name)
    partial.rmdir()
    return wheel


def main() -> None:
    raw = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("node", type=Path, help="what `pip list` or `pip freeze` says there")
    parser.add_argument("--python", default="3.12", help="there (default: 3.12)")
    parser.add_argument("--machine", default="x86_64", help="x86_64 or aarch64 (default: x86_64)")
    parser.add_argument("--glibc", default="2.28", help="there (default: 2.28)")
    parser.add_argument("--extra", action="append", default=[], help="of recon, too")
    parser.add_argument("--out", type=Path, default=Path("wheels"), metavar="DIR")
    args = parser.parse_args()
    constraints = (ROOT / "tools" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in constraints if line and not line.startswith("#")]

    def fetch(one: Requirement) -> Path:
        wheel = by_pip(one, args.python, args.machine, int(args.glibc.split(".")[1]), args.out)
        print(wheel)
        return wheel

    try:
        there = installed(args.node.read_text(encoding="utf-8"))
        args.out.mkdir(parents=True, exist_ok=True)
        collect(needs(args.extra), there, pins, target(args.python, args.machine), fetch)
    except (OSError, Missing) as error:
        sys.exit(f"tools/collect_wheels.py: {error}")


if __name__ == "__main__":
    main()
