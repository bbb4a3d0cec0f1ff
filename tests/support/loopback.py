"""An HTTP server of this process, for what is fetched from elsewhere."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Loopback:
    """An HTTP server on 127.0.0.1 that misbehaves as it is told.

    files: path -> body.
    cuts: bytes after which the connection is closed, one for each of the next answers; None: never.
    statuses: answers with these codes come first.
    ranges, etag, headers: whether Range is honoured, a version, further headers.
    stall: bytes after which an answer goes on only when this is None again.
    asked: (path, Range or None) of each request.
    sent: bytes of bodies, by path.
    """

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.cuts: list[int | None] = []
        self.statuses: list[int] = []
        self.ranges, self.etag = True, ""
        self.stall: int | None = None
        self.headers: dict[str, str] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.sent: dict[str, int] = {}
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                owner.answer(self)

            def log_message(self, *details):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{name}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        name, wanted = handler.path.lstrip("/"), handler.headers["Range"]
        self.asked.append((name, wanted))
        if self.statuses or name not in self.files:
            handler.send_error(self.statuses.pop(0) if self.statuses else 404)
            return
        body, start = self.files[name], 0
        version = handler.headers["If-Range"]
        if wanted and self.ranges and version in (None, self.etag):
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                handler.send_response(416)
                handler.send_header("Content-Range", f"bytes */{len(body)}")
                handler.end_headers()
                return
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            handler.send_response(200)
        handler.send_header("Content-Length", str(len(body) - start))
        if self.etag:
            handler.send_header("ETag", self.etag)
        for key, value in self.headers.items():
            handler.send_header(key, value)
        handler.end_headers()
        cut = self.cuts.pop(0) if self.cuts else None
        self._send(handler, name, body[start:] if cut is None else body[start : start + cut])

    def _send(self, handler: BaseHTTPRequestHandler, name: str, body: bytes) -> None:
        try:
            for first in range(0, len(body), 4096):
                handler.wfile.write(body[first : first + 4096])
                self.sent[name] = self.sent.get(name, 0) + len(body[first : first + 4096])
                while self.stall is not None and first >= self.stall:
                    time.sleep(0.01)
        except OSError:  # the other side has gone
            handler.close_connection = True
