import numpy as np
import pytest

from vqzoo.measures.inference import compiled, in_batches


class Counter:
    """Codes are the images' values, in two tiers; remembers the batch sizes."""

    def __init__(self):
        self.sizes = []

    def encode(self, images):
        self.sizes.append(len(images))
        codes = images[..., 0].astype("int32")
        return codes[:, ::2, ::2], codes

    def decode(self, codes):
        self.sizes.append(len(codes[0]))
        assert codes[1].shape == (len(codes[0]), 4, 4)
        return codes[1][..., None].astype("float32")


@pytest.mark.parametrize(
    ("batch_size", "sizes"), [(3, [3, 3, 1]), (7, [7]), (100, [7]), (1, [1] * 7)]
)
def test_every_image_is_coded_once_and_in_order(batch_size, sizes):
    images = np.arange(7 * 16, dtype="float32").reshape(7, 4, 4, 1)
    counter = Counter()
    top, bottom = in_batches(counter.encode, images, batch_size=batch_size)
    assert counter.sizes == sizes
    assert bottom.tolist() == images[..., 0].tolist()
    assert top.tolist() == images[:, ::2, ::2, 0].tolist()
    assert top.dtype == bottom.dtype == np.int32
    counter = Counter()
    rebuilt = in_batches(counter.decode, (top, bottom), batch_size=batch_size)
    assert counter.sizes == sizes
    assert rebuilt.tolist() == images.tolist()


def test_no_images_are_refused():
    with pytest.raises(ValueError, match="at least one image, received 0"):
        in_batches(Counter().encode, np.zeros((0, 4, 4, 1)))


def test_a_model_gives_its_own_codes_and_images():
    from vqzoo.layers import VectorQuantizerEMA
    from vqzoo.models import VQVAE2

    tiers = [VectorQuantizerEMA(8, 2) for _ in range(2)]
    model = VQVAE2(
        tiers, image_shape=(8, 8, 1), bottom_stride=2, num_channels=4, name="tiny"
    )
    images = np.linspace(-0.5, 0.5, 5 * 64, dtype="float32").reshape(5, 8, 8, 1)
    codes = in_batches(model.encode, images, batch_size=2)
    for tier, expected in zip(codes, model.encode(images), strict=True):
        assert tier.tolist() == expected.numpy().tolist()
    rebuilt = in_batches(model.decode, codes, batch_size=2)
    np.testing.assert_allclose(rebuilt, model(images), atol=1e-6)


def test_a_compiled_function_gives_what_the_function_gives():
    traced = []

    def double(pair):
        traced.append(pair)
        return {"sum": pair[0] + pair[1], "first": 2 * pair[0]}

    graph = compiled(double)
    arrays = np.arange(14.0).reshape(7, 2), np.ones((7, 2))
    found = in_batches(lambda *pair: graph(pair), *arrays, batch_size=3)
    assert found["sum"].tolist() == (arrays[0] + 1).tolist()
    assert found["first"].tolist() == (2 * arrays[0]).tolist()
    for count in range(1, 8):
        graph(tuple(each[:count] for each in arrays))
    assert len(traced) <= 3  # of any batch size after the second
