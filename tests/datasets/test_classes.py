import pytest

from vqzoo.datasets.classes import choose, renumber


def test_the_chosen_classes_keep_the_order_of_the_data():
    assert choose(["b", "a", "c"], ("c", "b")) == ("b", "c")
    assert choose(["b", "a", "c"], ()) == ("b", "a", "c")


def test_old_labels_get_the_numbers_of_the_chosen_classes():
    numbers, names = renumber(("b", "a", "c"), ("c", "b"))
    assert numbers.tolist() == [0, -1, 1] and names == ("b", "c")
    numbers, names = renumber(("b", "a"), ())
    assert numbers.tolist() == [0, 1] and names == ("b", "a")
    assert renumber((), ())[1] == ()


def test_unknown_classes_are_named_beside_the_known_ones():
    with pytest.raises(ValueError, match="--classes to be of a, b, received c, d$"):
        choose("ab", ("c", "a", "d"))
    with pytest.raises(ValueError, match="--classes to be empty .*, received c$"):
        renumber((), ("c",))
