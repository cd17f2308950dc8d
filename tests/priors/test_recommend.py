"""Sequences of steps with several codes, and which IDs come next."""

import keras
import numpy as np
import pytest

from tests.helpers.case import Case, random_codes
from tests.helpers.steps import compiled
from vqzoo.priors import SequenceTransformer
from vqzoo.priors.beam_search import recommend
from vqzoo.priors.prefix_tree import PrefixTree

SIZES = {"num_layers": 1, "num_channels": 8, "num_heads": 2, "seed": 1}
CASES = [
    Case(
        "SequenceTransformer",
        lambda: SequenceTransformer((3, 2), 4, **SIZES),
        (random_codes(2, 3, 2),),
        random=True,
    ),
]
IDS = np.array([[1, 3], [0, 2], [1, 0], [1, 3], [3, 3]])


@pytest.fixture(scope="module")
def prior():
    keras.utils.set_random_seed(2)
    prior = SequenceTransformer((4, 2), 4, dropout=0.0, **SIZES)
    for weight in prior.trainable_weights:
        if "norm" not in weight.path:
            weight.assign(weight + 0.3 * keras.random.normal(weight.shape, seed=3))
    return prior


def test_caches_draw_what_the_whole_network_draws(prior):
    drawn = prior.sample(6, seed=1)
    np.testing.assert_array_equal(drawn, prior.sample(6, seed=1, cached=False))
    assert len(np.unique(drawn)) > 2


def test_the_same_number_in_another_column_is_another_token(prior):
    codes = np.zeros((1, 4, 2), "int32")
    tokens = keras.ops.convert_to_numpy(prior.tokens.known(codes, np.arange(2)))[0, 0]
    assert np.abs(tokens[0] - tokens[1]).max() > 1e-3


def test_steps_that_are_not_there_are_shown_and_have_no_probability(prior):
    codes = random_codes(3, 4, 2)
    shorter = codes.copy()
    shorter[:, :2] = -1
    log_p = prior.log_probs(shorter)
    assert not log_p[:, :2].any() and (log_p[:, 2:] < 0).all()
    assert np.abs(log_p[:, 2:] - prior.log_probs(codes)[:, 2:]).max() > 1e-3
    np.testing.assert_allclose(prior.log_prob(shorter), log_p.sum((1, 2)), rtol=1e-5)
    compiled(prior, "sgd", prior.training_loss())
    received = prior.evaluate(shorter, shorter, verbose=0)
    assert received == pytest.approx(-log_p[:, 2:].mean(), rel=1e-4)
    with pytest.raises(ValueError, match="from -2"):
        prior.log_probs(codes - 2 - codes.min())


def test_a_tree_by_hand():
    tree = PrefixTree(IDS, 4)
    assert tree.ids.tolist() == [[0, 2], [1, 0], [1, 3], [3, 3]]
    # 0, 1 and 3 from the root; then 0 * 4 + 2, 1 * 4 + 0, 1 * 4 + 3, 2 * 4 + 3.
    assert [keys.tolist() for keys in tree.keys] == [[0, 1, 3], [2, 4, 7, 11]]
    assert tree.leaves(IDS).tolist() == [2, 0, 1, 2, 3]
    assert tree.items_of(2).tolist() == [0, 3]
    assert tree.leaves([[[3, 3]], [[0, 2]]]).tolist() == [[3], [0]]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([[1, 3], [2, 0]], r"exist, received \(2, 0\) in row 1.* 4 in the tree"),
        ([[1, 1]], r"received \(1, 1\) in row 0"),
        ([[1, 3, 0]], "2 levels, received 3"),
        ([[1, 4]], r"\[0, 4\), received values from 1 to 4"),
        ([[-1, 3]], "from -1 to 3"),
        ([1, 3], r"\(items, levels\), received shape=\(2,\)"),
    ],
)
def test_an_id_that_does_not_exist_is_refused(ids, message):
    with pytest.raises(ValueError, match=message):
        PrefixTree(IDS, 4).leaves(np.array(ids))


def test_a_wide_beam_finds_the_likeliest_ids_that_exist(prior):
    tree = PrefixTree(IDS, 4)
    histories = tree.ids[random_codes(5, 3)]
    histories[3:, :2] = -1
    grids = np.repeat(histories[:, None], 4, axis=1)
    last = np.broadcast_to(tree.ids[None, :, None], (5, 4, 1, 2))
    grids = np.concatenate([grids, last], axis=2).reshape(-1, 4, 2)
    log_p = prior.log_probs(grids)[:, -1].sum(axis=1).reshape(5, 4)
    leaves, scores = recommend(prior, histories, tree, 3, num_beams=8, batch_size=2)
    expected = np.argsort(-log_p, axis=1)[:, :3]
    np.testing.assert_array_equal(leaves, expected)
    np.testing.assert_allclose(
        scores, np.take_along_axis(log_p, expected, axis=1), rtol=1e-4
    )
    leaves, scores = recommend(prior, histories[:1], tree, 6)
    assert sorted(leaves[0].tolist()) == [-1, -1, 0, 1, 2, 3]
    assert np.isinf(scores[0, 4:]).all() and np.isfinite(scores[0, :4]).all()


def test_a_narrow_beam_gives_what_exists(prior):
    tree = PrefixTree(IDS, 4)
    leaves, _ = recommend(prior, tree.ids[random_codes(5, 3)], tree, 1, num_beams=1)
    assert leaves.shape == (5, 1) and (leaves >= 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"histories": np.full((1, 3, 2), 2)}, r"\(2, 2\) in row 0"),
        ({"histories": np.zeros((1, 4, 2), int)}, r"\(1, 3, 2\).*\(1, 4, 2\)"),
        ({"tree": PrefixTree(IDS, 5)}, "tree of 2 levels of 4 codes, .*2 levels of 5"),
        ({"count": 0}, "count=0"),
    ],
)
def test_histories_and_trees_that_do_not_fit_are_refused(prior, change, message):
    given = {"histories": np.full((1, 3, 2), -1), "tree": PrefixTree(IDS, 4), **change}
    with pytest.raises(ValueError, match=message):
        recommend(prior, **given)


def test_training_learns_what_comes_next():
    prior = SequenceTransformer((4, 2), 4, dropout=0.0, **{**SIZES, "num_channels": 32})
    tree = PrefixTree(IDS, 4)
    grids = tree.ids[(np.arange(16)[:, None] + np.arange(4)) % 4]
    compiled(prior, keras.optimizers.Adam(0.01), prior.training_loss())
    prior.fit(grids, grids, batch_size=16, epochs=40, verbose=0)
    leaves, _ = recommend(prior, grids[:4, :3], tree, 1)
    assert leaves[:, 0].tolist() == [3, 0, 1, 2]
