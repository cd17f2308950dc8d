import keras
import numpy as np
import pytest
from keras import ops

from tests.helpers.steps import compiled
from vqzoo.priors import DCGAN, MaskGIT, PixelCNN, Transformer, conditions

CODES = np.arange(16, dtype="int32").reshape(4, 2, 2) % 3
SMALL = {
    "pixelcnn": lambda **known: PixelCNN((2, 2), 3, num_channels=4, **known),
    "transformer": lambda **known: Transformer(
        (2, 2), 3, num_layers=1, num_channels=4, num_heads=1, **known
    ),
    "maskgit": lambda **known: MaskGIT(
        (2, 2), 3, num_layers=1, num_channels=4, num_heads=1, **known
    ),
}
each_kind = pytest.mark.parametrize("kind", SMALL)


def test_so_many_labels_are_dropped_while_training_and_none_at_inference():
    keras.utils.set_random_seed(0)
    layer = conditions.Conditions((2, 2), 2, (), 3, 0, label_dropout=0.25)
    labels = np.arange(4000, dtype="int32") % 2
    features = {
        training: ops.convert_to_numpy(layer({"label": labels}, training=training))
        for training in (True, False)
    }
    embedding = ops.convert_to_numpy(layer.of_label.embeddings)
    assert embedding.shape == (3, 3)
    expected = embedding[labels][:, None, None]
    np.testing.assert_array_equal(features[False], expected)
    dropped = (features[True] == embedding[2]).all(axis=(1, 2, 3))
    assert 0.22 < dropped.mean() < 0.28
    np.testing.assert_array_equal(features[True][~dropped], expected[~dropped])


@each_kind
def test_without_a_label_the_null_class_is_taken(kind):
    prior = SMALL[kind](num_classes=2, label_dropout=0.1)
    received = prior.log_likelihood(CODES)
    np.testing.assert_array_equal(received, prior.log_likelihood(CODES, {"label": 2}))
    assert (received != prior.log_likelihood(CODES, {"label": 1})).all()
    samples = prior.sample(8, seed=1)
    np.testing.assert_array_equal(samples, prior.sample(8, {"label": 2}, seed=1))


def test_training_with_dropped_labels_moves_the_null_class():
    keras.utils.set_random_seed(0)
    prior = SMALL["pixelcnn"](num_classes=2, label_dropout=0.5)
    embedding = prior.conditions.of_label.embeddings
    before = ops.convert_to_numpy(embedding)
    compiled(prior, keras.optimizers.SGD(1.0), prior.training_loss())
    labels = np.tile(np.int32([0, 0, 1, 1]), 16)
    inputs = {"codes": np.tile(CODES, (16, 1, 1)), "label": labels}
    prior.train_on_batch(inputs, inputs["codes"])
    assert (ops.convert_to_numpy(embedding) != before).any(axis=1).all()


@each_kind
def test_a_prior_without_it_is_what_it_was_before_there_was_the_option(kind):
    plain = SMALL[kind](num_classes=2)
    assert "label_dropout" not in plain.get_config()
    assert plain.conditions.of_label.embeddings.shape == (2, 4)
    with pytest.raises(ValueError, match="expected a label"):
        plain.sample(1)


@each_kind
def test_a_saved_prior_keeps_its_null_class(kind, tmp_path):
    prior = SMALL[kind](num_classes=2, label_dropout=0.1)
    prior.save(tmp_path / "prior.keras")
    loaded = keras.saving.load_model(tmp_path / "prior.keras")
    assert loaded.label_dropout == 0.1
    np.testing.assert_array_equal(
        loaded.log_likelihood(CODES), prior.log_likelihood(CODES)
    )


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ({"num_classes": 2, "label_dropout": 1.0}, "label_dropout=1.0"),
        ({"num_classes": 2, "label_dropout": -0.1}, "label_dropout=-0.1"),
        ({"label_dropout": 0.1}, "num_classes=0"),
    ],
)
def test_a_share_that_cannot_work_is_refused(known, message):
    with pytest.raises(ValueError, match=message):
        SMALL["pixelcnn"](**known)


def test_a_gan_has_no_such_option():
    with pytest.raises(TypeError, match="label_dropout"):
        DCGAN((4, 4), 3, 2, channels=(8, 8), num_classes=2, label_dropout=0.1)
