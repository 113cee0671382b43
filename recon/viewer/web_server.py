"""viser, started on one address, and refusing the pages of other sites."""

import errno
import functools
import ipaddress
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from recon.errors import MissingLibraryError, UsageError

LOOPBACK, FIRST_PORT, MAX_PORT = "127.0.0.1", 8080, 65_535
PORTS_TRIED = 100  # if none is asked for
# Seconds that a browser may take to say what it wants, and goodbye.
PATIENCE: dict[str, Any] = {"open_timeout": 3.0, "close_timeout": 0.3}


def import_viser() -> Any:
    """Viser. Raises MissingLibraryError if it is not installed."""
    try:
        import viser
    except ModuleNotFoundError as error:
        raise MissingLibraryError(
            f"the view in a browser needs viser ({error}): bash tools/setup web, or pip install viser"
        ) from None
    return viser


def started(host: str, port: int | None) -> Any:
    """A running `viser.ViserServer`; without a port, the first free one from 8080 on.

    Raises UsageError for an address that is not this machine's or a port in use, MissingLibraryError without
    viser.
    """
    viser = import_viser()
    import rich  # by which viser prints

    port = _free_port(host, port)
    rich.reconfigure(quiet=True)  # else stdout would have a banner
    logging.getLogger("websockets").setLevel(logging.WARNING)  # it tells of each connection
    with _guarded(host):
        server = viser.ViserServer(host, port, label="recon", verbose=False)
    server.request_share_url = lambda *_, **__: None  # whoever sees the page could have it shown to the world
    return server


def addresses(host: str, port: int) -> list[str]:
    """Where browsers find a server: at its address; if that is any, here and by the machine's name."""
    if not _is_any(host):
        return [f"http://{_bracketed(host)}:{port}"]
    return [f"http://{LOOPBACK}:{port}", f"http://{socket.gethostname()}:{port}"]


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    return host == "localhost" or (_is_number(host) and ipaddress.ip_address(host).is_loopback)


def _is_any(host: str) -> bool:
    return host in ("", "0.0.0.0", "::")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _free_port(host: str, wanted: int | None) -> int:
    """The port asked for, or the first free one. viser would take another silently, whatever is wrong."""
    ports = range(FIRST_PORT, FIRST_PORT + PORTS_TRIED) if wanted is None else [wanted]
    for port in ports:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, kind, protocol) as trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.bind(address)
                return int(trial.getsockname()[1])
        except socket.gaierror as error:
            reason = str(error.strerror)
            break
        except OSError as error:
            reason = str(error.strerror)
            if error.errno == errno.EADDRNOTAVAIL:
                break
    else:
        which = f"port {wanted}" if wanted is not None else f"every port from {ports[0]} to {ports[-1]}"
        raise UsageError(f"{which} of {host} cannot be used ({reason}): give another with --port")
    raise UsageError(
        f"--host {host} is no address of this machine ({reason}): "
        f"{LOOPBACK} is for this machine alone, 0.0.0.0 for all who reach it"
    )


@contextmanager
def _guarded(host: str) -> Iterator[None]:
    """Have the server that is started meanwhile refuse requests that other sites' pages send.

    A browser lets any page connect to any address, this machine's too; the page would see what is shown.
    viser does not look where a request comes from, so its answer to each is put behind that question.
    """
    import websockets.asyncio.server as sockets

    serve, guarded = sockets.serve, False

    @functools.wraps(serve)
    def serve_own(handler: Any, *address: Any, process_request: Any, **options: Any) -> Any:
        nonlocal guarded
        guarded = True

        def answer(connection: Any, request: Any) -> Any:
            if not is_own(request.headers.get("Origin"), request.headers.get("Host"), host):
                return connection.respond(HTTPStatus.FORBIDDEN, "not from this page\n")
            return process_request(connection, request)

        return serve(handler, *address, process_request=answer, **options | PATIENCE)

    sockets.serve = serve_own  # type: ignore[misc, assignment]
    try:
        yield
    finally:
        sockets.serve = serve  # type: ignore[misc]
    assert guarded, "viser starts its server in another way"


def is_own(origin: str | None, asked: str | None, host: str) -> bool:
    """Whether a request may come from the page itself.

    Args:
        origin: the site whose page sends it; None where the browser opens the page.
        asked: the host that it names. A site's owner can let a name of his point to this machine: so it has
            to be a number, or one of this machine's names.
        host: the address that the server was given.
    """
    try:
        named = urlsplit(f"//{asked or ''}").hostname or ""
        own = origin is None or urlsplit(origin).netloc == asked
    except ValueError:
        return False
    machine = socket.gethostname().lower()
    return own and (named in ("localhost", host, machine, f"{machine}.local") or _is_number(named))


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
