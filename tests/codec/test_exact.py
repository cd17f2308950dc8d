import keras
import numpy as np
import pytest

from tests.helpers.raster_priors import KINDS, prior_of
from vqzoo.codec import CodecError
from vqzoo.codec.exact import ExactPrior

GRID = (2, 3)
QUICK = ("pixelcnn", "diagonal_bilstm", "pixelsnail", "transformer")


def random_codes(count):
    return np.random.default_rng(0).integers(0, 16, (count, *GRID)).astype("int32")


@pytest.mark.parametrize(
    "kind",
    [
        kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.slow)
        for kind in KINDS
    ],
)
def test_place_by_place_gives_the_logits_of_the_whole_in_float64(kind):
    prior = prior_of(GRID, kind=kind, num_classes=3)
    codes, condition = random_codes(3), {"label": [0, 2, 1]}
    exact = ExactPrior(prior)
    exact._run = exact._place_by_place  # not compiled, which takes longer than to run
    ((start, whole),) = exact.logits(codes, condition)
    assert start == 0 and whole.dtype == np.float64
    seen = np.zeros_like(whole)

    def choose(logits, place):
        assert logits.dtype == np.float64
        seen[:, place] = logits
        return codes.reshape(3, 6)[:, place]

    assert np.array_equal(exact.run(3, condition, choose), codes)
    # Machines may differ by 6e-8; the two ways differ by what float64 cannot hold.
    assert np.abs(seen - whole).max() < 1e-12
    arrays = {"codes": codes, "label": np.array(condition["label"])}
    of_prior = keras.ops.convert_to_numpy(prior(arrays)).reshape(whole.shape)
    np.testing.assert_allclose(whole, of_prior, atol=1e-4)
    assert whole.std() > 0.1


def test_the_prior_itself_stays_as_it_is():
    prior = prior_of(GRID)
    ExactPrior(prior)
    assert prior.output_logits.compute_dtype == "float32"
    assert prior.weights[0].dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"


def test_many_grids_are_taken_a_part_at_a_time(monkeypatch):
    monkeypatch.setattr("vqzoo.codec.exact._VALUES_AT_ONCE", 2 * 6 * 16)
    exact, codes = ExactPrior(prior_of(GRID)), random_codes(5)
    parts = dict(exact.logits(codes, None))
    assert list(parts) == [0, 2, 4]
    assert [len(part) for part in parts.values()] == [2, 2, 1]
    ((_, alone),) = exact.logits(codes[3:4], None)
    np.testing.assert_allclose(parts[2][1:], alone, atol=1e-12)


def test_logits_that_are_not_finite_are_refused():
    prior = prior_of(GRID)
    prior.output_logits.bias.assign(np.full(16, np.nan))
    with pytest.raises(CodecError, match="finite logits"):
        list(ExactPrior(prior).logits(random_codes(1), None))
