import pathlib
import re
import tarfile

import numpy as np
import pytest
from PIL import Image

from tests.helpers.pictures import SIZES
from vqzoo import compress, datasets, decompress
from vqzoo.codec import CodecError, batch, command, container
from vqzoo.runs import files as training_files


def all_of(items, total):
    """A progress that shows nothing, and counts."""
    items = list(items)
    assert len(items) == total
    return items


def paths_in(folder):
    return sorted(
        p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()
    )


@pytest.fixture
def folder(tmp_path, pictures):
    """A folder of images, of which two cannot be read, and of something else."""
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    for index, picture in enumerate(pictures):
        place = folder / "deep" if index % 2 else folder
        Image.fromarray(picture).save(place / f"{index}.png")
    Image.fromarray(pictures[0]).save(folder / "0.jpg", quality=95)
    (folder / "broken.png").write_bytes((folder / "0.png").read_bytes()[:60])
    (folder / "deep" / "empty.jpg").write_bytes(b"")
    (folder / "notes.txt").write_text("no image")
    return folder


def test_a_folder_goes_there_and_back(codec, folder, tmp_path, pictures, monkeypatch):
    monkeypatch.setattr(batch, "_FILES_AT_ONCE", 2)
    there, back = tmp_path / "there", tmp_path / "back"
    report = batch.compress(codec, folder, there, progress=all_of, mode="raw")
    expected = ["0.jpg", "0.png", "2.png", "4.png", "deep/1.png", "deep/3.png"]
    assert paths_in(there) == [f"{name}.vqz" for name in expected]
    assert sorted(name for name, _ in report.skipped) == [
        "broken.png",
        "deep/empty.jpg",
    ]
    assert report.written == 6
    pixels = sum(height * width for height, width in (*SIZES, SIZES[0]))
    size = sum(path.stat().st_size for path in there.rglob("*.vqz"))
    assert (report.pixels, report.compressed_bytes) == (pixels, size)
    lines = str(report).splitlines()
    assert lines[0].endswith(
        f"{size:,} bytes compressed, {8 * size / pixels:.3f} bits per pixel"
    )
    assert lines[1] == "skipped 2 files" and len(lines) == 4

    (there / "deep" / "1.png.vqz").write_bytes(b"\x93VQZ")
    report = batch.decompress(codec, there, back, progress=all_of)
    assert paths_in(back) == ["0.jpg.png", "0.png", "2.png", "4.png", "deep/3.png"]
    assert [name for name, _ in report.skipped] == ["deep/1.png.vqz"]
    with Image.open(back / "2.png") as image:
        (expected,) = codec.decompress(codec.compress([pictures[2]], mode="raw"))
        assert np.array_equal(np.asarray(image), expected)


def test_two_files_of_one_name_are_not_written_over_each_other(codec, files, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("x.vqz", "x.png.vqz"):
        (tmp_path / "in" / name).write_bytes(files["raw"][1])
    source, target = tmp_path / "in", tmp_path / "out"
    report = batch.decompress(codec, source, target, progress=all_of)
    assert paths_in(target) == ["x.png"] and report.written == 1
    assert report.skipped == [("x.vqz", "another file has the result x.png")]


def test_an_archive_is_read_without_unpacking(codec, folder, tmp_path):
    with tarfile.open(tmp_path / "in.tar", "w") as archive:
        archive.add(folder / "0.png", "../outside.png")
        archive.add(folder / "0.png", "./in/inside.png")
    source, target = tmp_path / "in.tar", tmp_path / "there"
    report = batch.compress(codec, source, target, progress=all_of)
    assert paths_in(target) == ["in/inside.png.vqz"]
    assert [name for name, _ in report.skipped] == ["../outside.png"]


def test_deep_images_have_the_range_of_all_and_it_is_said(codec, tmp_path):
    ramp = np.linspace(0, 4095, 16 * 16).reshape(16, 16).astype(np.uint16)
    (tmp_path / "in").mkdir()
    Image.fromarray(ramp).save(tmp_path / "in" / "bright.png")
    Image.fromarray(ramp // 8).save(tmp_path / "in" / "dark.png")
    report = batch.compress(codec, tmp_path / "in", tmp_path / "out", progress=all_of)
    assert "  2 images: values from 0 to 4,095 became 8 bits" in str(report)
    for name, scaled in (("bright", ramp), ("dark", ramp // 8)):
        levels = np.rint(scaled * (255 / 4095)).astype(np.uint8)
        (expected,) = codec.compress([np.stack([levels] * 3, axis=-1)])
        assert (tmp_path / "out" / f"{name}.png.vqz").read_bytes() == expected


def test_bands_that_the_model_does_not_have_are_a_reason(codec, tmp_path):
    import tifffile

    bands = np.zeros((16, 16, 13), np.uint8)
    path, target = tmp_path / "a.tif", tmp_path / "a.vqz"
    tifffile.imwrite(path, bands, photometric="minisblack")
    with pytest.raises(CodecError, match="16 pages of 16 x 13"):
        batch.compress(codec, path, target, progress=all_of)
    tifffile.imwrite(path, bands, photometric="minisblack", planarconfig="contig")
    with pytest.raises(CodecError, match="13 channels for images of 13"):
        batch.compress(codec, path, target, progress=all_of)


def test_one_file_goes_there_and_back(codec, folder, tmp_path, pictures):
    file = tmp_path / "new" / "one.vqz"
    batch.compress(codec, folder / "2.png", file, progress=all_of, mode="raw")
    assert file.read_bytes() == codec.compress([pictures[2]], mode="raw")[0]
    for suffix in ("png", "bmp", "webp", "jpg"):
        image = tmp_path / f"one.{suffix}"
        batch.decompress(codec, file, image, progress=all_of)
        with Image.open(image) as found:
            assert found.size == SIZES[2][::-1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda c, f, t: batch.compress(
                c, f / "broken.png", t / "x.vqz", progress=all_of
            ),
            "broken.png: ",
        ),
        (
            lambda c, f, t: batch.compress(
                c, f / "0.png", t / "x.png", progress=all_of
            ),
            "ends in .vqz, received .*x.png",
        ),
        (
            lambda c, f, t: batch.compress(c, t / "x", t / "y", progress=all_of),
            "files of .jpg .* received none",
        ),
        (
            lambda c, f, t: batch.decompress(
                c, f / "0.png", t / "x.png", progress=all_of
            ),
            "0.png: expected a .vqz file",
        ),
        (
            lambda c, f, t: batch.decompress(
                c, f / "0.png", t / "x.txt", progress=all_of
            ),
            "suffix of an image format",
        ),
    ],
)
def test_one_file_that_cannot_be_taken_is_an_error(
    codec, folder, tmp_path, call, message
):
    (tmp_path / "x").mkdir()
    before = paths_in(tmp_path)
    with pytest.raises(CodecError, match=message):
        call(codec, folder, tmp_path)
    assert paths_in(tmp_path) == before


def test_a_file_that_is_too_long_is_not_read(codec, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "MAX_FILE_BYTES", 10)
    monkeypatch.setattr(pathlib.Path, "read_bytes", None)
    with pytest.raises(CodecError, match="too large"):
        batch.decompress(codec, folder / "0.png", tmp_path / "x.png", progress=all_of)


def test_an_image_that_is_too_large_is_skipped(codec, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(container, "MAX_PIXELS", 1000)
    report = batch.compress(codec, folder, tmp_path / "there", progress=all_of)
    assert report.written == 5
    assert any("received 50 x 37" in reason for _, reason in report.skipped)


def test_a_write_that_fails_leaves_the_old_file(codec, folder, tmp_path, monkeypatch):
    file = tmp_path / "one.vqz"
    file.write_bytes(b"old")

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(training_files.os, "replace", full)
    with pytest.raises(training_files.RunError, match="No space left"):
        batch.compress(codec, folder / "2.png", file, progress=all_of)
    assert file.read_bytes() == b"old"
    assert paths_in(tmp_path)[-1] == "one.vqz"


@pytest.fixture
def commands(codec, monkeypatch):
    monkeypatch.setattr(command, "load", lambda folder, counts: codec)


def test_the_command_lines_go_there_and_back(commands, codec, folder, tmp_path, capsys):
    file, image = str(tmp_path / "one.vqz"), str(tmp_path / "one.png")
    arguments = [
        str(folder / "2.png"),
        file,
        "--model=m",
        "--mode=prior",
        "--class=dog",
    ]
    assert compress.main(["compress", *arguments]) == 0
    assert "1 images of 1,850 pixels" in capsys.readouterr().out
    found = container.unpack(pathlib.Path(file).read_bytes())
    assert (found.mode, found.label) == ("prior", 1)
    assert decompress.main(["decompress", file, image, "--model=m"]) == 0
    with Image.open(image) as found:
        assert found.size == (50, 37)
    arguments = [str(folder / "2.png"), file, "--model=m", "--tiers=top", "--mode=raw"]
    assert compress.main(["compress", *arguments]) == 0
    assert container.unpack(pathlib.Path(file).read_bytes()).tiers == (0,)


@pytest.mark.parametrize(
    ("main", "arguments", "code", "text"),
    [
        (compress.main, ["a", "b"], 2, "--model=FOLDER"),
        (
            compress.main,
            ["a", "--model=m"],
            2,
            "expected IN and OUT, received \\['a'\\]",
        ),
        (compress.main, ["a", "b", "--quality=3"], 2, "quality"),
        (compress.main, ["nothing.png", "b.vqz", "--model=m"], 1, "nothing.png"),
        (
            compress.main,
            [__file__, "b.vqz", "--model=m", "--class=lion"],
            1,
            "cat, dog",
        ),
        (compress.main, [__file__, "b.vqz", "--model=m"], 1, "test_batch.py: "),
        (decompress.main, ["a", "b.png", "--mode=raw"], 2, "mode"),
        (decompress.main, ["nothing.vqz", "b.png", "--model=m"], 1, "nothing.vqz"),
    ],
)
def test_a_wrong_command_line_says_why(commands, main, arguments, code, text, capsys):
    assert main(["program", *arguments]) == code
    assert re.search(text, capsys.readouterr().err)


@pytest.mark.parametrize("main", [compress.main, decompress.main])
def test_help_says_what_it_does(main, capsys):
    assert main(["program", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "`vqzoo " in shown and "--model" in shown


def test_a_folder_of_nothing_but_damaged_files_is_a_failure(commands, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.vqz").write_bytes(b"x")
    arguments = [str(tmp_path / "in"), str(tmp_path / "out"), "--model=m"]
    assert decompress.main(["decompress", *arguments]) == 1
    assert "skipped 1 files" in capsys.readouterr().out


def test_the_committed_artifact_takes_a_photograph_there_and_back(tmp_path):
    artifact = pathlib.Path(__file__).parents[2] / "export" / "vqvae2_noisy"
    images, _ = datasets.load("photos").test.arrays()
    picture = np.rint((images[0] + 0.5) * 255).astype("uint8")[:, :50]
    Image.fromarray(picture).save(tmp_path / "in.png")
    file = tmp_path / "out.vqz"
    arguments = [str(tmp_path / "in.png"), str(file), f"--model={artifact}"]
    assert compress.main(["compress", *arguments]) == 0
    # Codes of 16 x 14 and 32 x 28 places as indices, and a header.
    assert file.stat().st_size <= (16 * 14 + 32 * 28) * 9 / 8 + 27
    arguments = [str(file), str(tmp_path / "out.png"), f"--model={artifact}"]
    assert decompress.main(["decompress", *arguments]) == 0
    with Image.open(tmp_path / "out.png") as found:
        error = np.square(np.asarray(found) - picture.astype(float)).mean()
    assert 10 * np.log10(255**2 / error) > 25


def test_what_a_folder_has_already_is_passed_over(codec, tmp_path, pictures):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a", "b"):
        Image.fromarray(pictures[0]).save(folder / f"{name}.png")
    originals = (folder / "a.png").read_bytes()
    options = {"progress": all_of, "mode": "raw"}
    assert batch.compress(codec, folder, folder, **options).written == 2
    report = batch.decompress(codec, folder, folder, progress=all_of)
    assert report.written == 0 and len(report.skipped) == 2
    assert "exists: --overwrite replaces it" in report.skipped[0][1]
    assert (folder / "a.png").read_bytes() == originals
    (folder / "b.png.vqz").unlink()
    assert batch.compress(codec, folder, folder, **options).written == 1
    report = batch.decompress(codec, folder, folder, progress=all_of, overwrite=True)
    assert report.written == 2 and (folder / "a.png").read_bytes() != originals


def test_a_name_that_cannot_be_written_is_counted_and_the_batch_goes_on(
    codec, tmp_path, pictures
):
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "below").mkdir()
    longest, too_long = "a" * 247 + ".png", "b" * 249 + ".png"
    for name in (longest, too_long, "0.png", "1.png", "2.png", "below/3.png"):
        Image.fromarray(pictures[0]).save(source / name)
    (target / "0.png.vqz").mkdir(parents=True)
    (target / "1.png.vqz" / "x").mkdir(parents=True)
    (target / "below").write_text("a file")
    options = {"progress": all_of, "mode": "raw", "overwrite": True}
    report = batch.compress(codec, source, target, **options)
    assert report.written == 2
    assert (target / f"{longest}.vqz").is_file() and (target / "2.png.vqz").is_file()
    reasons = dict(report.skipped)
    assert sorted(reasons) == ["0.png", "1.png", too_long, "below/3.png"]
    assert "Is a directory" in reasons["0.png"]
    assert "File name too long" in reasons[too_long]
    assert f"skipped {len(reasons)} files" in str(report)
    with pytest.raises(training_files.RunError, match="Is a directory"):
        batch.compress(codec, source / "2.png", target / "0.png.vqz", **options)
