"""Measurements of recon, each beside what it is compared with and on the same machine.

    python tools/benchmark.py accuracy --shapes DIR [--only rocker,elephant] [--kinds clean,sparse,scan]
        [--methods poisson,recon] [--options "--preset fine"] [-o out/benchmark]
    python tools/benchmark.py steps [--threads 2] [--batches 1700,2800,28000] [--loaded] [--device cuda]
    python tools/benchmark.py curves --shapes DIR [--only rocker] [--budgets 5,10,20,40,80]
        [--reference-seconds 1000]
    python tools/benchmark.py extraction --scan FILE [--resolutions 256,512,1024,2048]
    python tools/benchmark.py derivatives [--batch 10000] [--width 128] [--outputs 3]
    python tools/benchmark.py normals --shapes DIR [--only turbine] [--kinds clean,noisy,sparse]
    python tools/benchmark.py difficult [--only plate,cup] [--seeds 3] [--preset draft]
    python tools/benchmark.py opening [--faces 2000000]
    python tools/benchmark.py rims --meshes FOLDER_OR_FILES [--counts 100000,1000000]
        [--options "--preset draft"]
    python tools/benchmark.py scenes [--points 1000000,4000000] [--options "--preset draft"]
    python tools/benchmark.py triangles --runs FOLDERS [--faces 50000,5000]
    python tools/benchmark.py uncertainty --shapes DIR [--only rocker] [--kinds noisy,scan] [--holes]
    python tools/benchmark.py unoriented [--only box] [--counts 2000] [--seeds 20] [--preset draft]

`COMMAND --help` says what each of them does. Every result is a line of OUT/COMMAND.jsonl with its commit,
machine, threads, date and command; OUT/COMMAND.md is the table. Poisson, `normals` and `opening` need
Open3D (`tools/setup view`), `opening` Xvfb, the plots of `curves` matplotlib (`tools/setup test`).
"""

from __future__ import annotations

import argparse

from benchmarks import (
    accuracy,
    curves,
    derivatives,
    difficult,
    extraction,
    normals,
    one_mesh,
    one_reference,
    opening,
    poisson,
    rims,
    scenes,
    steps,
    triangles,
    uncertainty,
    unoriented,
)


def main() -> None:
    raw = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, module in {
        "accuracy": accuracy,
        "steps": steps,
        "curves": curves,
        "extraction": extraction,
        "derivatives": derivatives,
        "difficult": difficult,
        "normals": normals,
        "opening": opening,
        "rims": rims,
        "scenes": scenes,
        "triangles": triangles,
        "uncertainty": uncertainty,
        "unoriented": unoriented,
        "poisson": poisson,
        "one-mesh": one_mesh,
        "one-reference": one_reference,
    }.items():
        about = module.__doc__ or ""
        command = commands.add_parser(
            name, help=about.splitlines()[0], description=about, formatter_class=raw
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
