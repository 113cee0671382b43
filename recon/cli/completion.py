"""`recon --print-completion`: the script with which a shell completes commands, options, values and files."""

from __future__ import annotations

import argparse

from recon.base.options import Parser, file, folder, output_file

SHELLS = ("bash", "zsh", "fish")


def completion(parser: Parser, shell: str) -> str:
    """Returns the script for `shell`."""
    import shtab

    _name_files(parser, {file: shtab.FILE, output_file: shtab.FILE, folder: shtab.DIRECTORY})
    return shtab.complete(parser, shell)


def _name_files(parser: argparse.ArgumentParser, completers: dict) -> None:
    """Tells shtab which arguments are files."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                _name_files(sub, completers)
        elif action.type in completers:
            action.complete = completers[action.type]  # type: ignore[attr-defined]
