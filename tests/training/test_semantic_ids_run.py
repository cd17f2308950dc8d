import dataclasses
import json

import numpy as np
import pytest

import vqzoo
from vqzoo import evaluate, ids, trained
from vqzoo.export import artifact
from vqzoo.recipes.semantic_ids import RECIPE
from vqzoo.runs.files import RunError


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A recipe of 300 items with duplicates and keys, and the folder of its run."""
    folder = tmp_path_factory.mktemp("ids")
    vectors = np.random.default_rng(0).normal(size=(300, 6)).astype("float32")
    vectors[290:] = vectors[:10]
    np.savez(folder / "items.npz", vectors=vectors, key=np.arange(300) + 1000)
    recipe = dataclasses.replace(
        RECIPE,
        dataset="arrays",
        data_dir=str(folder / "items.npz"),
        runs_dir=str(folder / "runs"),
        tensorboard=False,
        epochs=1,
        strategy="none",
        smoke=True,
    )
    return recipe, recipe.run(), vectors


def ids_of(run):
    (path,) = run.glob("ids.*")
    return ids.read(path)


def test_a_run_leaves_an_id_for_each_key(finished):
    _, run, vectors = finished
    keys, codes = ids_of(run)
    assert [int(key) for key in keys] == list(range(1000, 1300))
    assert codes.shape == (300, 4)
    found = ids.summarize(codes, ids.distinct(vectors))
    assert (found["duplicates"], found["unique"]) == (10, 1.0)
    loaded = vqzoo.load(run)
    np.testing.assert_array_equal(loaded.encode(vectors)[0], codes[:, :3])
    assert 0 < loaded.metrics["test"]["relative_error"] < 0.5
    assert loaded.metrics["ids"]["usage_1"] > 0.9
    assert loaded.metrics["ids"]["duplicates"] == 10


def test_a_warm_start_keeps_ids_and_reassigned_ones_need_no_level(finished):
    recipe, run, vectors = finished
    again = dataclasses.replace(
        recipe, start=str(run), learning_rate=1e-9, decay=0.999, unique="reassign"
    ).run()
    before, after = (ids_of(each)[1] for each in (run, again))
    assert ids.changed(before[:, :2], after[:, :2])[-1] < 0.1
    assert after.shape == (300, 3)
    assert ids.summarize(after, ids.distinct(vectors))["unique"] == 1.0


def test_a_start_of_other_sizes_is_refused(finished):
    recipe, run, _ = finished
    other = dataclasses.replace(recipe, start=str(run), num_embeddings=16)
    with pytest.raises(RunError, match="--start=.*other sizes"):
        other.run()


def test_more_codes_than_items_name_their_flag(finished):
    recipe, _, _ = finished
    many = dataclasses.replace(recipe, num_embeddings=1024, smoke=False)
    with pytest.raises(ValueError, match="--num_embeddings.*238 training items"):
        many.run()


def test_a_column_of_no_file_is_refused():
    with pytest.raises(ValueError, match="--key_column is not used by --dataset"):
        dataclasses.replace(RECIPE, key_column="sku")


def test_a_model_of_vectors_is_refused_where_images_are_meant(finished):
    _, run, _ = finished
    with pytest.raises(trained.TrainedError, match="of images.*VectorVQVAE.*vectors"):
        trained.load(run, needs_images=True)


def test_evaluate_says_what_the_ids_are_worth(finished, tmp_path):
    recipe, run, _ = finished
    argv = ["vqzoo evaluate", str(run), "--dataset=arrays", "--quick"]
    argv += [f"--data_dir={recipe.data_dir}", f"--out={tmp_path}"]
    assert evaluate.main(argv) == 0
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert set(found["metrics"]) == {"identifiers", "codebook"}
    said = found["metrics"]["identifiers"]
    assert said["usage_3"] > 0.9 and 0 < said["relative_error"] < 0.5
    assert said["duplicates"] == 10 and 0 < said["recall"] < 1
    assert "Semantic IDs" in (tmp_path / "report.html").read_text()


@pytest.mark.slow
def test_an_export_answers_with_the_codes_of_the_model(finished, tmp_path):
    import tensorflow as tf

    _, run, vectors = finished
    target, version = artifact.export(run, tmp_path / "my_ids")
    calls = tf.saved_model.load(target / "saved_model" / str(version)).signatures
    codes = calls["encode"](vectors=tf.constant(vectors))["bottom_codes"]
    model = vqzoo.load(target).model
    np.testing.assert_array_equal(codes, model.encode(vectors)[0])
    decoded = calls["decode"](bottom_codes=codes)["vectors"]
    rebuilt = calls["serving_default"](vectors=tf.constant(vectors))["reconstructions"]
    np.testing.assert_allclose(decoded, rebuilt, atol=1e-4)
    manifest = json.loads((target / "manifest.json").read_text())
    assert manifest["vectors"] == {"shape": [6], "dtype": "float32"}
    assert "of vectors of\n6" in (target / "README.md").read_text()
