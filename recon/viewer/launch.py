"""Opens the window in its own process: graphics drivers end one where other libraries raise."""

import logging
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from recon.base.children import python_command
from recon.base.runs import PREVIEW_FILE
from recon.base.system import apart, end_tree
from recon.viewer.requirements import check_screen

WINDOW_KINDS = ("modern", "classic")
CRASH_SIGNALS = {signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV}
Vector = tuple[float, ...] | None
log = logging.getLogger("recon")


def open_window(paths: Sequence[str | Path], options: Sequence[str] = ()) -> int:
    """Show files and folders, with `options` of `recon view`, until the window is closed.

    If the graphics driver ends the modern window's process, the classic one opens. Returns the exit code of
    the window's process, which writes its own errors. Raises MissingLibraryError as `check_screen`.
    """
    check_screen()
    for kind in WINDOW_KINDS:
        command = python_command("recon", "view", "--window", kind, *options, "--")
        code = subprocess.run([*command, *map(str, paths)], stdout=subprocess.DEVNULL).returncode
        if -code not in CRASH_SIGNALS:
            return abs(code)
        log.warning("the %s window was ended by the graphics driver (%s)", kind, signal.Signals(-code).name)
    return 1


class LiveWindow:
    """The callback that opens a window on a run folder with a preview, which the window follows."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.process: subprocess.Popen[bytes] | None = None

    def __call__(self, progress: object) -> None:
        """Open the window, if there is a preview."""
        if self.process is None and (self.run / PREVIEW_FILE).exists():
            command = python_command("recon", "view", "--", str(self.run))
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, **apart())

    def close(self) -> None:
        """End the window's processes, if it is still open."""
        if self.process is not None and self.process.poll() is None:
            end_tree(self.process.pid)
            self.process.wait()


def show(paths: Sequence[str | Path], kind: str, color: str, direction: Vector, up: Vector) -> None:
    """Show files in this process, seen from `direction` with `up` upward, until the window is closed.

    Raises ScanError for what is not there, MissingLibraryError if Open3D does not start.
    """
    from recon.viewer.scene import Scene  # here: the parent process does not need it
    from recon.viewer.stage import Stage

    check_screen()
    for number in (signal.SIGINT, signal.SIGTERM):  # an exception would not pass through Open3D's loop
        signal.signal(number, signal.SIG_DFL)
    stage = Stage(Scene(paths), color, direction, up)
    if kind == "modern":
        from recon.viewer.window import Window

        Window(stage).run()
    else:
        from recon.viewer.classic import ClassicWindow

        ClassicWindow(stage).run()
