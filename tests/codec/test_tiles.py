import numpy as np

from vqzoo.codec import tiles


def test_a_grid_is_cut_and_joined_by_hand():
    grid = np.arange(12).reshape(3, 4)
    cut = tiles.cut(grid, (2, 3))
    assert cut.tolist() == [
        [[0, 1, 2], [4, 5, 6]],
        [[3, 3, 3], [7, 7, 7]],
        [[8, 9, 10], [8, 9, 10]],
        [[11, 11, 11], [11, 11, 11]],
    ]
    assert np.array_equal(tiles.join(cut, (3, 4)), grid)
    assert tiles.insides((3, 4), (2, 3))[[1, 3]].tolist() == [
        [[True, False, False], [True, False, False]],
        [[True, False, False], [False, False, False]],
    ]


def test_every_place_is_inside_of_one_tile():
    for shape in ((1, 1), (8, 8), (9, 8), (17, 23)):
        assert tiles.insides(shape, (8, 8)).sum() == np.prod(shape)


def test_batches_keep_to_the_limit_and_the_order():
    batches = tiles.batches([3, 9, 1, 4], 4)
    found = [[(p.image, p.tiles.start, p.tiles.stop) for p in b] for b in batches]
    assert found == [
        [(0, 0, 3)],
        [(1, 0, 4)],
        [(1, 4, 8)],
        [(1, 8, 9), (2, 0, 1)],
        [(3, 0, 4)],
    ]
    assert [p.rows for p in batches[3]] == [slice(0, 1), slice(1, 2)]
