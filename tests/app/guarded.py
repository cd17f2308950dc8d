"""Runs the page's command and writes down what it must not do: leave this machine, or
write outside of the folder for temporary files.

    python guarded.py REPORT [flags of vqzoo.app]
"""

import os
import sys
import tempfile

LOOPBACK = {"127.0.0.1", "localhost", "::1", "", None}
INSIDE = os.path.realpath(tempfile.gettempdir())
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def forbidden(event, arguments):
    """What is wrong with an event, or None."""
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        if isinstance(address, tuple) and address[0] not in LOOPBACK:
            return f"{event} {address}"
    if event == "socket.getaddrinfo" and arguments[0] not in LOOPBACK:
        return f"{event} {arguments[0]}"
    if event == "open":
        path, _, mode = arguments
        if isinstance(path, str | bytes) and mode & WRITING:
            return _outside(event, os.fsdecode(path))
    if event == "os.mkdir":
        return _outside(event, os.fsdecode(arguments[0]))
    if event == "os.rename":
        return _outside(event, os.fsdecode(arguments[1]))
    return None


def _outside(event, path):
    path = os.path.realpath(path)
    if path == INSIDE or path.startswith((INSIDE + os.sep, "/dev/")):
        return None
    return f"{event} {path}"


def main(report, arguments):
    """Watches the command from before its first import on."""
    busy = []

    def watch(event, arguments):
        if busy:
            return
        found = forbidden(event, arguments)
        if found:
            busy.append(event)
            with open(report, "a") as file:
                file.write(found + "\n")
            busy.clear()

    open(report, "w").close()
    sys.addaudithook(watch)
    from vqzoo.app.__main__ import main

    sys.exit(main(["vqzoo.app", *arguments]))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
