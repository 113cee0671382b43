"""Processes forked from one that has loaded PyTorch and the rest.

They start in milliseconds, where the imports take seconds of a core. `recon.batching.fork_server FD
MODULE` is that server: at each request it forks a process for `MODULE.main()`. It ends with the process that
started it. (multiprocessing's own server imports the script that called `recon.batch` once more, which would
then need a guard, and it refuses the workers of a Dask cluster.)
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress

from recon.base.children import python_command

PRELOADED = (
    "recon.base.lock",
    "recon.render.files",
    "recon.render.ray_casting",
    "recon.surface.scenes.conversion",
    "igl",
    "PIL.PngImagePlugin",
    "scipy.optimize",
    "skimage.measure",
)
NUMBER = struct.Struct("i")  # a process id or an exit code on the wire


class ForkServer:
    """A server of processes for `module`.main() with the variables of `environment`, until it is closed.

    Not for macOS, whose own libraries do not survive a fork.
    """

    def __init__(self, module: str, environment: dict[str, str]) -> None:
        self.module, self.environment = module, environment
        self.connection: socket.socket | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self.requesting = threading.Lock()

    def start(self) -> ForkedProcess:
        """A new process; a server that has died is replaced. Raises OSError if that one dies, too."""
        with self.requesting:
            try:
                return ForkedProcess(self.connection or self._launched())
            except OSError:
                self.close()
                return ForkedProcess(self._launched())

    def _launched(self) -> socket.socket:
        self.connection, remote = socket.socketpair()
        with remote:
            self.process = subprocess.Popen(
                python_command("recon.batching.fork_server", str(remote.fileno()), self.module),
                stdin=subprocess.DEVNULL,
                env=self.environment,
                pass_fds=[remote.fileno()],
                start_new_session=True,  # Ctrl-C is for the process that started it, which passes it on
            )
        return self.connection

    def close(self) -> None:
        """End the server, once the processes that it has forked have ended."""
        if self.connection and self.process:
            self.connection.close()
            self.process.wait()
            self.connection = None


class ForkedProcess:
    """A process of a fork server, with as much of the interface of `subprocess.Popen` as a batch uses."""

    def __init__(self, server: socket.socket) -> None:
        self.returncode: int | None = None
        pipes = [os.pipe(), os.pipe(), os.pipe()]
        self.channel, remote = socket.socketpair()
        self.stdin = os.fdopen(pipes[0][1], "w", encoding="utf-8")
        self.stdout = os.fdopen(pipes[1][0], encoding="utf-8", errors="replace")
        self.stderr = os.fdopen(pipes[2][0], encoding="utf-8", errors="replace")
        theirs = [pipes[0][0], pipes[1][1], pipes[2][1], remote.fileno()]
        with ExitStack() as ending:
            for end in (self.channel, self.stdin, self.stdout, self.stderr):
                ending.callback(end.close)
            try:
                socket.send_fds(server, [b"."], theirs)
            finally:
                remote.close()
                for fd in theirs[:3]:
                    os.close(fd)
            pid = self._receive()
            if pid is None:
                raise ConnectionResetError("the process that forks others has died")
            ending.pop_all()
        self.pid = pid

    def _receive(self, flags: int = 0) -> int | None:
        packed = self.channel.recv(NUMBER.size, flags | socket.MSG_WAITALL)
        return NUMBER.unpack(packed)[0] if packed else None

    def wait(self) -> int:
        """The exit code, negative if a signal ended the process."""
        return self._ended(flags=0)

    def poll(self) -> int | None:
        """The exit code, None while the process runs."""
        try:
            return self._ended(socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None

    def _ended(self, flags: int) -> int:
        if self.returncode is None:
            code = self._receive(flags)
            self.returncode = -signal.SIGKILL if code is None else code  # with the process that watched it
            self.channel.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended: until this object knows that, its id stays its own."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


def serve(connection: socket.socket, module: str) -> Callable[[], object]:
    """Fork a process at each request, until the other end of the connection is closed.

    Returns what is left to do: in a fork `module`.main(), in the server nothing.
    """
    for name in PRELOADED:
        importlib.import_module(name)
    main = importlib.import_module(module).main
    gc.freeze()  # a collection in a fork would copy every page
    while True:
        message, fds, _, _ = socket.recv_fds(connection, 1, 4)
        _reap(0 if not message else os.WNOHANG)
        if not message:
            return lambda: None
        if os.fork() == 0:
            connection.close()
            _forked(*fds)
            return main
        for fd in fds:
            os.close(fd)


def _reap(flags: int) -> None:
    """Take note of processes that have ended, so that what they used counts as used by the server, too."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, flags)[0]:
            pass


def _forked(stdin: int, stdout: int, stderr: int, channel_fd: int) -> None:
    """Return in a fork with these streams.

    The process it is forked from says its id and its exit code, and lets it go when that has been heard.
    """
    channel = socket.socket(fileno=channel_fd)
    pid = os.fork()
    if pid:
        channel.send(NUMBER.pack(pid))
    for number, fd in enumerate((stdin, stdout, stderr)):
        if pid == 0:
            os.dup2(fd, number)
        os.close(fd)
    if pid:
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert ended
        code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
        with suppress(OSError):  # nobody is there any more who wants to know
            channel.send(NUMBER.pack(code))
            channel.recv(1)
        os.waitpid(pid, 0)
        os._exit(0)
    channel.close()


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])()
