"""The page of a search that runs, served on this machine alone, and always of the newest files in the folder."""

from __future__ import annotations

import html
import importlib.resources
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from string import Template
from typing import TYPE_CHECKING, Any

from shac.errors import DamagedFileError
from shac.html_report.page import Live, page_of, plotly_script
from shac.insight import entries_since, files_state, view_of

if TYPE_CHECKING:
    from pathlib import Path

    from shac.insight import SearchView

__all__ = ["LivePage", "server_of"]

_HOST = "127.0.0.1"


class LivePage:
    """The page of a folder that a search may be writing, made anew when its files have changed.

    Parameters
    ----------
    folder : Path
        It need not hold a search yet.
    title : str, optional
        Heading; the folder's name by default.
    """

    def __init__(self, folder: Path, title: str | None = None) -> None:
        self._folder = folder
        self._title = title
        self._lock = threading.Lock()
        self._rounds = ""
        self._view: SearchView | None = None
        self._page: tuple[str, str] = ("", "")

    def state(self) -> str:
        """Return what changes when there is something new."""
        return files_state(self._folder)

    def html(self) -> str:
        """Return the page."""
        with self._lock:
            state = self.state()
            if self._page[0] != state:
                self._page = state, self._made(state)
            return self._page[1]

    def _made(self, state: str) -> str:
        rounds = state.split(" ", maxsplit=1)[0]
        try:
            if self._view is None or self._rounds != rounds:  # the region is computed once a round
                self._view, self._rounds = view_of(self._folder), rounds
        except (FileNotFoundError, DamagedFileError) as error:  # it may be about to be written
            if self._view is None:
                return self._waiting(state, str(error))
        view = self._view
        assert view is not None
        return page_of(view, title=self._title, live=Live(state, entries_since(self._folder, len(view.dataset))))

    def _waiting(self, state: str, reason: str) -> str:
        files = importlib.resources.files("shac.html_report")
        return Template((files / "waiting.html").read_text(encoding="utf-8")).substitute(
            title=html.escape(self._title or str(self._folder)),
            style=(files / "page.css").read_text(encoding="utf-8"),
            script=(files / "page.js").read_text(encoding="utf-8"),
            state=html.escape(state),
            reason=html.escape(reason),
        )


def server_of(folder: Path, *, port: int = 0, title: str | None = None) -> ThreadingHTTPServer:
    """Make a server of a folder's page, for this machine alone.

    Parameters
    ----------
    folder : Path
        See `LivePage`.
    port : int, default 0
        Of 127.0.0.1; 0 for a free one.
    title : str, optional

    Returns
    -------
    http.server.ThreadingHTTPServer
        Its `serve_forever` is to be called; ``server_port`` is the port.

    Raises
    ------
    ImportError
        If plotly is not installed.
    OSError
        If the port is taken.
    """
    page = LivePage(folder, title)
    script = plotly_script()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # A page of another site whose name leads here must not read it
            if self.headers.get("Host", "").rpartition(":")[0] not in (_HOST, "localhost"):
                self.send_error(HTTPStatus.FORBIDDEN)
            elif self.path == "/":
                self._send(page.html(), "text/html; charset=utf-8")
            elif self.path == "/state":
                self._send(page.state(), "text/plain; charset=utf-8")
            elif self.path == "/plotly.js":
                self._send(script, "text/javascript; charset=utf-8", cache="max-age=3600")
            else:
                self.send_error(HTTPStatus.NOT_FOUND)

        def _send(self, text: str, kind: str, *, cache: str = "no-store") -> None:
            data = text.encode()
            self.send_response(HTTPStatus.OK)
            for name, value in (("Content-Type", kind), ("Content-Length", str(len(data))), ("Cache-Control", cache)):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments: Any) -> None:
            """Say nothing of each request."""

    server = ThreadingHTTPServer((_HOST, port), Handler)
    server.daemon_threads = True
    return server
