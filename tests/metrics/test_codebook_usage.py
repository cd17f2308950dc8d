import numpy as np
import pytest

from tests.helpers.case import Case, random_codes
from vqzoo.metrics import CodebookUsage

CASES = [
    Case("CodebookUsage", lambda: CodebookUsage(5), (random_codes(3, 2, 3),)),
]
REFUSED = [
    (lambda: CodebookUsage(0), "num_embeddings=0"),
]


def measured(num_embeddings, *batches):
    metric = CodebookUsage(num_embeddings)
    for codes in batches:
        metric.update_state(np.asarray(codes, "int32"))
    return {name: float(value) for name, value in metric.result().items()}


def test_equal_use_of_every_code_is_perfect():
    result = measured(8, np.arange(64).reshape(4, 4, 4) % 8)
    assert result == {
        "usage": 1,
        "perplexity": pytest.approx(8, rel=1e-6),
        "dead_codes": 0,
    }


def test_one_code_alone_is_useless():
    result = measured(8, np.full((3, 4), 5))
    assert result == {"usage": 1 / 8, "perplexity": pytest.approx(1), "dead_codes": 7}


def test_no_codes_give_zero():
    assert measured(8) == {"usage": 0, "perplexity": 0, "dead_codes": 8}


def test_the_perplexity_of_uneven_use():
    # Shares 1/2, 1/4, 1/4: an entropy of 1.5 bits.
    result = measured(4, [0, 0, 1, 3])
    assert result["perplexity"] == pytest.approx(2**1.5, rel=1e-6)
    assert result["usage"] == 0.75 and result["dead_codes"] == 1


def test_batches_of_one_code_each_are_one_diverse_set():
    batches = [np.full((2, 3), code) for code in range(4)]
    assert measured(4, *batches)["perplexity"] == pytest.approx(4, rel=1e-6)
    of_batches = [measured(4, codes)["perplexity"] for codes in batches]
    assert np.mean(of_batches) == pytest.approx(1)


def test_batches_of_any_size_give_the_result_of_the_set():
    codes = np.random.default_rng(0).integers(0, 50, 1000) ** 2 // 50
    parts = np.split(codes, [1, 10, 400])
    assert measured(64, *parts) == pytest.approx(measured(64, codes))


def test_a_reset_forgets_all_codes():
    metric = CodebookUsage(4)
    metric.update_state(np.array([0, 1, 2, 3]))
    metric.reset_state()
    assert float(metric.result()["dead_codes"]) == 4
    metric.update_state(np.array([2, 2]))
    assert metric.counts.numpy().tolist() == [0, 0, 2, 0]


def test_masked_places_are_not_counted_and_other_codes_refused():
    assert measured(4, [0, -1, 1, -1]) == measured(4, [0, 1])
    with pytest.raises(ValueError, match=r"\[0, 4\), received values from 0 to 4"):
        measured(4, [0, 4])
    with pytest.raises(ValueError, match="integer type"):
        CodebookUsage(4).update_state(np.array([0.5]))
