"""A headless Chromium, driven over a pipe in its own protocol: no driver, no port.

https://chromedevtools.github.io/devtools-protocol
"""

from __future__ import annotations

import base64
import fcntl
import io
import json
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from waiting import PATIENCE, eventually

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # which root cannot have
    "--disable-dev-shm-usage",
    "--use-angle=swiftshader",  # WebGL without a GPU
    "--enable-unsafe-swiftshader",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--no-first-run",
    "--remote-debugging-pipe",
)


class Browser:
    """One page. `said` has what it wrote to the console, its errors, and what it failed to load."""

    def __init__(self, write: int, read: int) -> None:
        self._out, self._in = os.fdopen(write, "wb", 0), os.fdopen(read, "rb")
        self._rest, self._count, self._session = b"", 0, ""
        self.said: list[str] = []
        self.asked: list[str] = []  # addresses
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def close(self) -> None:
        self._session = ""
        self._call("Browser.close")
        self._out.close()
        self._in.close()

    def open(self, address: str, width: int = 1000, height: int = 900, dark: bool = False) -> None:
        """Load a page, and wait until its scripts have run."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        self._call("Page.navigate", url=address)
        self.until("document.readyState === 'complete'")
        self.settle()

    @contextmanager
    def before(self, script: str) -> Iterator[None]:
        """Run a script in every page before its own."""
        added = self._call("Page.addScriptToEvaluateOnNewDocument", source=script)
        yield
        self._call("Page.removeScriptToEvaluateOnNewDocument", **added)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression, a promise's when it is kept."""
        done = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def until(self, script: str) -> None:
        """Wait for an expression to become true."""
        eventually(lambda: self.run(script), script)

    def settle(self) -> None:
        """Wait for two frames to be drawn."""
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def picture(self, selector: str | None = None) -> NDArray[np.uint8]:
        """(h, w, 3): the page from top to bottom, or one of its elements."""
        selector = selector or "html"
        box = self.run(
            f"(r => [r.x + scrollX, r.y + scrollY, r.width, r.height])"
            f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())"
        )
        clip = dict(zip(("x", "y", "width", "height"), box, strict=True)) | {"scale": 1}
        shot = self._call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        with Image.open(io.BytesIO(base64.b64decode(shot["data"]))) as image:
            return np.asarray(image.convert("RGB"))

    def drag(self, selector: str, by: tuple[int, int]) -> None:
        """Press the mouse in the middle of an element, move it `by` so many pixels, and let go."""
        query = json.dumps(selector)
        self.run(f"document.querySelector({query}).scrollIntoView({{block: 'center'}})")
        x, y = self.run(
            f"(r => [r.x + r.width / 2, r.y + r.height / 2])"
            f"(document.querySelector({query}).getBoundingClientRect())"
        )
        mouse = "Input.dispatchMouseEvent"
        self._call(mouse, type="mousePressed", x=x, y=y, button="left", buttons=1, clickCount=1)
        for share in (0.5, 1.0):
            at = {"x": x + share * by[0], "y": y + share * by[1]}
            self._call(mouse, type="mouseMoved", **at, button="left", buttons=1)
        self._call(mouse, type="mouseReleased", **at, button="left", buttons=0, clickCount=1)
        self.settle()

    def click(self, selector: str) -> None:
        self.run(f"document.querySelector({json.dumps(selector)}).click()")
        self.settle()

    def choose(self, selector: str, text: str) -> None:
        """Choose the option with this text."""
        self.run(
            f"(s => {{ s.value = [...s.options].find(o => o.text === {json.dumps(text)}).value;"
            f" s.dispatchEvent(new Event('input')) }})(document.querySelector({json.dumps(selector)}))"
        )
        self.settle()

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._count:
                assert "error" not in answer, answer
                return answer["result"]
            self._hear(answer.get("method", ""), answer.get("params", {}))

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            assert select.select([self._in], [], [], PATIENCE)[0], "the browser says nothing"
            part = self._in.read1(1 << 20)
            assert part, "the browser has gone"
            self._rest += part
        first, _, self._rest = self._rest.partition(b"\0")
        return json.loads(first)

    def _hear(self, event: str, more: dict[str, Any]) -> None:
        if event == "Runtime.consoleAPICalled":
            self.said.append(f"{more['type']}: {[part.get('value') for part in more['args']]}")
        elif event == "Runtime.exceptionThrown":
            self.said.append(json.dumps(more["exceptionDetails"]))
        elif event == "Log.entryAdded":
            self.said.append(f"{more['entry']['level']}: {more['entry']['text']}")
        elif event == "Network.requestWillBeSent":
            self.asked.append(more["request"]["url"])
        elif event == "Network.loadingFailed":
            self.said.append(f"not loaded: {more.get('errorText')}")


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """A browser with its files in the new folder `profile`."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    assert program, f"no browser: install chromium (bash tools/test does), one of {', '.join(NAMES)}"
    to_browser, of_us = os.pipe()
    to_us, of_browser = os.pipe()
    # It looks for its pipe at 3 and 4, where the ends may not lie yet: out of the way first.
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_browser, of_browser)]
    placed = ["bash", "-c", f'exec "$@" 3<&{ends[0]} 4>&{ends[1]}', "bash"]
    process = subprocess.Popen(
        [*placed, program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=ends,
    )
    for end in (to_browser, of_browser, *ends):
        os.close(end)
    try:
        browser = Browser(of_us, to_us)
        yield browser
        browser.close()
        process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait()
