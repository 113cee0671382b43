"""Open the real window on the screen that DISPLAY names and use it: drive_window.py modern|classic FILE...

Pictures of the screen and of the view land in the working folder. It is no test: test_window.py runs it.
"""

import sys
import time
from pathlib import Path

from PIL import ImageGrab

from recon.view.classic import ClassicWindow
from recon.view.scene import Scene
from recon.view.stage import Stage
from recon.view.window import Window

PATIENCE = 60.0  # seconds
NEXT = "next.ply"  # what the first file becomes


class Event:
    """A key as Open3D tells of it."""

    def __init__(self, window: Window, name: str) -> None:
        self.key, self.type = getattr(window.gui.KeyName, name), window.gui.KeyEvent.Type.DOWN


def main(kind: str, *paths: str) -> None:
    stage = Stage(Scene(paths))
    window = Window(stage) if kind == "modern" else ClassicWindow(stage)

    def turn(frames: int) -> None:
        for _ in range(frames):
            if isinstance(window, Window):
                window.app.run_one_tick()
            else:
                window.window.poll_events()
                window.window.update_renderer()
            time.sleep(0.01)

    def press(name: str) -> None:
        if isinstance(window, Window):
            assert window._key(Event(window, name))
        else:
            window._pressed(name)(window.window)

    def wait(name: str) -> None:
        """Until the screen has been still for a while, and has something on it."""
        began, last, still = time.monotonic(), b"", 0
        while still < 3 and time.monotonic() - began < PATIENCE:
            turn(8)
            screen = ImageGrab.grab(xdisplay="")
            still = still + 1 if screen.tobytes() == last and screen.getbbox() else 0
            last = screen.tobytes()
        screen.save(name)

    wait("opened.png")
    press("I")
    turn(50)
    press("C")
    press("C")
    press("C")
    wait("height.png")
    press("C")
    if (Path(paths[0]).parent / NEXT).exists():  # the file is replaced while it is looked at
        (Path(paths[0]).parent / NEXT).replace(paths[0])
        window.looked = 0.0
        if isinstance(window, ClassicWindow):
            window._tick(window.window)  # which its own loop would do
        wait("replaced.png")
    press("Q")
    turn(5)


if __name__ == "__main__":
    main(*sys.argv[1:])
