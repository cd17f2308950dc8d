import dataclasses
import os

import keras
import numpy as np
import pytest

from tests.helpers.case import FEW_CHANNELS
from tests.helpers.pictures import SIZES
from tests.helpers.pipelines import sure_pipeline
from tests.helpers.small_models import model_of
from vqzoo.codec import Codec, CodecError, container, load
from vqzoo.layers import (
    LookupFreeQuantizer,
    ProjectedLatents,
    ResidualQuantizer,
    VectorQuantizerEMA,
)
from vqzoo.models import HQA, VQVAE, Autoencoder
from vqzoo.priors import MaskGIT
from vqzoo.priors.pipeline import Pipeline
from vqzoo.trained import TrainedError

MODES = ("raw", "unigram", "prior")


def same(found, expected):
    return all(
        np.array_equal(a, b) for x, y in zip(found, expected) for a, b in zip(x, y)
    )


@pytest.mark.parametrize("mode", MODES)
def test_codes_of_images_of_any_size_come_back(codec, pictures, files, mode):
    assert same(codec.files.read(files[mode]), codec.encode(pictures))
    assert {container.unpack(file).mode for file in files[mode]} == {mode}


@pytest.mark.parametrize("mode", MODES)
def test_images_come_back_in_their_size_as_the_model_rebuilds_them(
    codec, drawn, pictures, files, mode
):
    found = codec.decompress(files[mode])
    assert [picture.shape for picture in found] == [(*size, 3) for size in SIZES]
    assert all(picture.dtype == np.uint8 for picture in found)
    image = pictures[0][None] / np.float32(255) - np.float32(0.5)
    rebuilt = np.asarray(drawn.model.decode(drawn.model.encode(image)))
    levels = np.clip(np.rint((rebuilt[0] + 0.5) * 255), 0, 255)
    assert np.abs(found[0].astype(int) - levels).max() <= 1


def test_a_file_alone_and_in_company_are_alike(codec, pictures, files):
    for mode in MODES:
        assert codec.compress(pictures[2:3], mode=mode) == files[mode][2:3]
        (picture,) = codec.decompress(files[mode][2:3])
        assert np.array_equal(picture, codec.decompress(files[mode])[2])


def test_auto_takes_priors_and_raw_where_that_is_smaller(codec, files, pictures):
    found = codec.compress(pictures)
    for index, data in enumerate(found):
        mode = container.unpack(data).mode
        assert data == files[mode][index]
        assert len(data) <= len(files["prior"][index])


def test_the_class_is_kept_and_changes_the_bits(codec, pictures):
    by_label = [codec.compress(pictures, mode="prior", label=label) for label in (0, 1)]
    labels = [[container.unpack(f).label for f in files] for files in by_label]
    assert labels == [[0] * len(SIZES), [1] * len(SIZES)]
    payloads = [[container.unpack(f).payload for f in files] for files in by_label]
    assert payloads[0] != payloads[1]
    assert same(codec.files.read(by_label[1]), codec.files.read(by_label[0]))


def test_a_tier_alone_can_be_kept(codec, pictures):
    files = codec.compress(pictures, tiers=["top"], mode="prior")
    found = codec.files.read(files)
    for (top, nothing), (expected, _) in zip(found, codec.encode(pictures)):
        assert nothing is None and np.array_equal(top, expected)
    found = codec.decompress(files)
    assert [picture.shape[:2] for picture in found] == list(SIZES)
    image = pictures[0][None] / np.float32(255) - np.float32(0.5)
    model = codec.model
    expected = np.asarray(model.decode((model.encode(image)[0], None)))[0]
    levels = np.clip(np.rint((expected + 0.5) * 255), 0, 255)
    assert np.abs(found[0].astype(int) - levels).max() <= 1


def test_tiers_that_the_decoder_does_not_look_at_are_left_out(pictures):
    keras.utils.set_random_seed(0)
    tiers = [VectorQuantizerEMA(16, 4, codebook_init="random_normal") for _ in range(2)]
    codec = Codec(HQA(tiers, image_shape=(16, 16, 3), **FEW_CHANNELS))
    files = codec.compress(pictures)
    assert {container.unpack(data).tiers for data in files} == {(1,)}
    everything = codec.compress(pictures, tiers=codec.model.tier_names)
    for found, expected in zip(codec.decompress(files), codec.decompress(everything)):
        assert np.array_equal(found, expected)


def test_gray_images_and_gray_models(codec):
    gray = np.random.default_rng(0).integers(0, 256, (20, 16, 1)).astype("uint8")
    (found,) = codec.decompress(codec.compress([gray], mode="raw"))
    assert found.shape == (20, 16, 3)
    keras.utils.set_random_seed(0)
    quantizer = VectorQuantizerEMA(8, 4, codebook_init="random_normal")
    of_gray = Codec(VQVAE(quantizer, image_shape=(16, 16, 1), num_channels=8))
    (found,) = of_gray.decompress(of_gray.compress([np.repeat(gray, 3, axis=2)]))
    assert found.shape == (20, 16, 1)


def test_files_of_another_model_or_other_priors_are_refused(codec, drawn, files):
    other = Codec(model_of(seed=1))
    for error in other.files.read(files["raw"]):
        assert isinstance(error, CodecError)
        assert "expected a file of the model" in str(error)
    others = Codec(drawn.model, Pipeline(drawn.model, sure_pipeline(seed=2).priors))
    assert same(others.files.read(files["raw"]), codec.files.read(files["raw"]))
    assert "of the priors" in str(others.decompress(files["prior"])[0])
    without = Codec(drawn.model)
    assert without.modes == ("raw", "unigram")
    assert r"priors (none), received" in str(without.files.read(files["prior"])[0])


def test_a_unigram_begins_with_the_counts_of_a_collection(codec, drawn, pictures):
    grids = codec.encode(pictures)
    counts = {
        name: np.bincount(
            np.concatenate([image[tier].ravel() for image in grids]),
            minlength=layer.num_embeddings,
        )
        for tier, (name, layer) in enumerate(
            zip(drawn.model.tier_names, drawn.model.quantizers)
        )
    }
    small = [picture[:16, :16] for picture in pictures]  # Little is learned of one.
    before = codec.compress(small, mode="unigram")
    counted = Codec(drawn.model, drawn, counts)
    files = counted.compress(small, mode="unigram")
    assert sum(map(len, files)) <= sum(map(len, before))
    assert same(counted.files.read(files), codec.files.read(before))
    for other, data in ((codec, files), (counted, before)):
        assert all("or of other counts" in str(e) for e in other.files.read(data))
    for mode in ("raw", "prior"):  # They do not depend on counts.
        assert counted.compress(small, mode=mode) == codec.compress(small, mode=mode)


def test_one_bad_file_leaves_the_others_alone(codec, files, pictures):
    for mode in MODES:
        damaged = bytearray(files[mode][1])
        damaged[-5] ^= 1
        mixed = [files[mode][0], bytes(damaged), b"", *files[mode][2:]]
        found = codec.decompress(mixed)
        assert [isinstance(each, CodecError) for each in found[:4]] == [0, 1, 1, 0]
        assert found[3].shape == pictures[2].shape


def changed(data, **fields):
    return container.pack(dataclasses.replace(container.unpack(data), **fields))


@pytest.mark.parametrize(
    ("mode", "fields", "message"),
    [
        ("raw", {"payload": b"\1"}, "expected other codes: the file is altered"),
        ("unigram", {"checksum": 0}, "expected other codes"),
        ("prior", {"checksum": 0}, "expected other codes"),
        ("prior", {"label": 2}, "a class among 2.*label=2"),
        ("prior", {"label": None}, "a class among 2.*label=None"),
        ("raw", {"label": 0}, "a class among 0.*label=0"),
        ("raw", {"tiers": (0, 2)}, r"2 tiers, received tiers=\(0, 2\)"),
        ("prior", {"tiers": (1,)}, "all tiers above"),
        ("raw", {"tiers": ()}, "tiers among top, bottom"),
        ("prior", {"height": 65535}, "at least 640 bytes of codes .*16 x 65535"),
    ],
)
def test_a_sound_file_that_no_codec_wrote_is_refused(
    codec, files, mode, fields, message
):
    (found,) = codec.decompress([changed(files[mode][0], **fields)])
    assert isinstance(found, CodecError)
    with pytest.raises(CodecError, match=message):
        raise found


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "fast"}, "one of the modes auto, raw, .* received mode='fast'"),
        ({"tiers": ["middle"]}, "tiers among top, bottom, received tiers='middle'"),
        ({"tiers": ["bottom"]}, "all tiers above"),
        ({"label": 2}, "a class among 2"),
        ({"label": -1}, "a class among 2.*label=-1"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_value(codec, pictures, options, message):
    with pytest.raises(CodecError, match=message):
        codec.compress(pictures, **options)


def test_priors_without_a_likelihood_leave_the_other_modes(drawn, pictures):
    settings = {"num_layers": 1, "num_channels": 4, "num_heads": 1}
    masked = [MaskGIT((2, 2), 8, **settings), MaskGIT((4, 4), 16, **settings)]
    codec = Codec(drawn.model, Pipeline(drawn.model, masked))
    assert codec.modes == ("raw", "unigram")
    with pytest.raises(CodecError, match="there is no autoregressive prior"):
        codec.compress(pictures, mode="prior")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Autoencoder(image_shape=(16, 16, 3)), "with codes.*Autoencoder"),
        (
            lambda: VQVAE(
                ResidualQuantizer([VectorQuantizerEMA(8, 4) for _ in range(2)]),
                image_shape=(16, 16, 3),
            ),
            "one code for each latent.*ResidualQuantizer in the bottom tier",
        ),
        (
            lambda: VQVAE(
                ProjectedLatents(VectorQuantizerEMA(8, 4)), image_shape=(16, 16, 3)
            ),
            "nothing beside it, received ProjectedLatents",
        ),
        (
            lambda: VQVAE(LookupFreeQuantizer(21), image_shape=(16, 16, 3)),
            "at most 1,048,576 codes in a codebook, received 2,097,152",
        ),
    ],
)
def test_a_model_that_it_cannot_take_is_refused(make, message):
    with pytest.raises(CodecError, match=message):
        Codec(make())


def test_an_image_that_is_too_large_is_refused(codec):
    huge = np.broadcast_to(np.uint8(0), (70_000, 1, 3))
    with pytest.raises(CodecError, match="received 1 x 70000"):
        codec.compress([huge])


ELSEWHERE = """
import pathlib
import sys
import numpy as np
from vqzoo.codec import load

folder = pathlib.Path(sys.argv[1])
codec = load(folder / "artifact")
files = [path.read_bytes() for path in sorted(folder.glob("*.vqz"))]
for index, grids in enumerate(codec.files.read(files)):
    np.savez(folder / f"{index}.npz", *grids)
"""


@pytest.mark.slow
def test_a_process_of_other_settings_reads_the_same_codes(
    codec, drawn, pictures, files, tmp_path, run_python, monkeypatch
):
    drawn.save(tmp_path / "artifact")
    for index, data in enumerate(files["prior"]):
        (tmp_path / f"{index}.vqz").write_bytes(data)
    script = tmp_path / "elsewhere.py"
    script.write_text(ELSEWHERE)
    for name, value in (
        ("TF_ENABLE_ONEDNN_OPTS", "0"),
        ("TF_NUM_INTRAOP_THREADS", str(1 + os.cpu_count())),
        ("TF_NUM_INTEROP_THREADS", "1"),
    ):
        monkeypatch.setenv(name, value)
    run_python(script, tmp_path, backend="tensorflow")
    for index, expected in enumerate(codec.encode(pictures)):
        with np.load(tmp_path / f"{index}.npz") as found:
            assert same([[found["arr_0"], found["arr_1"]]], [expected])


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(TrainedError, match="without model.keras"):
        load(tmp_path)
    (tmp_path / "model.keras").write_bytes(b"nothing")
    with pytest.raises(TrainedError, match="does not load in safe mode"):
        load(tmp_path)


def test_priors_of_another_model_are_refused(drawn, tmp_path):
    drawn.save(tmp_path)
    model_of(seed=1).save(tmp_path / "model.keras")
    with pytest.raises(TrainedError, match="expected the model whose codes"):
        load(tmp_path)
