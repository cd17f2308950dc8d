import types

import numpy as np
import pytest

from tests.helpers.pipelines import pipeline_of
from vqzoo.app import sample
from vqzoo.app.explored import Explored


@pytest.fixture(scope="module")
def drawn():
    return pipeline_of()


@pytest.fixture(scope="module")
def without_classes():
    return pipeline_of(0)


def test_without_a_prior_the_tab_says_how_to_get_one(two_tiers):
    text = sample.how_to(two_tiers, "'my model.keras'")
    assert "There is no prior" in text
    assert "vqzoo train pixelsnail_prior" in text
    assert "--model='my model.keras'" in text and "--prior=runs/" in text


def test_the_command_for_a_prior_is_one_that_is_understood(two_tiers):
    from vqzoo.recipes.pixelsnail_prior import RECIPE
    from vqzoo.training.command import parse

    words = sample.how_to(two_tiers, "m.keras").split("```sh\n")[1].split("```")[0]
    arguments = words.replace("\\\n", " ").split()[3:]
    recipe = parse(RECIPE, ["prior", *arguments])
    assert (recipe.model, recipe.dataset) == ("m.keras", "folder")


def test_several_codes_have_no_prior(two_codes):
    assert "cannot draw images" in sample.how_to(two_codes, "m.keras")


def test_classes_are_those_of_the_priors(drawn, without_classes):
    assert sample.classes(drawn) == [sample.EVERY_CLASS, "cat", "dog"]
    assert sample.classes(without_classes) == []
    nameless = types.SimpleNamespace(num_classes=2, class_names=())
    assert sample.classes(nameless) == [sample.EVERY_CLASS, "0", "1"]


def test_equal_settings_draw_equal_images(drawn):
    first, again = (sample.draw(drawn, "dog", 6, 0.9, 0, 3) for _ in range(2))
    assert np.array_equal(first.images, again.images)
    assert first.labels.tolist() == [1] * 6
    every = sample.draw(drawn, sample.EVERY_CLASS, 6, 0.9, 0, 3)
    assert sorted(every.labels) == [0, 0, 0, 1, 1, 1]
    assert not np.array_equal(first.images, every.images)


def test_priors_without_classes_draw_too(without_classes):
    found = sample.draw(without_classes, None, 2, 1.0, 0, 0)
    assert found.labels is None and found.images.shape == (2, 16, 16, 3)


def test_progress_is_told_batch_by_batch(drawn):
    steps = []

    def progress(batches):
        for batch in batches:
            steps.append(batch)
            yield batch

    sample.draw(drawn, "cat", 9, 1.0, 0, 0, progress=progress)
    assert steps == [0, 4, 8]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("cat", 0, 1.0, 0, 0), "1 to 64 images, received 0"),
        (("cat", 65, 1.0, 0, 0), "received 65"),
        (("cat", 1, 0.0, 0, 0), "temperature=0.0"),
        (("cat", 1, 1.0, -1, 0), "top_k=-1"),
        (("cat", 1, 1.0, 0, 0, 2.0), "guidance=2.0"),
        (("cat", 1, 1.0, 0, -1), "seed of at least 0, received -1"),
        (("cow", 1, 1.0, 0, 0), "received 'cow'"),
    ],
)
def test_settings_out_of_range_are_refused(drawn, settings, message):
    with pytest.raises(ValueError, match=message):
        sample.draw(drawn, *settings)


def test_samples_are_shown_with_their_bits_and_written(drawn, tmp_path):
    samples = sample.draw(drawn, "cat", 5, 1.0, 0, 0)
    picture, text = sample.look(samples, drawn.tiers)
    assert picture.dtype == np.uint8 and picture.shape[1] > picture.shape[0]
    bits = -samples.log_prob.mean() / np.log(2)
    assert text == (
        f"5 images of 20 codes each (top and bottom). {bits:.0f} bits each under the "
        "priors."
    )
    path = sample.write(samples, drawn.tiers, tmp_path)
    with np.load(path) as stored:
        assert np.array_equal(stored["bottom"], samples.codes[1])
        assert np.array_equal(stored["images"], samples.images)
        assert stored["label"].tolist() == [0] * 5
    assert sample.write(samples, drawn.tiers, tmp_path) != path


def test_the_pipelines_model_is_explored(drawn):
    explored = Explored(drawn.model)
    assert explored.tiers == drawn.tiers
