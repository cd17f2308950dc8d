"""What the processors of this machine have used, where the system lets it be read."""

import contextlib
import pathlib

FOLDER = pathlib.Path("/sys/class/powercap")
_COUNTER, _RANGE = "energy_uj", "max_energy_range_uj"


class Meter:
    """Joules of all processor packages since the last reading: RAPL of Intel and AMD.

    It counts whoever computes on them; GPUs and the rest of the machine it does not.

    Args:
        folder: `pathlib.Path` of Linux's powercap.
    """

    def __init__(self, folder=FOLDER):
        # A package is `intel-rapl:0`; its parts, `intel-rapl:0:1`, are in it.
        self.packages = [
            path for path in sorted(folder.glob("*rapl:*")) if path.name.count(":") == 1
        ]
        self.last = self._counters()

    def _counters(self):
        """Microjoules of each package, which start anew at a limit; None if unread."""
        with contextlib.suppress(OSError, ValueError):
            return [int((path / _COUNTER).read_text()) for path in self.packages]

    def joules(self):
        """Joules since the last call, or since it was made: float, or None."""
        before, self.last = self.last, self._counters()
        if not before or not self.last:
            return None
        used = 0
        for path, start, end in zip(self.packages, before, self.last):
            used += end - start
            if end < start:
                used += int((path / _RANGE).read_text())
        return used / 1e6
