"""A forked process is one like any other: its streams, its exit code, its death."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from waiting import eventually

from recon.batching.fork_server import ForkedProcess, ForkServer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    environment = os.environ | {"FORKED": "yes", "PYTHONPATH": os.pathsep.join(path())}
    with closing(ForkServer("forked_work", environment)) as server:
        yield server


def path() -> list[str]:
    return [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]


def told(server: ForkServer, line: str) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of a process that is told to do this."""
    process = server.start()
    process.stdin.write(line + "\n")
    process.stdin.close()
    streams = process.stdout, process.stderr
    said, complaints = (stream.read() for stream in streams)
    for stream in streams:
        stream.close()
    return process.wait(), said, complaints


def test_it_reads_and_writes_its_own_streams(server: ForkServer) -> None:
    assert told(server, "say αβγ") == (0, "αβγ yes\n", "αβγ\n")


@pytest.mark.parametrize(
    ("line", "code"), [("exit 3", 3), ("raise it", 1), ("die SIGSEGV", -11), ("die SIGKILL", -9)]
)
def test_it_ends_as_a_process_ends(server: ForkServer, line: str, code: int) -> None:
    found, said, complaints = told(server, line)
    assert (found, said) == (code, "")
    assert complaints.endswith("ValueError: it\n") if line == "raise it" else complaints == ""


def idle(server: ForkServer) -> ForkedProcess:
    """One that waits for its line."""
    process = server.start()
    assert process.poll() is None
    return process


def close(process: ForkedProcess) -> None:
    for stream in (process.stdin, process.stdout, process.stderr):
        stream.close()


def test_it_can_be_killed_and_its_id_is_its_own_until_that_is_known(server: ForkServer) -> None:
    process = idle(server)
    os.kill(process.pid, signal.SIGKILL)
    eventually(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE, "its end")
    process.kill()
    assert process.wait() == process.poll() == -signal.SIGKILL
    close(process)


def test_a_server_that_has_died_is_replaced(server: ForkServer) -> None:
    before = server.process
    assert before
    process = idle(server)
    before.kill()
    assert told(server, "exit 5")[0] == 5 and server.process is not before
    process.kill()
    assert process.wait() == -signal.SIGKILL
    close(process)


def test_a_module_that_cannot_be_loaded_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with (
        closing(ForkServer("no_such_module", dict(os.environ))) as server,
        pytest.raises(OSError, match="died"),
    ):
        server.start()
    assert "No module named 'no_such_module'" in capfd.readouterr().err


def test_what_its_processes_use_is_used_by_it(server: ForkServer) -> None:
    def used() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return children.ru_utime + children.ru_stime

    before = used()
    assert told(server, "compute 2.5")[0] == 0
    server.close()
    assert used() - before > 2.5
