import keras
import numpy as np
import pytest

from tests.helpers.pipelines import pipeline_of
from tests.helpers.small_models import model_of
from vqzoo import sample
from vqzoo.priors import rejection
from vqzoo.priors.pipeline import Pipeline
from vqzoo.runs.fingerprint import fingerprint


@pytest.fixture(scope="module")
def drawn():
    return pipeline_of()


def test_samples_are_the_decoded_codes_and_their_likelihood(drawn):
    samples = drawn.sample(5, 1, seed=0, batch_size=2)
    assert [codes.shape for codes in samples.codes] == [(5, 2, 2), (5, 4, 4)]
    assert np.array_equal(samples.labels, [1] * 5)
    expected = np.asarray(drawn.model.decode(samples.codes))
    np.testing.assert_allclose(samples.images, expected, atol=1e-5)
    top, bottom = drawn.priors
    expected = top.log_prob(samples.codes[0], {"label": 1})
    condition = {"label": 1, "context": [samples.codes[0]]}
    expected = expected + bottom.log_prob(samples.codes[1], condition)
    np.testing.assert_allclose(samples.log_prob, expected, rtol=1e-5)
    np.testing.assert_allclose(
        drawn.log_prob(samples.codes, samples.labels), expected, rtol=1e-5
    )


def test_equal_seeds_draw_equal_samples_and_others_do_not(drawn):
    first, again = (drawn.sample(4, seed=3) for _ in range(2))
    assert np.array_equal(first.codes[1], again.codes[1])
    assert sorted(first.labels) == [0, 0, 1, 1]
    assert not np.array_equal(first.codes[1], drawn.sample(4, seed=4).codes[1])


def test_the_fingerprint_is_of_the_model_and_not_of_the_object(tmp_path):
    model = model_of(0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert fingerprint(loaded) == fingerprint(model) == fingerprint(model_of(0))
    assert fingerprint(model_of(seed=1)) != fingerprint(model)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: p.label_of("horse"), "classes cat, dog, received 'horse'"),
        (lambda p: p.label_of("2"), "classes cat, dog, received '2'"),
        (lambda p: p.sample(0), "at least one sample, received 0"),
        (lambda p: p.sample(1, 2), r"label in \[0, 2\)"),
        (lambda p: p.sample(1, temperature=0.0), "above 0, received temperature=0.0"),
        (lambda p: pipeline_of(0).sample(1, 1), "expected no class"),
        (lambda p: pipeline_of(sizes=(9, 16)), "8 codes of the top tier.*=9"),
        (lambda p: Pipeline(p.model, p.priors[:1]), r"\('top', 'bottom'\).*received 1"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_value(drawn, call, message):
    with pytest.raises(ValueError, match=message):
        call(drawn)


def test_classes_are_named_or_numbered(drawn):
    assert [drawn.label_of(name) for name in ("cat", "dog", "0", 1)] == [0, 1, 0, 1]


def test_a_number_that_is_a_name_means_nothing_else(drawn):
    numbered = Pipeline(drawn.model, drawn.priors, ("2", "10"))
    assert [numbered.label_of(name) for name in ("2", 10)] == [0, 1]
    with pytest.raises(ValueError, match="classes 2, 10, received '1'"):
        numbered.label_of("1")


def test_the_command_line_draws_a_picture_and_codes(drawn, tmp_path, capsys):
    drawn.save(tmp_path / "run")
    out, codes = tmp_path / "deep" / "samples.png", tmp_path / "codes.npz"
    arguments = [f"--prior={tmp_path / 'run'}", "--class=dog", "--n=3"]
    arguments += [f"--out={out}", f"--codes={codes}", "--top_k=2"]
    assert sample.main(["sample", *arguments]) == 0
    assert out.stat().st_size > 1000
    stored = np.load(codes)
    assert np.array_equal(stored["label"], [1, 1, 1])
    assert stored["bottom"].shape == (3, 4, 4)
    assert "3 images" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ([], 2, "--prior=RUN"),
        (["--prior=x", "--m=3"], 2, "m"),
        (["--prior=nowhere"], 1, "finished run of a prior, received nowhere"),
    ],
)
def test_a_wrong_command_line_says_why(arguments, code, text, capsys):
    assert sample.main(["sample", *arguments]) == code
    assert text in capsys.readouterr().err


def test_an_unknown_class_is_an_error_that_lists_the_known_ones(
    drawn, tmp_path, capsys
):
    drawn.save(tmp_path)
    assert sample.main(["sample", f"--prior={tmp_path}", "--class=lion"]) == 1
    assert "cat, dog" in capsys.readouterr().err


def test_rejection_keeps_the_best_of_each_class(drawn):
    def score(images, labels):
        assert images.shape[0] == len(labels) == 16
        return images.mean(axis=(1, 2, 3))

    options = {"seed": 0, "batch_size": 16}
    kept = rejection.sample(drawn, 8, None, score, 0.5, **options)
    assert sorted(kept.labels) == [0] * 4 + [1] * 4
    every = drawn.sample(16, np.resize(kept.labels, 16), **options)
    means = np.clip(every.images, -0.5, 0.5).mean(axis=(1, 2, 3))
    for label in (0, 1):
        best = np.sort(means[every.labels == label])[::-1][:4]
        found = np.clip(kept.images, -0.5, 0.5).mean(axis=(1, 2, 3))
        np.testing.assert_allclose(np.sort(found[kept.labels == label])[::-1], best)
    with pytest.raises(ValueError, match=r"share in \(0, 1\] to keep, received 0"):
        rejection.sample(drawn, 8, None, score, 0)


def test_the_command_line_rejects_by_a_classifier(drawn, tmp_path, capsys):
    drawn.save(tmp_path / "run")
    images = keras.Input(drawn.model.image_shape)
    pooled = keras.layers.GlobalAveragePooling2D()(images)
    for classes, code in ((2, 0), (3, 1)):
        network = keras.Model(images, keras.layers.Dense(classes)(pooled))
        network.save(tmp_path / "classifier.keras")
        arguments = [f"--prior={tmp_path / 'run'}", "--n=2", "--keep=0.4"]
        arguments += [f"--out={tmp_path / 'x.png'}"]
        arguments += [f"--reject={tmp_path / 'classifier.keras'}"]
        assert sample.main(["sample", *arguments]) == code
    assert "classifier of the 2 classes" in capsys.readouterr().err
    assert sample.main(["sample", f"--prior={tmp_path}", "--keep=0.4"]) == 2
