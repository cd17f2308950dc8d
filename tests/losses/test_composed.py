import keras
import numpy as np
import pytest
from keras import ops

from vqzoo import losses, registry
from vqzoo.losses import adversarial, gradients
from vqzoo.losses.discriminators.networks import (
    patch_discriminator,
    style_discriminator,
)

IMAGES = np.random.default_rng(0).uniform(-0.5, 0.5, (4, 8, 8, 3)).astype("float32")
MODES = ("hinge", "non_saturating")


def autoencoder():
    """A model of two convolutions; `sources` want nothing else of it here."""
    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 3))
    hidden = keras.layers.Conv2D(4, 3, padding="same", activation="tanh")(images)
    model = keras.Model(images, keras.layers.Conv2D(3, 3, padding="same")(hidden))
    model.tier_names = model.quantizers = ()
    return model


def critic():
    keras.utils.set_random_seed(1)
    images = keras.Input((8, 8, 3))
    scores = keras.layers.Conv2D(1, 3, strides=2)(images)
    return keras.Model(images, scores)


def terms(**weights):
    sources = losses.Sources(None)
    return {n: (w, registry.find("losses", n)(sources)) for n, w in weights.items()}


def moved(model, **options):
    """Weights after one step of plain gradient descent, and its logs."""
    model.compile(keras.optimizers.SGD(1.0), jit_compile=False, **options)
    logs = model.train_on_batch(IMAGES, IMAGES, return_dict=True)
    return [ops.convert_to_numpy(w) for w in model.trainable_variables], logs


def test_a_weighted_sum_moves_a_model_as_keras_would():
    composed, logs = moved(losses.ComposedModel(autoencoder(), terms(l1=2.0, l2=0.5)))

    def loss(images, outputs):
        error = images - outputs
        return 2 * ops.mean(ops.abs(error)) + 0.5 * ops.mean(ops.square(error))

    plain, expected = moved(autoencoder(), loss=loss)
    for weight, other in zip(composed, plain, strict=True):
        np.testing.assert_allclose(weight, other, atol=1e-6)
    assert float(logs["loss"]) == pytest.approx(float(expected["loss"]), rel=1e-5)
    assert float(logs["l1"]) == pytest.approx(np.abs(IMAGES).mean(), abs=0.5)


def game(weight=0.1, **options):
    adversary = losses.Adversary(critic(), weight, **options)
    return losses.ComposedModel(autoencoder(), terms(l2=1.0), adversary)


def number(tensor):
    return float(ops.convert_to_numpy(tensor))


def weights_of(model):
    return [ops.convert_to_numpy(w) for w in model.trainable_variables]


@pytest.mark.parametrize("objective", MODES)
def test_both_networks_move_as_by_their_own_losses(objective):
    # The game's two gradients, taken apart by finite differences of either loss.
    model = game(weight=1.0, limit=0, objective=objective)
    before = weights_of(model)
    after, logs = moved(model)
    steps = [b - a for a, b in zip(after, before)]
    model = game(weight=1.0, limit=0, objective=objective)

    def of_autoencoder():
        outputs = model.autoencoder(IMAGES)
        scores = ops.convert_to_numpy(model.adversary.discriminator(outputs))
        error = np.mean((IMAGES - ops.convert_to_numpy(outputs)) ** 2)
        fooled = -scores if objective == "hinge" else np.log1p(np.exp(-scores))
        return error + fooled.mean()

    def of_discriminator():
        network = model.adversary.discriminator
        real = ops.convert_to_numpy(network(IMAGES))
        fake = ops.convert_to_numpy(network(model.autoencoder(IMAGES)))
        if objective == "hinge":
            sides = np.maximum(1 - real, 0).mean(), np.maximum(1 + fake, 0).mean()
        else:
            sides = np.log1p(np.exp(-real)).mean(), np.log1p(np.exp(fake)).mean()
        return sum(sides) / 2

    count = len(model.autoencoder.trainable_variables)
    for index, loss in ((0, of_autoencoder), (count, of_discriminator)):
        variable = model.trainable_variables[index]
        value = ops.convert_to_numpy(variable).copy()
        for place in ((0, 0, 0, 0), (1, 2, 1, 0)):
            sides = []
            for change in (1e-2, -1e-2):
                other = value.copy()
                other[place] += change
                variable.assign(other)
                sides.append(loss())
            variable.assign(value)
            slope = (sides[0] - sides[1]) / 2e-2
            assert steps[index][place] == pytest.approx(slope, rel=2e-2, abs=2e-5)
    assert float(logs["discriminator"]) == pytest.approx(of_discriminator(), rel=1e-5)


@pytest.mark.parametrize("accumulation_steps", [None, 2])
def test_each_network_is_clipped_by_the_norm_of_its_own_gradients(accumulation_steps):
    steps = []
    for factor in (1, 1000):
        model = game(start=10)
        play = model.adversary.play

        def louder(*arguments, play=play, factor=factor):
            loss, *rest = play(*arguments)
            return factor * loss, *rest

        model.adversary.play = louder
        before = weights_of(model)
        optimizer = keras.optimizers.SGD(
            1.0, global_clipnorm=0.01, gradient_accumulation_steps=accumulation_steps
        )
        model.compile(optimizer, jit_compile=False)
        for _ in range(accumulation_steps or 1):
            model.train_on_batch(IMAGES, IMAGES)
        steps.append([b - a for a, b in zip(weights_of(model), before)])
    count = len(model.autoencoder.trainable_variables)
    for quiet, loud in zip(steps[0][:count], steps[1][:count], strict=True):
        np.testing.assert_array_equal(quiet, loud)
    for part in (slice(count), slice(count, None)):
        for step in steps:
            norm = np.sqrt(sum(np.square(each).sum() for each in step[part]))
            assert norm == pytest.approx(0.01, rel=1e-3)


def test_before_its_start_an_adversary_learns_and_pulls_at_nothing():
    held, logs = moved(game(start=1))
    alone, _ = moved(losses.ComposedModel(autoencoder(), terms(l2=1.0)))
    count = len(alone)
    for weight, other in zip(held, alone):
        np.testing.assert_array_equal(weight, other)
    begin = weights_of(game())
    assert (held[count] != begin[count]).all()
    assert float(logs["adversarial_scale"]) == 0
    opened, _ = moved(game(start=0))
    assert (opened[0] != alone[0]).any()


def test_the_pull_has_the_share_that_its_weight_says_and_no_more_than_the_limit():
    outputs = ops.convert_to_tensor(IMAGES / 2)
    gradient = ops.convert_to_tensor(IMAGES)
    length = np.sqrt(np.sum(IMAGES**2))
    for limit, expected in ((1e9, 0.3 * length), (1e-3, None), (0, None)):
        adversary = losses.Adversary(critic(), 0.3, limit=limit)
        _, pull, logs = adversary.play(ops.convert_to_tensor(IMAGES), outputs, gradient)
        scale = float(logs["adversarial_scale"])
        found = float(ops.sqrt(ops.sum(ops.square(pull))))
        if expected:
            assert found == pytest.approx(expected, rel=1e-4)
        else:
            assert scale == pytest.approx(0.3 * (limit or 1), rel=1e-6)


def test_the_penalty_is_the_square_of_the_gradient_of_a_known_discriminator():
    images = keras.Input((8, 8, 3))
    scores = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")(images)
    linear = keras.Model(images, keras.layers.GlobalAveragePooling2D()(scores))
    plain, penalized = (
        losses.Adversary(linear, 1.0, r1_penalty=weight) for weight in (0.0, 10.0)
    )
    arguments = [ops.convert_to_tensor(x) for x in (IMAGES, IMAGES / 2, IMAGES)]
    difference = number(penalized.play(*arguments)[0] - plain.play(*arguments)[0])
    # Each of 192 values of an image has a gradient of 1 / 64.
    assert difference == pytest.approx(10 * 0.5 * 192 / 64**2, rel=1e-4)


def test_lecam_holds_scores_to_the_mean_scores_of_the_other_kind():
    plain, held = (losses.Adversary(critic(), 1.0, lecam=w) for w in (0.0, 1.0))
    held.discriminator.set_weights(plain.discriminator.get_weights())
    arguments = [ops.convert_to_tensor(x) for x in (IMAGES, IMAGES / 2, IMAGES)]
    before = np.array([0.5, -0.25], "float32")
    held.mean_scores.assign(before)
    difference = number(held.play(*arguments)[0] - plain.play(*arguments)[0])
    real, fake = (
        ops.convert_to_numpy(plain.discriminator(x)) for x in (IMAGES, IMAGES / 2)
    )
    expected = np.mean((real - before[1]) ** 2) + np.mean((fake - before[0]) ** 2)
    assert difference == pytest.approx(expected, rel=1e-4)
    means = ops.convert_to_numpy(held.mean_scores)
    decay = adversarial.DECAY
    assert means[0] == pytest.approx(decay * 0.5 + (1 - decay) * real.mean(), rel=1e-4)


def test_the_gradient_of_a_square_is_twice_its_root():
    inputs = ops.convert_to_tensor(IMAGES)
    found = gradients.value_and_gradient(
        lambda x: (ops.sum(ops.square(x)), 2 * x), inputs
    )
    value, beside, gradient = map(ops.convert_to_numpy, map(ops.stop_gradient, found))
    assert value == pytest.approx(np.sum(IMAGES**2), rel=1e-5)
    np.testing.assert_allclose(beside, 2 * IMAGES)
    np.testing.assert_allclose(gradient, 2 * IMAGES, rtol=1e-6)


def test_a_patch_discriminator_scores_places_and_normalizes_each_batch():
    network = patch_discriminator((64, 64, 3), num_channels=8)
    assert network.output_shape == (None, 6, 6, 1)
    assert network.count_params() == 44_873
    with pytest.raises(ValueError, match="at least 32 for num_layers=3"):
        patch_discriminator((16, 16, 3))


def test_a_style_discriminator_gives_one_score_and_its_blur_does_not_learn():
    network = style_discriminator((16, 16, 3), num_channels=4, max_channels=8)
    assert network.output_shape == (None, 1)
    fixed = [ops.convert_to_numpy(w) for w in network.non_trainable_variables]
    assert len(fixed) == 4
    for kernel in fixed:
        np.testing.assert_allclose(kernel.sum((0, 1)), 1, rtol=1e-6)
    with pytest.raises(ValueError, match="sides of at least 8"):
        style_discriminator((4, 4, 3))
