"""What `recon` says of itself: help, examples, the options that are settings, what shells complete."""

from __future__ import annotations

import argparse
import dataclasses
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import recon
from recon.base.options import Parser, changed
from recon.base.settings import StagedConfig, setting
from recon.cli.main import COMMANDS, build_parser, main
from recon.errors import UsageError

BASH = """
source /dev/stdin
COMP_WORDS=({words} ""); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
$(complete -p recon | sed "s/.*-F \\([^ ]*\\).*/\\1/") recon "" ""
echo "${{COMPREPLY[@]}}"
"""


def parsers(parser: argparse.ArgumentParser) -> Iterator[Parser]:
    """Of the program, its commands and their kinds."""
    assert isinstance(parser, Parser)
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield from parsers(sub)


EVERY = {parser.prog: parser for parser in parsers(build_parser())}


def test_recon_alone_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    alone = capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    assert alone.out == capsys.readouterr().out and alone.err == ""
    assert all(name in alone.out for name in COMMANDS)


@pytest.mark.parametrize("prog", EVERY)
def test_every_help_has_examples_of_itself_that_the_documentation_knows(prog: str, root: Path) -> None:
    documents = [root / "README.md", *(root / "docs").glob("*.md")]
    known = set(re.findall(r"[\w.]+", "\n".join(path.read_text(encoding="utf-8") for path in documents)))
    examples = EVERY[prog].examples
    assert 1 <= len(examples) <= 3
    for example in examples:
        assert example.startswith(prog) and example in EVERY[prog].format_help()
        options = EVERY["recon"].parse_args(shlex.split(example)[1:])
        assert options.command
        names = re.findall(r"(?<=\s)[A-Za-z]+\.\w+\b|(?<=\s)[A-Z]+(?=\s|$)", example)
        assert [name for name in names if name not in known] == []


@pytest.mark.parametrize("prog", EVERY)
def test_help_groups_options_and_fits_a_line_of_usage(prog: str) -> None:
    text = EVERY[prog].format_help()
    assert text.count("usage:") == 1 and len(text.split("\n\n")[0]) < 80
    ungrouped = [action.option_strings for action in EVERY[prog]._optionals._group_actions]
    assert prog == "recon" or ungrouped == [["-h", "--help"]]
    assert "positional arguments" not in text


def test_help_lists_every_setting_with_its_default() -> None:
    text, standard = EVERY["recon mesh"].format_help(), recon.PRESETS["standard"]
    for stage, settings in standard.stages.items():
        for field in dataclasses.fields(settings):
            assert re.search(rf"^  {stage}\.{field.name}=.* {re.escape(field.metadata['help'])}", text, re.M)
    assert f"fit.steps={standard.fit.steps}" in text
    assert f"mesh.resolution={standard.mesh.resolution}" in text


@dataclasses.dataclass(frozen=True)
class Oven:
    heat: float = setting(180.0, "how hot, 5 % more below", within=(50.0, 300.0), metavar="C")
    minutes: float | None = setting(None, "how long", unit="s")
    fan: str = setting("off", "whether it turns", choices=("on", "off"))


@dataclasses.dataclass(frozen=True)
class Baking(StagedConfig):
    oven: Oven = Oven()


def test_an_option_says_and_takes_what_its_field_declares() -> None:
    from recon.base.options import add_settings

    groups = {"the oven": {"heat": "oven.heat", "for": "oven.minutes", "fan": "oven.fan"}}
    parser = Parser("bake")
    add_settings(parser, Baking(), groups, either=("heat", "for"))
    text = " ".join(parser.format_help().split())
    assert "the oven: --heat C how hot, 5 % more below (default: 180.0)" in text
    assert "--for 60s how long --fan on|off whether it turns (default: off)" in text
    assert "oven.fan=off whether it turns (on|off)" in text

    def baked(*words: str) -> Baking:
        return changed(Baking(), vars(parser.parse_args(words)), groups)

    assert baked("--for", "2m", "--fan", "on", "--seed", "4") == Baking(4, Oven(180.0, 120.0, "on"))
    assert baked("--heat=90", "--set", "oven.minutes=1h").oven == Oven(90.0, 3600.0)
    wrong = {
        ("--heat", "hot"): "'hot' is not a number",
        ("--heat", "500"): "oven.heat is 500.0, expected between 50 and 300",
        ("--heat=90", "--for=3"): "not allowed with",
        ("--fan", "maybe"): "invalid choice: 'maybe'",
        ("--set", "oven.fan=maybe"): "expected one of on, off",
        ("--set", "oven.door=open"): "expected STAGE.NAME=VALUE",
        ("--set", "oven.heat"): "expected STAGE.NAME=VALUE",
        ("--set", "seed=3"): "expected STAGE.NAME=VALUE",
    }
    for words, message in wrong.items():
        with pytest.raises(UsageError, match=re.escape(message)):
            baked(*words)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_knows_commands_kinds_and_options(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--print-completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(word in script for word in [*COMMANDS, "inpaint", "helmholtz", "resolution", "truncated-sine"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("recon", set(COMMANDS)),
        ("recon solve", {"helmholtz", "wave", "inverse"}),
        ("recon mesh --preset", set(recon.PRESETS)),
        ("recon mesh", {"kitten.ply", "below"}),
        ("recon batch", {"below"}),
    ],
)
def test_bash_completes(
    words: str, wanted: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kitten.ply").touch()
    (tmp_path / "below").mkdir()
    assert main(["--print-completion", "bash"]) == 0
    done = subprocess.run(
        ["bash", "-c", BASH.format(words=words)],
        input=capsys.readouterr().out,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()) == wanted
