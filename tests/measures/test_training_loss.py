import pytest

from vqzoo.measures.training import largest_jump


def test_a_loss_that_falls_never_jumps():
    assert largest_jump([3.0, 2.0, 2.0, 1.5]) == {"jump": 0, "share": 0, "record": 0}


def test_the_steepest_rise_counts_and_not_the_highest_value():
    found = largest_jump([9.0, 1.0, 2.0, 2.5, 5.5, 6.0])
    assert found == pytest.approx({"jump": 3, "share": 3 / 8, "record": 4})


def test_losses_below_zero_jump_too():
    assert largest_jump([-2.0, -1.0])["share"] == 1


@pytest.mark.parametrize(
    "losses", [[], [1.0], [1.0, float("nan")], [1.0, float("inf")]]
)
def test_what_is_no_course_of_losses_is_refused(losses):
    with pytest.raises(ValueError, match="two or more finite losses, received"):
        largest_jump(losses)
