"""How much the file of a stranger may make of itself before it is refused.

A few bytes can unpack to any number. Sizes that a head claims are held against these
bounds before anything is read, and what says no size is counted while it is read.
"""

import dataclasses

_BYTES_A_PIXEL = 8  # of an image while it is decoded, at most
_ADVICE = ": --max_bytes raises the bound"
_PILLOWS = 89_000_000  # of pixels
_LEAST_ARCHIVE, _RATIO = 4, 64  # images hardly compress further


class BoundError(ValueError):
    """A file that claims or holds more than is allowed."""

    def __init__(self, what, received, advice=""):
        super().__init__(f"expected {what}, received {received:,}{advice}")


@dataclasses.dataclass
class Bounds:
    """What is allowed.

    Args:
        bytes: int, of a file when it is unpacked, and of an image while it is decoded.
    """

    bytes: int = 2**28

    @property
    def pixels(self) -> int:
        """Of an image."""
        return self.bytes // _BYTES_A_PIXEL

    def allow(self, size: int) -> None:
        """Sets the bound, to which Pillow's own gives way."""
        self.bytes = size
        if self.pixels > _PILLOWS:
            from PIL import Image

            Image.MAX_IMAGE_PIXELS = self.pixels

    def check_file(self, size: int, name: str) -> None:
        """Raises BoundError if a file would unpack to too many bytes."""
        if size > self.bytes:
            raise BoundError(f"at most {self.bytes:,} bytes of {name}", size, _ADVICE)

    def check_archive(self, size: int, stored: int, name: str) -> None:
        """Raises BoundError if an archive would unpack to far more than it stores."""
        most = max(_LEAST_ARCHIVE * self.bytes, _RATIO * stored)
        if size > most:
            raise BoundError(
                f"at most {most:,} bytes unpacked from {name}", size, _ADVICE
            )


BOUNDS = Bounds()
