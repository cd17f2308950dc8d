"""What became of the files of a command."""

import dataclasses

_REASONS_SHOWN = 5


@dataclasses.dataclass(kw_only=True)
class Report:
    """What became of the files.

    Args:
        written: int, files that were written.
        pixels: int, of their images.
        compressed_bytes: int, of their `.vqz` files.
        skipped: list of `(name, reason)`, files that were passed over.
    """

    written: int = 0
    pixels: int = 0
    compressed_bytes: int = 0
    skipped: list[tuple[str, str]] = dataclasses.field(default_factory=list)

    def add(self, size, compressed_bytes):
        """Counts a file that was written, of an image of `(height, width)`."""
        self.written += 1
        self.pixels += size[0] * size[1]
        self.compressed_bytes += compressed_bytes

    def __str__(self):
        bits = 8 * self.compressed_bytes / max(1, self.pixels)
        lines = [
            f"{self.written} images of {self.pixels:,} pixels, "
            f"{self.compressed_bytes:,} bytes compressed, {bits:.3f} bits a pixel"
        ]
        if self.skipped:
            lines.append(f"skipped {len(self.skipped)} files")
        shown = self.skipped[:_REASONS_SHOWN]
        lines += [f"  {name}: {reason}" for name, reason in shown]
        if len(self.skipped) > len(shown):
            lines.append(f"  and {len(self.skipped) - len(shown)} more")
        return "\n".join(lines)
