import numpy as np
import pytest

from vqzoo.quantizers import mixed_radix


def test_indices_of_two_digits_the_first_fastest():
    digits = [[0, 0], [1, 0], [0, 1], [1, 1], [0, 2], [1, 2]]
    assert mixed_radix.to_indices(digits, (2, 3)).numpy().tolist() == list(range(6))
    assert mixed_radix.to_digits(range(6), (2, 3)).numpy().tolist() == digits


def test_an_index_of_four_digits_by_hand():
    # 5 + 8 * (4 + 5 * (0 + 5 * 2)) = 437
    digits = mixed_radix.to_digits([437, 0, 999], (8, 5, 5, 5)).numpy()
    assert digits.tolist() == [[5, 4, 0, 2], [0, 0, 0, 0], [7, 4, 4, 4]]
    assert int(mixed_radix.to_indices([5, 4, 0, 2], (8, 5, 5, 5))) == 437


@pytest.mark.parametrize("levels", [(3,), (2, 3), (8, 5, 5, 5), (2,) * 10])
def test_indices_and_digits_are_one_to_one(levels):
    indices = np.arange(np.prod(levels))
    digits = mixed_radix.to_digits(indices, levels).numpy()
    assert (digits >= 0).all() and (digits < levels).all()
    assert len(np.unique(digits, axis=0)) == len(indices)
    np.testing.assert_array_equal(mixed_radix.to_indices(digits, levels), indices)
    expected = np.stack(np.unravel_index(indices, levels, order="F"), axis=-1)
    np.testing.assert_array_equal(digits, expected)


def test_the_largest_index_of_int32_goes_there_and_back():
    levels = (2**31 - 1,)
    assert mixed_radix.check_levels(levels) == levels
    last = 2**31 - 2
    assert mixed_radix.to_digits([last], levels).numpy().tolist() == [[last]]
    levels = (2**15, 2**15 + 3)
    last = 2**15 * (2**15 + 3) - 1
    digits = mixed_radix.to_digits([last], levels).numpy()
    assert digits.tolist() == [[2**15 - 1, 2**15 + 2]]
    assert mixed_radix.to_indices(digits, levels).numpy().tolist() == [last]
