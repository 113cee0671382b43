"""The trial of settings finds the claims that hold under some of them alone."""

import subprocess
import sys
from pathlib import Path

import pytest

from recon.field.settings import FieldConfig
from recon.field.siren import Siren

CLAIM = """
import subprocess
import sys

from recon.field.settings import FieldConfig
from recon.field.siren import Siren

def test_a_field_starts_at_its_seed():
    assert Siren(FieldConfig(width=4)).flat.sum().item() == {start!r}

def test_a_field_has_numbers():
    assert len(Siren(FieldConfig(width=4)).flat)

def test_a_process_starts_fields_as_this_one():
    print_sum = (
        "from recon.surface.settings import FieldConfig; from recon.field.siren import Siren; "
        "print(Siren(FieldConfig(width=4)).flat.sum().item())"
    )
    done = subprocess.run([sys.executable, "-c", print_sum], capture_output=True, text=True, check=True)
    assert float(done.stdout) == Siren(FieldConfig(width=4)).flat.sum().item()
"""


@pytest.mark.slow
def test_a_claim_that_hangs_on_the_start_is_found_by_other_seeds(root: Path, tmp_path: Path) -> None:
    claims = tmp_path / "test_claims.py"
    claims.write_text(CLAIM.format(start=Siren(FieldConfig(width=4)).flat.sum().item()))
    script = root / "tools" / "settings_trial.py"
    command = [sys.executable, str(script), "--only", "as-it-is,seed-1", "-n", "0", str(claims)]
    done = subprocess.run(command, capture_output=True, text=True)
    *lines, last = done.stdout.splitlines()
    assert done.returncode == 1, done.stderr
    settings = [line for line in lines if not line.startswith(" ")]
    assert [line.split()[0] for line in settings] == ["as-it-is", "seed-1"]
    assert "3 passed" in settings[0] and "1 failed, 2 passed" in settings[1]
    assert sum(line.endswith("::test_a_field_starts_at_its_seed") for line in lines) == 1
    assert last.endswith("test_claims.py::test_a_field_starts_at_its_seed: seed-1")


@pytest.mark.slow
def test_a_setting_that_is_none_is_named(root: Path) -> None:
    script = root / "tools" / "settings_trial.py"
    done = subprocess.run([sys.executable, str(script), "--only", "vax"], capture_output=True, text=True)
    assert done.returncode == 2 and "there is no setting vax; there are as-it-is" in done.stderr
