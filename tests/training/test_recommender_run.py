import dataclasses

import keras
import numpy as np
import pytest

from vqzoo import ids
from vqzoo.priors.beam_search import recommend
from vqzoo.priors.prefix_tree import PrefixTree
from vqzoo.recipes.semantic_id_recommender import RECIPE
from vqzoo.runs.folder import Run


@pytest.fixture(scope="module")
def ratings(tmp_path_factory):
    """A file of 40 users who go around a circle of 12 items."""
    path = tmp_path_factory.mktemp("ratings") / "ratings.csv"
    rows = [
        (user, f"item{(user + time) % 12}", 4, time)
        for user in range(40)
        for time in range(8)
    ]
    lines = [",".join(map(str, row)) for row in rows]
    path.write_text("\n".join(["userId,movieId,rating,timestamp", *lines]))
    return path


def recipe_of(file, tmp_path, **changes):
    settings = {
        "ratings": str(file),
        "dataset": "ratings",
        "runs_dir": str(tmp_path / "runs"),
        "tensorboard": False,
        "strategy": "none",
        "smoke": True,
        **changes,
    }
    return dataclasses.replace(RECIPE, **settings)


def test_a_run_leaves_a_prior_that_recommends_and_its_ids(ratings, tmp_path):
    run = recipe_of(ratings, tmp_path).run()
    measured = Run(run).metrics()["test"]
    assert measured["users"] == 40 and measured["items"] == 12
    for way in ("", "popularity_", "matrix_factorization_"):
        assert 0 <= measured[f"{way}recall_at_5"] <= measured[f"{way}recall_at_10"] <= 1
        assert 0 <= measured[f"{way}ndcg_at_10"] <= 1
    assert measured["bits_per_item"] > 0 and (run / "bits.png").is_file()
    keys, codes = ids.read(next(run.glob("ids.*")))
    prior = keras.saving.load_model(run / "prior.keras")
    tree = PrefixTree(codes, prior.num_embeddings)
    leaves, _ = recommend(prior, codes[None, : prior.grid_shape[0] - 1], tree, 3)
    assert len(set(leaves[0].tolist())) == 3
    assert sorted(keys.tolist()) == sorted(f"item{i}" for i in range(12))


def test_ids_of_a_file_name_the_items(ratings, tmp_path):
    keys = [f"item{i}" for i in range(11)]
    codes = np.arange(22).reshape(11, 2) % 5
    ids.write(tmp_path / "ids.csv", keys, codes)
    recipe = recipe_of(ratings, tmp_path, ids=str(tmp_path / "ids.csv"))
    users, tree, leaf_of = recipe._load()
    assert sorted(users.keys.tolist()) == sorted(keys)
    place = [keys.index(key) for key in users.keys]
    np.testing.assert_array_equal(tree.ids[leaf_of], codes[place])
    ids.write(tmp_path / "ids.csv", ["other"] * 2, codes[:2])
    with pytest.raises(ValueError, match="--ids.*IDs of items of ratings.csv"):
        recipe._load()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ratings": ""}, "--dataset.*without --ratings"),
        ({"ratings": "", "dataset": "patches", "least_rating": 4.0}, "--least_rating"),
        ({"dataset": "patches"}, "--dataset.*arrays or ratings with --ratings"),
        ({"history": 0}, "--history"),
        ({"prior_options": ("num_layers",)}, "name=value"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes, message, ratings, tmp_path):
    with pytest.raises(ValueError, match=message):
        recipe_of(ratings, tmp_path, **changes)
