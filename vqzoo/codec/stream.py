"""Streams of decisions: a range coder over the fixed table of probabilities.

The range coder is constriction's, a queue of 32-bit words; a stream ends without its
zero bytes, which a reader adds again.
"""

import numpy as np

from vqzoo.codec.container import CodecError
from vqzoo.codec.decisions import (
    LARGEST_STEP,
    STEPS_PER_NAT,
    is_ambiguous,
    rounded,
)

_PRECISION = 2**24  # of a probability in constriction
_WORDS_AFTER = 2  # zero words that a reader may take past the end


def probabilities():
    """Probability of a 1 at each step from -LARGEST_STEP on: multiples of 2**-24."""
    steps = np.arange(-LARGEST_STEP, LARGEST_STEP + 1)
    return np.rint(_PRECISION / (1 + np.exp(-steps / STEPS_PER_NAT))) / _PRECISION


_PROBABILITIES = probabilities()


def constriction():
    """The package constriction.

    Raises:
        CodecError: if it is not installed.
    """
    try:
        import constriction as package
    except ImportError as error:
        raise CodecError(
            "expected the package constriction, which is not installed: pip install "
            "'vqzoo[codec]'"
        ) from error
    return package.stream


class Writer:
    """Writes decisions.

    `corrections` holds the decisions that another machine might round otherwise.
    """

    def __init__(self):
        stream = constriction()
        self._encoder = stream.queue.RangeEncoder()
        self._bernoulli = stream.model.Bernoulli(perfect=False)
        self._count = 0
        self.corrections = []

    def put(self, values, bits):
        """Writes bits, int32 of any shape, with the odds of their values."""
        values, bits = np.ravel(values), np.ravel(bits)
        steps = rounded(values)
        for place in np.flatnonzero(is_ambiguous(values, steps)):
            position = self._count + int(place)
            self.corrections.append((position, int(steps[place] & 1)))
        self._count += len(bits)
        self._encoder.encode(bits, self._bernoulli, _probability(steps))

    def payload(self, least_bytes):
        """The bytes of all that was written, at least so many."""
        words = self._encoder.get_compressed().astype("<u4")
        return words.tobytes().rstrip(b"\0").ljust(least_bytes, b"\0")


class Reader:
    """Reads what a `Writer` wrote.

    Bytes that no writer wrote give some bits, or `failed` and zeros from there on.

    Args:
        payload: bytes.
        corrections: sequence of `(position, bit)`, positions rising.
    """

    def __init__(self, payload, corrections=()):
        stream = constriction()
        missing = -len(payload) % 4 + 4 * _WORDS_AFTER
        words = np.frombuffer(payload + bytes(missing), "<u4").astype("uint32")
        self._decoder = stream.queue.RangeDecoder(words)
        self._bernoulli = stream.model.Bernoulli(perfect=False)
        self._corrections = list(corrections)[::-1]
        self._count = 0
        self.failed = False

    def read(self, values, steps=None):
        """The next bits: int32 of the shape of the values.

        Args:
            values: float64 `(n,)`.
            steps: what `rounded` makes of them, where that is known already.
        """
        steps = rounded(values) if steps is None else steps
        end = self._count + len(values)
        if self._corrections and self._corrections[-1][0] < end:
            steps = self._corrected(values, steps.copy(), end)
        self._count = end
        if self.failed:
            return np.zeros(len(values), "int32")
        try:
            return self._decoder.decode(self._bernoulli, _probability(steps))
        except AssertionError:
            self.failed = True
            return np.zeros(len(values), "int32")

    def _corrected(self, values, steps, end):
        while self._corrections and self._corrections[-1][0] < end:
            position, bit = self._corrections.pop()
            place = position - self._count
            if steps[place] & 1 != bit:
                steps[place] += 1 if values[place] > steps[place] else -1
        return steps


def _probability(steps):
    return _PROBABILITIES[np.clip(steps, -LARGEST_STEP, LARGEST_STEP) + LARGEST_STEP]
