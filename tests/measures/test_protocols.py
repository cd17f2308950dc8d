import types

import numpy as np
import pytest

from tests.helpers import subject as small
from tests.helpers.small_models import model_of
from vqzoo.measures import inception, protocols
from vqzoo.measures.judge import Classifier

FREE = {"resize": "crop", "num_images": 0, "num_samples": 0, "quick": False}


def flags(**given):
    return types.SimpleNamespace(**{"protocol": "clean_fid_1k", **FREE, **given})


def test_a_protocol_fixes_flags_and_refuses_others():
    values = protocols.applied(flags())
    assert (values.num_images, values.num_samples, values.resize) == (
        1000,
        1000,
        "crop",
    )
    assert protocols.applied(flags(num_images=1000)).num_images == 1000
    many = protocols.applied(flags(protocol="pytorch_fid_50k"))
    assert (many.num_images, many.num_samples) == (10_000, 50_000)
    free = flags(protocol="", num_images=7)
    assert protocols.applied(free) is free
    for name, value in (("num_images", 500), ("quick", True), ("resize", "pad")):
        with pytest.raises(ValueError, match=f"--{name}=.* --protocol=clean_fid_1k"):
            protocols.applied(flags(**{name: value}))


def test_data_with_fewer_images_are_refused():
    splits = types.SimpleNamespace(
        test=types.SimpleNamespace(size=1000), train=types.SimpleNamespace(size=999)
    )
    protocols.check_enough("", splits)
    with pytest.raises(ValueError, match="1,000 train images for --protocol=clean_fid"):
        protocols.check_enough("clean_fid_1k", splits)


@pytest.fixture(scope="module")
def evaluation():
    subject = small.subject_of(model_of(0))
    record = protocols.record("clean_fid_1k", subject, {"inception": "ab12"})
    return {"protocol": record, "metrics": {"sets": {"samples_fid": 3.0, "x": 1.0}}}


def test_numbers_of_one_protocol_stand_side_by_side(evaluation):
    other = {**evaluation, "metrics": {"sets": {"samples_fid": 4.0, "x": 2.0}}}
    rows = protocols.side_by_side(evaluation, other)
    assert rows == [("samples_fid", 3.0, 4.0)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": {"inception": "cd34"}}, "features: .*ab12.*cd34"),
        ({"name": "pytorch_fid_1k"}, "name: clean_fid_1k and pytorch_fid_1k"),
        ({"image_shape": [8, 8, 3]}, "image_shape"),
    ],
)
def test_numbers_of_two_protocols_are_not_compared(evaluation, changes, message):
    other = {**evaluation, "protocol": {**evaluation["protocol"], **changes}}
    with pytest.raises(ValueError, match=f"numbers of one protocol.*{message}"):
        protocols.side_by_side(evaluation, other)
    with pytest.raises(ValueError, match="two evaluations with a --protocol"):
        protocols.side_by_side(evaluation, {"metrics": {}})


def test_hashes_know_a_network_and_a_file(tmp_path):
    first, second = model_of(0), model_of(1)
    hashes = [protocols.hash_of_network(m) for m in (first, model_of(0), second)]
    assert hashes[0] == hashes[1] != hashes[2] and len(hashes[0]) == 16
    (tmp_path / "a").write_bytes(b"1")
    alone = protocols.hash_of_file(tmp_path / "a")
    assert protocols.hash_of_file(tmp_path) == alone
    (tmp_path / "b").write_bytes(b"2")
    assert protocols.hash_of_file(tmp_path) != alone


def test_each_tool_has_its_own_filter():
    found = {n: p.inception_resize for n, p in protocols.PROTOCOLS.items()}
    assert found["pytorch_fid_10k"] == "half_pixel"
    assert found["tensorflow_fid_10k"] == "legacy"
    assert found["clean_fid_10k"] == "clean"
    # Bilinear between centers of pixels, as F.interpolate(align_corners=False).
    row = np.array([0.0, 0.25], "float32").reshape(1, 1, 2, 1)
    wide = np.asarray(inception.RESIZES["half_pixel"](row))[0, 0, :, 0]
    centers = (np.arange(299) + 0.5) * 2 / 299 - 0.5
    np.testing.assert_allclose(wide, 0.25 * np.clip(centers, 0, 1), atol=1e-5)


def test_the_filter_of_the_first_fid_takes_corners_of_pixels():
    # 2 pixels to 4: places 0, 0.5, 1, 1.5, of which the last has no neighbor.
    matrix = inception._corners(2, 4)
    assert matrix.tolist() == [[1, 0], [0.5, 0.5], [0, 1], [0, 1]]


def test_the_clean_filter_is_that_of_pillow():
    from PIL import Image

    pixels = np.random.default_rng(0).uniform(-0.3, 0.3, (1, 40, 24, 1))
    pixels = pixels.astype("float32")
    for size in (299, 11):
        rows, columns = (inception._antialiased(side, size) for side in (40, 24))
        ours = rows @ pixels[0, :, :, 0] @ columns.T
        image = Image.fromarray(pixels[0, :, :, 0])
        theirs = np.asarray(image.resize((size, size), Image.Resampling.BICUBIC))
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_confidence_is_the_probability_of_the_likeliest_class_or_of_a_label():
    logits = np.log([[0.9, 0.1], [0.25, 0.75], [np.nan, 1]]).astype("float32")
    classifier = Classifier.__new__(Classifier)
    classifier._outputs = lambda images: (logits, None)
    np.testing.assert_allclose(classifier.confidence(None), [0.9, 0.75, 0], rtol=1e-5)
    np.testing.assert_allclose(
        classifier.confidence(None, [1, 1, 1]), [0.1, 0.75, 0], rtol=1e-5
    )
