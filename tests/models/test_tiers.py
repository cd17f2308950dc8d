import re

import numpy as np
import pytest

from tests.helpers.case import small_ema
from vqzoo.models import tiers

CODES = np.zeros((1, 4, 8), "int32")


@pytest.mark.parametrize(
    ("num_tiers", "names"),
    [
        (1, ("bottom",)),
        (2, ("top", "bottom")),
        (3, ("top", "middle", "bottom")),
        (4, ("tier_0", "tier_1", "tier_2", "bottom")),
    ],
)
def test_the_last_tier_is_the_bottom(num_tiers, names):
    assert tiers.tier_names(num_tiers) == names


@pytest.mark.parametrize(
    ("codes", "finest"),
    [
        ((CODES, CODES, CODES), 2),
        ((CODES, CODES, None), 1),
        ((CODES, None, None), 0),
        ((None, CODES, None), 1),
    ],
)
def test_the_finest_given_is_the_lowest_that_is_not_none(codes, finest):
    assert tiers.finest_given(codes) == finest


def test_no_codes_or_too_few_tiers_are_refused():
    quantizers = [small_ema(), small_ema(1)]
    message = re.escape("codes of 2 tiers, at least one of them not None, received ")
    with pytest.raises(ValueError, match=message + re.escape("[None, None]")):
        tiers.checked_codes((None, None), quantizers)
    with pytest.raises(ValueError, match=message + re.escape("[(1, 4, 8)]")):
        tiers.checked_codes((CODES,), quantizers)


@pytest.mark.parametrize("code", [-1, 4])
def test_a_code_that_no_image_has_is_refused(code):
    with pytest.raises(ValueError, match=re.escape("in [0, 4), received values")):
        tiers.checked_codes(np.full((1, 2, 2), code), [small_ema()])


def test_each_tier_alone_has_its_codes_and_no_others():
    assert tiers.tiers_alone(("a", "b")) == [("a", None), (None, "b")]


def test_the_error_of_another_reconstruction_is_added_and_the_output_stays():
    layer = tiers.ReconstructionError()
    outputs = np.full((1, 2), 9.0, "float32")
    rebuilt = np.array([[1, 2]], "float32")
    target = np.array([[1.5, 5]], "float32")
    np.testing.assert_array_equal(layer(outputs, rebuilt, target), outputs)
    assert [float(loss) for loss in layer.losses] == pytest.approx([(0.25 + 9) / 2])
