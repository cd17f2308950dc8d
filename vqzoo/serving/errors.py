"""What can go wrong between a client and a server, and what is tried again."""

import random
import time

FIRST_WAIT, LONGEST_WAIT = 0.1, 2.0  # seconds


class ServingError(RuntimeError):
    """A request that was not answered.

    Args:
        code: str, the status by its gRPC name, such as `"INVALID_ARGUMENT"`.
        reason: str, what the server said, or what happened on the way to it.
        asked: str, what was asked of whom.
    """

    def __init__(self, code, reason, asked=""):
        super().__init__(f"{asked}: {code}: {reason}" if asked else f"{code}: {reason}")
        self.code = code
        self.reason = reason


def retrying(call, asked, timeout, retries):
    """What `call` returns, called again while the server is not to be had.

    Args:
        call: function of the seconds that are left, which raises `ServingError`. Only
            `UNAVAILABLE` is tried again: nobody listens, or the server's queue is full.
        asked: str, for the message of an error.
        timeout: float, seconds for all attempts together.
        retries: int, attempts after the first.

    Raises:
        ServingError: the last one, or DEADLINE_EXCEEDED.
    """
    ends = time.monotonic() + timeout
    attempt = 0
    while True:
        try:
            return call(max(ends - time.monotonic(), 1e-3))
        except ServingError as error:
            wait = min(FIRST_WAIT * 2**attempt, LONGEST_WAIT) * random.uniform(0.5, 1)
            late = time.monotonic() + wait >= ends
            if error.code != "UNAVAILABLE" or attempt >= retries or late:
                raise ServingError(error.code, error.reason, asked) from error
        time.sleep(wait)
        attempt += 1
