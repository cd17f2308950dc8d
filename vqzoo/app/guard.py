"""Who may ask the explorer's server what: requests of strangers, before they are read.

A page of another site that is open in the same browser can send requests here, and a
name that its owner points to this machine makes them look like the page's own. Files
belong to the browser whose page showed them.
"""

import collections
import contextlib
import ipaddress
import json
import platform
import re
import secrets
import urllib.parse

COOKIE = "vqzoo"
_LARGEST = 2**20  # bytes of a request that uploads nothing
_BROWSERS, _KEPT = 1024, 4096  # that are known, and files and pages of each
_API = "/gradio_api/"
# What the page itself asks for. The rest of Gradio's server, such as its proxy, is not
# for others either.
_PAGE = ("/config", "/theme.css", "/manifest.json", "/favicon.ico", "/robots.txt")
_FOLDERS = ("/static/", "/assets/", "/svelte/")
_OF_API = (
    "app_id",
    "cancel",
    "heartbeat/",
    "info",
    "queue/",
    "reset",
    "startup-events",
    "theme.css",
    "upload",
    "user",
)
_PATH = re.compile(rb'"path":\s*("(?:[^"\\]|\\.)*")')


class Guard:
    """ASGI middleware that answers what it does not let through.

    Args:
        app: the application.
        host: str, the address that is listened on.
        largest: int, bytes of an upload.
    """

    def __init__(self, app, host, largest):
        self._app = app
        self._names = {"localhost", host.lower(), platform.node().lower()}
        self._largest = largest
        self._browsers = collections.OrderedDict()  # what each was shown, the last last

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        known = re.search(
            rf"(?:^|; ?){COOKIE}=([\w-]{{43}})", headers.get("cookie", "")
        )
        browser = known[1] if known else secrets.token_urlsafe(32)
        shown = self._shown_to(browser)
        refusal = self._refusal(scope, headers, shown)
        if not refusal:
            session, receive = await _session(scope, receive)
            refusal = self._refusal_of_session(session, shown)
        if refusal:
            await _answer(send, *refusal)
            return
        await self._app(
            scope, receive, _watched(send, shown, None if known else browser)
        )

    def _shown_to(self, browser):
        shown = self._browsers.setdefault(browser, collections.OrderedDict())
        self._browsers.move_to_end(browser)
        if len(self._browsers) > _BROWSERS:
            self._browsers.popitem(last=False)
        return shown

    def _refusal(self, scope, headers, shown):
        """Status and reason, or None for a request that is let through."""
        host = headers.get("host", "")
        if not self._is_ours(host):
            return 421, f"this page is not served as {host!r}"
        origin = headers.get("origin")
        if origin is not None and urllib.parse.urlsplit(origin).netloc != host:
            return 403, "requests from other sites are refused"
        path, method = scope["path"], scope["method"]
        if method not in ("GET", "HEAD", "POST") or not _is_known(path):
            return 404, "there is no such page"
        if method == "POST":
            largest = self._largest if path == f"{_API}upload" else _LARGEST
            length = headers.get("content-length", "")
            if not length.isdigit():
                return 411, "a request must state its length"
            if int(length) > largest:
                return 413, f"expected at most {largest:,} bytes, received {length}"
        if path.startswith(f"{_API}file=") and path[len(f"{_API}file=") :] not in shown:
            return 403, "this file was not shown to this browser"
        return None

    def _refusal_of_session(self, session, shown):
        """Whether the session of a page is another browser's: its answers are too."""
        key = f"session {session}"
        if session and key not in shown:
            if any(key in other for other in self._browsers.values()):
                return 403, "this is the session of another browser"
            _keep(shown, key)
        return None

    def _is_ours(self, host):
        """Whether a Host header is no name that a stranger could have pointed here."""
        name = urllib.parse.urlsplit(f"//{host}").hostname or ""
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _is_known(path):
    if path in ("/", *_PAGE) or path.startswith(_FOLDERS):
        return True
    name = path.removeprefix(_API)
    return name != path and name.startswith(("file=", *_OF_API))


async def _session(scope, receive):
    """The session that a request names, or "", and what receives it once more."""
    path = scope["path"]
    if path.startswith(f"{_API}heartbeat/"):
        return path.rpartition("/")[2], receive
    query = urllib.parse.parse_qs(scope.get("query_string", b"").decode("latin-1"))
    session = query.get("session_hash", [""])[0]
    if session or scope["method"] != "POST" or path == f"{_API}upload":
        return session, receive
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    with contextlib.suppress(ValueError, RecursionError):
        named = json.loads(body)
        if isinstance(named, dict):
            session = str(named.get("session_hash") or "")
    whole = [{"type": "http.request", "body": body, "more_body": False}]

    async def again():
        return whole.pop() if whole else await receive()

    return session, again


def _keep(shown, value):
    shown[value] = None
    if len(shown) > _KEPT:
        shown.popitem(last=False)


def _watched(send, shown, cookie):
    """Notes the files that an answer names, and gives a new browser its cookie."""
    kinds = {}

    async def watched(message):
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            kinds.update({k.lower(): v for k, v in headers})
            if cookie is not None:
                value = f"{COOKIE}={cookie}; Path=/; HttpOnly; SameSite=Strict"
                headers.append((b"set-cookie", value.encode()))
            message = {**message, "headers": headers}
        elif kinds.get(b"content-type", b"").startswith(
            (b"text/", b"application/json")
        ):
            for path in _paths(message.get("body", b"")):
                _keep(shown, path)
        await send(message)

    return watched


def _paths(body):
    """The files that a part of an answer names."""
    for path in _PATH.findall(body):
        yield json.loads(path)
    if body.startswith(b"["):  # the answer to an upload
        yield from (path for path in json.loads(body) if isinstance(path, str))


async def _answer(send, status, reason):
    body = reason.encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
