"""Open the real window on the screen that DISPLAY names, and press the keys that standard input names, one a
line; drive_window.py modern|classic FILE... It is no test: test_window.py runs it, and watches the screen."""

import os
import select
import sys
import time

from recon.viewer.classic import ClassicWindow
from recon.viewer.scene import Scene
from recon.viewer.stage import Stage
from recon.viewer.window import Window


class Event:
    """A key as Open3D tells of it."""

    def __init__(self, window: Window, name: str) -> None:
        self.key, self.type = getattr(window.gui.KeyName, name), window.gui.KeyEvent.Type.DOWN


def press(window: Window | ClassicWindow, name: str) -> None:
    if isinstance(window, Window):
        assert window._key(Event(window, name))
    else:
        window._pressed(name)(window.window)


def turn(window: Window | ClassicWindow) -> None:
    """What the window's own loop does over and over."""
    if isinstance(window, Window):
        window.app.run_one_tick()
        time.sleep(0.01)
    else:
        window._tick(window.window)
        window.window.poll_events()
        window.window.update_renderer()


def asked() -> list[str]:
    """The keys that have come; to close where nobody is there any more to press one."""
    if not select.select([0], [], [], 0)[0]:
        return []
    return os.read(0, 1000).decode().split() or ["Q"]


def main(kind: str, *paths: str) -> None:
    stage = Stage(Scene(paths))
    window = Window(stage) if kind == "modern" else ClassicWindow(stage)
    keys: list[str] = []
    while "Q" not in keys:
        turn(window)
        keys = asked()
        for name in keys:
            press(window, name)
    turn(window)


if __name__ == "__main__":
    main(*sys.argv[1:])
