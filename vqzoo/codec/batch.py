"""Files through the codec: one, or all of a folder, a few at a time."""

import collections
import dataclasses
import errno
import io
import itertools
import pathlib

from PIL import Image

from vqzoo.codec.codec import Codec
from vqzoo.codec.container import (
    MAX_FILE_BYTES,
    MAX_PIXELS,
    CodecError,
    check_size,
    unpack,
)
from vqzoo.datasets import archives, ranges, reading
from vqzoo.datasets.images import SUFFIXES, UnreadableImageError
from vqzoo.datasets.pixels import color, to_channels
from vqzoo.runs.files import RunError, replacing, writing

SUFFIX = ".vqz"
_FILES_AT_ONCE, _PIXELS_AT_ONCE = 64, 2**23
_REASONS_SHOWN = 5
# What the system says of a name that nothing can be written to, where others can.
_OF_A_NAME = (errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EEXIST)


@dataclasses.dataclass(kw_only=True)
class Report:
    """What became of the files.

    Args:
        written: int, files that were written.
        pixels: int, of their images.
        compressed_bytes: int, of their `.vqz` files.
        skipped: list of `(name, reason)`, files that were passed over.
        lost: counts of images by what a file of theirs does not keep.
    """

    written: int = 0
    pixels: int = 0
    compressed_bytes: int = 0
    skipped: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    lost: collections.Counter = dataclasses.field(default_factory=collections.Counter)

    def add(self, size, compressed_bytes):
        """Counts a file that was written, of an image of `(height, width)`."""
        self.written += 1
        self.pixels += size[0] * size[1]
        self.compressed_bytes += compressed_bytes

    def __str__(self):
        bits = 8 * self.compressed_bytes / max(1, self.pixels)
        lines = [
            f"{self.written} images of {self.pixels:,} pixels, "
            f"{self.compressed_bytes:,} bytes compressed, {bits:.3f} bits per pixel"
        ]
        lines += [f"  {count} images: {what}" for what, count in self.lost.items()]
        if self.skipped:
            lines.append(f"skipped {len(self.skipped)} files")
        shown = self.skipped[:_REASONS_SHOWN]
        lines += [f"  {name}: {reason}" for name, reason in shown]
        if len(self.skipped) > len(shown):
            lines.append(f"  and {len(self.skipped) - len(shown)} more")
        return "\n".join(lines)


def compress(
    codec: Codec,
    source,
    target,
    *,
    progress,
    overwrite=False,
    value_range=(),
    **options,
):
    """Compresses an image file, or all images of a folder or an archive.

    Args:
        codec: `Codec`.
        source: path.
        target: path of the `.vqz` file, or of the folder that gets one for each image,
            named as the image with `.vqz` behind it.
        progress: function of an iterable and its length that gives the same items.
        overwrite: bool. Whether to replace files that exist already; otherwise they are
            skipped.
        value_range: two numbers, the values that become black and white. Defaults, for
            images of more than 8 bits, to the range of all that are compressed.
        **options: of `Codec.compress`.

    Returns:
        `Report`.

    Raises:
        CodecError: if there is no image, or the only one cannot be compressed.
    """
    jobs = _Jobs(source, target, SUFFIXES, lambda name: f"{name}{SUFFIX}", overwrite)
    if jobs.single and pathlib.Path(target).suffix != SUFFIX:
        raise CodecError(f"expected a name that ends in {SUFFIX}, received {target}")
    pictures = _Pictures(codec.model.image_shape[2], tuple(value_range), jobs.report)
    for group in jobs.groups(pictures, lambda picture: picture.shape[:2], progress):
        files = codec.compress([job.value for job in group], **options)
        for job, data in zip(group, files):
            jobs.write(job, data, job.value.shape[:2], len(data))
    return jobs.finished()


def decompress(codec: Codec, source, target, *, progress, overwrite=False):
    """Brings back the image of a `.vqz` file, or of all in a folder or an archive.

    Args:
        codec: `Codec`.
        source: path.
        target: path of the image, whose suffix says its format; or of the folder that
            gets a PNG for each file.
        progress: function of an iterable and its length that gives the same items.
        overwrite: bool, as in `compress`.

    Returns:
        `Report`.

    Raises:
        CodecError: if there is no file, or the only one is refused.
    """
    jobs = _Jobs(source, target, [SUFFIX], _image_name, overwrite)
    if jobs.single:
        _format(pathlib.Path(target))
    for group in jobs.groups(_file, _size_of_file, progress):
        pictures = codec.decompress([job.value for job in group])
        for job, picture in zip(group, pictures):
            if isinstance(picture, CodecError):
                jobs.report.skipped.append((job.name, str(picture)))
                continue
            data = _encoded(picture, job.path)
            jobs.write(job, data, picture.shape[:2], len(job.value))
    return jobs.finished()


@dataclasses.dataclass(frozen=True)
class _Job:
    name: str
    path: pathlib.Path
    value: object


class _Jobs:
    """The files that are to be read, and where each result goes."""

    def __init__(self, source, target, suffixes, name_of_result, overwrite):
        self._source, self._target = pathlib.Path(source), pathlib.Path(target)
        is_archive = self._source.name.lower().endswith(archives.ARCHIVE_SUFFIXES)
        self.single = not (self._source.is_dir() or is_archive)
        self._name_of_result = name_of_result
        self._overwrite = overwrite
        self.report = Report()
        self._names = [self._source.name]
        if not self.single:
            endings = tuple(suffixes)
            names = archives.list_files(
                self._source,
                lambda reason, name: self.report.skipped.append((name, reason)),
            )
            self._names = [name for name in names if name.lower().endswith(endings)]
        if not self._names:
            raise CodecError(
                f"expected files of {' '.join(suffixes)} in {source}, received none"
            )

    def groups(self, read, size, progress):
        """Lists of `_Job` that are taken together; files that fail are skipped.

        Args:
            read: function from the bytes of a file to a value, or to None: it is asked
                again once it has seen all files and was told so by its `settle`.
            size: function from a value to the `(height, width)` of its image.
            progress: function of an iterable and its length.
        """
        group, pixels, taken, later = [], 0, set(), []
        contents = progress(self._contents(self._names), len(self._names))
        for name, content in itertools.chain(contents, self._again(later, read)):
            path = self._path(name)
            try:
                if path in taken:
                    raise CodecError(f"another file has the result {path.name}")
                if not (self.single or self._overwrite) and path.exists():
                    raise CodecError(f"{path} exists: --overwrite replaces it")
                if content is None:
                    raise CodecError("cannot be read, or is too large")
                value = read(content)
                if value is None:
                    later.append(name)
                    continue
                height, width = size(value)
                check_size(width, height)
            except (CodecError, UnreadableImageError, OSError) as error:
                # The system does not look for a name that is too long.
                self.report.skipped.append((name, str(error)))
                continue
            if (
                len(group) == _FILES_AT_ONCE
                or pixels + height * width > _PIXELS_AT_ONCE
            ):
                yield from [group] if group else []
                group, pixels = [], 0
            group.append(_Job(name, path, value))
            taken.add(path)
            pixels += height * width
        if group:
            yield group

    def write(self, job, data, size, compressed_bytes):
        """Writes the result of a file, of an image of `(height, width)`.

        Raises:
            RunError: if nothing can be written there; what is the fault of one name
                alone is skipped, where there are several.
        """
        try:
            with writing(job.path.parent):
                job.path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(job.path) as aside:
                aside.write_bytes(data)
        except RunError as error:
            if self.single or error.__cause__.errno not in _OF_A_NAME:
                raise
            self.report.skipped.append((job.name, str(error)))
        else:
            self.report.add(size, compressed_bytes)

    def _again(self, names, read):
        """What `_contents` gives, of names that are not known before it is asked."""
        if names:
            read.settle()
            yield from self._contents(names)

    def _contents(self, names):
        if not self.single:
            return archives.read_files(self._source, names)
        too_long = self._source.stat().st_size > MAX_FILE_BYTES
        return [(self._source.name, None if too_long else self._source.read_bytes())]

    def _path(self, name):
        if self.single:
            return self._target
        return self._target / self._name_of_result(name)

    def finished(self):
        """The report.

        Raises:
            CodecError: if there was one file alone, and it was skipped.
        """
        if self.single and self.report.skipped:
            name, reason = self.report.skipped[0]
            raise CodecError(f"{name}: {reason}")
        return self.report


class _Pictures:
    """From the bytes of image files to pixels with the channels of a model.

    Images of more than 8 bits are scaled by the range of all of them, which is known
    once each was seen: before that they give None.
    """

    def __init__(self, channels, value_range, report):
        self._channels = channels
        self._ranges = None
        if value_range:
            self._ranges = dict.fromkeys(("uint8", "int", "float"), value_range)
        self._extents = []
        self._report = report

    def __call__(self, content):
        picture = reading.read(content, max_pixels=MAX_PIXELS)[0]
        if picture.is_deep and self._ranges is None:
            self._extents.append(picture.extent)
            return None
        try:
            value_range = (self._ranges or {}).get(picture.kind)
            levels = picture.levels(value_range)
            pixels = to_channels(color(levels), self._channels)
        except ValueError as error:
            raise CodecError(str(error)) from error
        self._report.lost.update(picture.notes)
        if picture.is_deep:
            low, high = value_range
            what = f"values from {low:,g} to {high:,g} became 8 bits"
            self._report.lost[what] += 1
        return pixels

    def settle(self):
        """Takes the range of all images that were seen."""
        self._ranges = ranges.of_kinds(self._extents)


def _file(content):
    unpack(content)
    return content


def _size_of_file(content):
    file = unpack(content)
    return file.height, file.width


def _image_name(name):
    name = name[: -len(SUFFIX)]
    return name if name.lower().endswith(".png") else f"{name}.png"


def _format(path):
    """Pillow's name of the format that the suffix of a path means."""
    formats = Image.registered_extensions()
    name = formats.get(path.suffix.lower())
    if name not in Image.SAVE:
        raise CodecError(
            f"expected the suffix of an image format such as .png, received {path}"
        )
    return name


def _encoded(picture, path):
    if picture.shape[2] == 1:
        picture = picture[..., 0]
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, _format(path))
    return buffer.getvalue()
