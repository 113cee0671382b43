"""The page for browsers, in a real one."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import pytest
import trimesh
import viser
from browser import Browser, chromium
from numpy.typing import NDArray
from PIL import Image
from waiting import PATIENCE, eventually
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from recon.cli.main import main
from recon.errors import UsageError
from recon.geometry import Mesh
from recon.meshing.files import write_mesh
from recon.render.camera import corners, fitted, usual_view
from recon.render.ray_casting import mask
from recon.viewer.scene import Scene
from recon.viewer.stage import Stage
from recon.viewer.web import WebPage
from recon.viewer.web_server import addresses, is_own, started

CONTROL = """((name) => {
    const labels = [...document.querySelectorAll('label')];
    return document.getElementById(labels.find(label => label.innerText.trim() === name).htmlFor);
})"""


def cone(size: float = 1.0) -> Mesh:
    shape = trimesh.creation.cone(radius=size, height=2.0 * size)
    return Mesh(shape.vertices, shape.faces, values={"depth": shape.vertices[:, 2]})


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture
def page(tmp_path: Path) -> Iterator[WebPage]:
    """Of a cone, then of a ball, which follows its files."""
    write_mesh(cone(), tmp_path / "cone.ply")
    ball = trimesh.creation.icosphere(subdivisions=3)
    write_mesh(Mesh(ball.vertices + 5e6, ball.faces), tmp_path / "round.ply")
    served, ended = WebPage(Stage(Scene([tmp_path])), "127.0.0.1", 0), threading.Event()
    following = threading.Thread(target=served.serve, args=(ended,))
    following.start()
    yield served
    ended.set()
    following.join()
    served.close()


def seen(browser: Browser) -> NDArray[np.uint8]:
    """(h, w, 3): what is drawn in three dimensions."""
    return browser.picture("canvas")


def shown(browser: Browser) -> NDArray[np.bool_]:
    """(h, w): where it is neither white nor in the shadow of the panel."""
    return (seen(browser) < 230).any(2)


def opened(browser: Browser, page: WebPage) -> None:
    """Open the page, without the notes that lie over it, and wait for its first picture."""
    with browser.before(
        "addEventListener('load', () => document.head.insertAdjacentHTML('beforeend',"
        "'<style>.mantine-Notifications-root { display: none }</style>'))"
    ):
        browser.open(page.addresses[0], 640, 320)
    width = "document.querySelector('canvas').clientWidth"
    browser.until(f"{width} < innerWidth - 320")  # the panel has come in from the side
    eventually(lambda: shown(browser).mean(), "the cone", lambda share: share > 0.05)


def click(browser: Browser, name: str) -> None:
    """Switch a box."""
    browser.run(f"{CONTROL}({json.dumps(name)}).click()")


def press(browser: Browser, name: str) -> None:
    """Press a button."""
    buttons = "[...document.querySelectorAll('button')]"
    browser.run(f"{buttons}.find(button => button.innerText === {json.dumps(name)}).click()")


@pytest.mark.slow
def test_a_browser_shows_what_rays_meet(browser: Browser, page: WebPage) -> None:
    opened(browser, page)
    height, width = shown(browser).shape
    press(browser, "Reset the view")
    wanted = mask(cone(), fitted(corners(cone()), (width, height), *usual_view(cone())))

    def overlap() -> float:
        found = shown(browser)
        return float((found & wanted).sum() / (found | wanted).sum())

    eventually(overlap, "the cone, in the whole page", lambda share: share > 0.95)
    picture = seen(browser)
    assert picture[shown(browser)].std() > 5  # light and shade
    blue = picture[shown(browser)].astype(int)
    assert (blue[:, 2] > blue[:, 0]).mean() > 0.95
    assert not [line for line in browser.said if line.startswith("error")]
    assert all(address.startswith((page.addresses[0], "data:", "blob:")) for address in browser.asked)


@pytest.mark.slow
def test_what_one_browser_asks_for_all_show(browser: Browser, page: WebPage, tmp_path: Path) -> None:
    opened(browser, page)
    whole = shown(browser).mean()
    with chromium(tmp_path / "other") as other:
        opened(other, page)
        click(browser, "mesh")
        for each in (browser, other):
            eventually(lambda: shown(each).mean(), "nothing", lambda share: share < 1e-3)  # noqa: B023
        assert not page.stage.on["mesh"]
        click(other, "wireframe")
        for each in (browser, other):
            eventually(lambda: shown(each).mean(), "edges", lambda share: 1e-3 < share < 0.8 * whole)  # noqa: B023


@pytest.mark.slow
def test_pages_are_turned_and_files_followed(browser: Browser, page: WebPage, tmp_path: Path) -> None:
    opened(browser, page)
    cone_seen = shown(browser)
    smaller = tmp_path / "next.ply"
    write_mesh(cone(0.5), smaller)
    smaller.replace(tmp_path / "cone.ply")
    eventually(
        lambda: shown(browser).sum() / cone_seen.sum(), "a smaller one", lambda share: 0.15 < share < 0.4
    )
    press(browser, "next")
    browser.until("document.body.innerText.includes('round.ply (2 of 2)')")

    def roundness() -> float:
        rows, columns = np.nonzero(shown(browser))
        return float(np.ptp(rows) / max(np.ptp(columns), 1)) if len(rows) else 0.0

    eventually(roundness, "the ball, far from the origin", lambda ratio: 0.93 < ratio < 1.07)


@pytest.mark.slow
def test_colours_have_their_legend_in_a_saved_picture(
    browser: Browser, page: WebPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(browser, page)
    (client,) = eventually(page.server.get_clients, "a browser").values()
    saved: list[bytes] = []
    monkeypatch.setattr(type(client), "send_file_download", lambda _, name, content: saved.append(content))
    with page.lock:
        page.colors.value = page.stage.mode = "depth"
        page.refresh()
    purple = (68, 1, 84)  # the lower end of viridis

    def foot() -> bool:
        return bool((np.abs(seen(browser).astype(int) - purple).max(2) < 60).sum() > 50)

    eventually(foot, "the colour of the depth's lower end")
    press(browser, "Save a picture")
    eventually(lambda: saved, "a picture")
    with Image.open(io.BytesIO(saved[0])) as image:
        picture = np.asarray(image.convert("RGB"))
    height, width = shown(browser).shape
    assert picture.shape[0] == height and picture.shape[1] > width + 40
    assert (picture[:, width:] < 128).any() and (picture[0, 0] == 255).all()


@pytest.mark.slow
def test_names_and_errors_are_text(browser: Browser, tmp_path: Path) -> None:
    """No Markdown, no HTML, no script."""
    name = "*a* {1 + 1} <img src=x onerror=document.title='taken'>.ply"
    write_mesh(cone(), tmp_path / name)
    (tmp_path / "worse.ply").write_bytes(b"ply <b>")
    with closing(WebPage(Stage(Scene([tmp_path])), "127.0.0.1", 0)) as page:
        opened(browser, page)
        browser.until(f"document.body.innerText.includes({json.dumps(name)})")
        press(browser, "next")
        browser.until("document.body.innerText.includes('worse.ply')")
        assert browser.run("document.title") != "taken"


def test_nobody_has_it_shown_to_the_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a browser asks for: viser knows a service for that."""
    tunnels, answers = list[object](), list[object]()
    monkeypatch.setattr("viser._viser.ViserTunnel", lambda *given, **named: tunnels.append(given))
    server = started("127.0.0.1", 0)
    share, address = server.request_share_url, f"127.0.0.1:{server.get_port()}"
    server.request_share_url = lambda: answers.append(share())
    try:
        version = f"viser-v{viser.__version__}"
        with connect(f"ws://{address}", origin=f"http://{address}", subprotocols=[version]) as client:
            client.send(msgspec.msgpack.encode({"type": "ShareUrlRequest"}))
            eventually(lambda: answers or tunnels, "an answer")
    finally:
        server.stop()
    assert answers == [None] and not tunnels


def test_without_viser_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_mesh(cone(), tmp_path / "cone.ply")
    monkeypatch.setitem(sys.modules, "viser", None)
    assert main(["view", "--web", str(tmp_path / "cone.ply")]) == 1
    assert "bash tools/setup web" in capsys.readouterr().err


def test_other_sites_pages_are_refused() -> None:
    server = started("127.0.0.1", 0)
    port = server.get_port()
    try:
        for origin, status in (
            (f"http://127.0.0.1:{port}", None),
            ("http://evil.example", 403),
            ("null", 403),
        ):
            try:
                connect(f"ws://127.0.0.1:{port}", origin=origin, subprotocols=["viser-v0"]).close()
                assert status is None
            except InvalidStatus as error:
                assert error.response.status_code == status
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("origin", "asked", "host", "own"),
    [
        (None, "127.0.0.1:8080", "127.0.0.1", True),
        ("http://localhost:9000", "localhost:9000", "127.0.0.1", True),  # by a tunnel
        ("http://[::1]:8080", "[::1]:8080", "::1", True),
        ("http://192.168.0.7:8080", "192.168.0.7:8080", "0.0.0.0", True),
        ("http://127.0.0.1:8081", "127.0.0.1:8080", "127.0.0.1", False),
        ("http://evil.example:8080", "evil.example:8080", "127.0.0.1", False),  # its name points here
        ("http://evil.example:8080", "evil.example:8080", "0.0.0.0", False),
        (None, "evil.example", "0.0.0.0", False),
        (None, None, "127.0.0.1", False),
        ("http://[", "[", "127.0.0.1", False),
    ],
)
def test_whose_page_a_request_is(origin: str | None, asked: str | None, host: str, own: bool) -> None:
    assert is_own(origin, asked, host) is own


def test_addresses_that_are_taken_or_not_ours_are_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            UsageError, match=rf"port {port} of 127\.0\.0\.1 cannot be used \(Address already"
        ):
            started("127.0.0.1", port)
    with pytest.raises(UsageError, match=r"--host 192\.0\.2\.1 is no address of this machine"):
        started("192.0.2.1", None)
    assert addresses("::1", 80) == ["http://[::1]:80"]
    assert addresses("0.0.0.0", 80) == ["http://127.0.0.1:80", f"http://{socket.gethostname()}:80"]


def test_options_that_do_not_go_together_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_mesh(cone(), tmp_path / "cone.ply")
    for words, said in (
        (["--port", "0"], "--host and --port are for --web"),
        (["--web", "--screenshot", str(tmp_path / "p.png")], "--web is a view of its own"),
    ):
        assert main(["view", str(tmp_path / "cone.ply"), *words]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_says_where_and_ends_with_ctrl_c(tmp_path: Path, root: Path) -> None:
    write_mesh(cone(), tmp_path / "cone.ply")
    with subprocess.Popen(
        [sys.executable, "-m", "recon", "view", "--web", "--port", "0", str(tmp_path / "cone.ply")],
        env={**os.environ, "PYTHONPATH": str(root)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr
        watchdog = threading.Timer(PATIENCE, process.kill)
        watchdog.start()
        line = process.stderr.readline()
        assert line.startswith("open http://127.0.0.1:") and "Ctrl-C" in line
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=PATIENCE)
        watchdog.cancel()
    assert (process.returncode, out, error) == (0, "", "")
