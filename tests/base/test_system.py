"""The other ways of `recon.base.system`, in a process whose Python has no more than that of Windows has.

Not the same as trying it there; but none of what is missing is asked for, and files are locked, removed and
flushed as Windows lets them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from folder_scans import OPTIONS, table
from shapes import sphere
from waiting import PATIENCE

from recon.base.system import apart, cores, end_tree, interrupt, peak_memory

pytestmark = pytest.mark.slow

LIKE_WINDOWS = """
import errno, fcntl, os, signal, subprocess, sys, types
import psutil
if "mesh" in sys.argv:
    import igl, scipy.spatial, skimage.measure, tqdm, trimesh  # they know their way about

def locking(descriptor, mode, size):
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, size, os.lseek(descriptor, 0, os.SEEK_CUR))
    except OSError:
        raise PermissionError(errno.EACCES, "Permission denied")

def opened(path, flags, *more, real=os.open, **options):
    if os.path.isdir(path):
        raise PermissionError(errno.EACCES, "Permission denied")
    return real(path, flags, *more, **options)

def unlinked(path, *more, real=os.unlink, **options):
    for name in os.listdir("/proc/self/fd"):
        if os.path.realpath(f"/proc/self/fd/{name}") == os.path.realpath(path):
            raise PermissionError(errno.EACCES, "The process cannot access the file because it is being used")
    return real(path, *more, **options)

def synced(descriptor, real=os.fsync, F_GETFL=fcntl.F_GETFL, fcntl=fcntl.fcntl):
    if fcntl(descriptor, F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, "Bad file descriptor")
    real(descriptor)

sys.modules.update(msvcrt=types.SimpleNamespace(LK_NBLCK=2, locking=locking), fcntl=None, resource=None)
os.open, os.unlink, os.fsync = opened, unlinked, synced
for module, names in {
    os: ("O_NOFOLLOW", "O_NONBLOCK", "sched_getaffinity", "fork", "killpg", "getpgid", "getuid"),
    signal: ("SIGKILL", "SIGHUP", "SIGUSR1", "pthread_kill", "SIGALRM"),
}.items():
    for name in names:
        delattr(module, name)
"""


def like_windows(program: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", LIKE_WINDOWS + program, *arguments]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_scan_becomes_a_mesh_and_leaves_nothing_else(tmp_path: Path) -> None:
    np.save(tmp_path / "ball.npy", table(sphere(500)))
    command = ["mesh", str(tmp_path / "ball.npy"), "-o", str(tmp_path / "m.ply"), *OPTIONS]
    run = like_windows(
        "import recon.cli.main; sys.exit(recon.cli.main.main(sys.argv[1:]))", *command, "--json"
    )
    out, err = run.communicate(timeout=PATIENCE)
    assert run.returncode == 0, err
    assert json.loads(out)["faces"] > 100
    assert {path.name for path in tmp_path.iterdir()} == {"ball.npy", "m.ply"}


def test_a_lock_is_one_processes(tmp_path: Path) -> None:
    hold = """
from pathlib import Path
from recon.base.lock import locked
from recon.errors import OutputError
try:
    with locked(Path(sys.argv[1]), "it"):
        print("held", flush=True)
        sys.stdin.read()
except OutputError as error:
    print(error, flush=True)
"""
    path = tmp_path / "lock"
    first = like_windows(hold, str(path))
    assert first.stdout and first.stdout.readline() == "held\n"
    second, _ = like_windows(hold, str(path)).communicate(timeout=PATIENCE)
    assert second.startswith(f"it is in use by process {first.pid} on ")
    first.communicate(timeout=PATIENCE)
    assert not path.exists()


def test_a_process_apart_is_told_to_stop_and_ends_with_those_it_started() -> None:
    sleeper = "import time; print('up', flush=True); time.sleep(1000)"
    program = (
        f"import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', {sleeper!r}]); child.wait()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **apart()
    )
    assert parent.stdout and parent.stdout.readline() == b"up\n"
    (child,) = psutil.Process(parent.pid).children()
    assert os.getpgid(parent.pid) != os.getpgid(0)
    end_tree(parent.pid)
    assert parent.wait(PATIENCE) == -signal.SIGTERM
    child.wait(PATIENCE)
    parent.stdout.close()
    end_tree(parent.pid)  # which is no more

    alone = subprocess.Popen(
        [sys.executable, "-c", sleeper], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **apart()
    )
    assert alone.stdout and alone.stdout.readline() == b"up\n"
    interrupt(alone)
    assert alone.wait(PATIENCE) == -signal.SIGINT
    alone.stdout.close()


def test_memory_and_cores_are_plausible_either_way(monkeypatch: pytest.MonkeyPatch) -> None:
    peak, count = peak_memory(), cores()
    now = psutil.Process().memory_info().rss
    assert now <= 1.05 * peak and peak < psutil.virtual_memory().total
    assert 1 <= count <= (os.cpu_count() or 1)
    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.delattr(os, "sched_getaffinity")
    assert 0.5 * now < peak_memory() <= 1.05 * peak
    assert cores() == os.cpu_count()
