"""What a window needs, and the messages if it is missing."""

import ctypes
import importlib.util
import os
import sys

from recon.errors import MissingLibraryError

SYSTEM_LIBRARIES = "libgl1 libegl1 libusb-1.0-0 libvulkan1 mesa-vulkan-drivers"  # Debian packages
SCREENSHOT_HINT = "or let `recon view FILE --screenshot PNG` draw without a window"


def check_screen() -> None:
    """Raise MissingLibraryError if no window can be opened: without Open3D, or without a screen."""
    if importlib.util.find_spec("open3d") is None:
        raise MissingLibraryError(
            f"the window needs Open3D: bash tools/setup view, or pip install open3d, {SCREENSHOT_HINT}"
        )
    if not sys.platform.startswith("linux"):
        return
    name = os.environ.get("DISPLAY")
    if not name:
        raise MissingLibraryError(
            f"there is no screen (DISPLAY is not set): use a machine with one, {SCREENSHOT_HINT}"
        )
    try:
        x11 = ctypes.CDLL("libX11.so.6")
    except OSError:
        need = "apt-get install libx11-6 (Debian, Ubuntu)"
        raise MissingLibraryError(f"the window needs X11: {need}, {SCREENSHOT_HINT}") from None
    x11.XOpenDisplay.restype, x11.XOpenDisplay.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
    x11.XCloseDisplay.argtypes = [ctypes.c_void_p]
    display = x11.XOpenDisplay(None)
    if not display:
        raise MissingLibraryError(
            f"the screen {name} cannot be reached: set DISPLAY to one, {SCREENSHOT_HINT}"
        )
    x11.XCloseDisplay(display)
