"""What models take from somebody else's code: images, codes, sizes, no targets."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops

import vqzoo
from tests.helpers.case import FEW_CHANNELS, small_ema
from tests.helpers.steps import compiled
from vqzoo.models import (
    HQA,
    VAE,
    VQGAN,
    VQVAE,
    VQVAE2,
    Autoencoder,
    HierarchicalVAE,
    SeparateVQVAEs,
)

# Each with the sides that its images divide by.
ANY_SIZE = {
    "VQVAE": lambda **more: VQVAE(small_ema(), **FEW_CHANNELS, **more),
    "VQGAN": lambda **more: VQGAN(
        small_ema(),
        num_channels=4,
        channel_multipliers=(1, 1, 2),
        attention_levels=(2,),
        num_groups=2,
        **more,
    ),
    "VQVAE2": lambda **more: VQVAE2(
        [small_ema(), small_ema(1)], bottom_stride=2, **FEW_CHANNELS, **more
    ),
    "HQA": lambda **more: HQA(
        [small_ema(), small_ema(1)], bottom_stride=2, **FEW_CHANNELS, **more
    ),
    "SeparateVQVAEs": lambda **more: SeparateVQVAEs(
        [small_ema(), small_ema(1)], strides=(4, 2), **FEW_CHANNELS, **more
    ),
}
each = pytest.mark.parametrize("name", ANY_SIZE)


def make(**more):
    return ANY_SIZE["VQVAE"](**{"image_shape": (8, 8, 3), **more})


def images(*shape):
    values = np.random.default_rng(sum(shape)).uniform(-0.5, 0.5, shape)
    return values.astype("float32")


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


@each
def test_a_fully_convolutional_model_takes_any_size_that_divides(name):
    model = ANY_SIZE[name](image_shape=(None, None, 3))
    batch = images(1, 16, 8, 3)
    rebuilt = numpy(model(batch))
    assert rebuilt.shape == batch.shape
    codes = model.encode(batch)
    assert [c.shape[1:] for c in codes][-1] == (
        (4, 2) if name in ("VQGAN", "VQVAE") else (8, 4)
    )
    np.testing.assert_array_equal(numpy(model.decode(codes)), rebuilt)
    assert model.compute_output_shape((None, None, None, 3)) == (None, None, None, 3)
    fixed = ANY_SIZE[name](image_shape=(16, 8, 3))
    fixed.set_weights(model.get_weights())
    np.testing.assert_array_equal(numpy(fixed(batch)), rebuilt)


@each
def test_sides_that_do_not_divide_are_refused_at_every_door(name):
    model = compiled(ANY_SIZE[name](image_shape=(None, None, 3)), "sgd", "mse")
    batch = images(1, 10, 8, 3)
    for door in (model, model.encode, model.latents, model.fit, model.evaluate):
        with pytest.raises(ValueError, match=r"divide by 4.*\(.*10, 8, 3\)"):
            door(batch)
    with pytest.raises(ValueError, match=r"divide by 4.*\(1, 10, 8, 3\)"):
        model.compute_output_shape(batch.shape)


@each
def test_padding_is_undone_to_the_pixel(name):
    model = ANY_SIZE[name](image_shape=(None, None, 3), pad=True)
    plain = ANY_SIZE[name](image_shape=(None, None, 3))
    plain.set_weights(model.get_weights())
    batch = images(2, 10, 7, 3)
    padded = np.pad(batch, ((0, 0), (0, 2), (0, 1), (0, 0)), mode="edge")
    expected = numpy(plain(padded))[:, :10, :7]
    np.testing.assert_array_equal(numpy(model(batch)), expected)
    codes = model.encode(batch)
    for mine, theirs in zip(codes, plain.encode(padded)):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(numpy(model.decode(codes, sides=(10, 7))), expected)
    assert model.decode(codes).shape == (2, 12, 8, 3)
    whole = images(1, 8, 8, 3)
    np.testing.assert_array_equal(numpy(model(whole)), numpy(plain(whole)))


def test_a_model_of_one_size_pads_and_crops_by_itself():
    model = make(image_shape=(10, 7, 3), pad=True)
    batch = images(2, 10, 7, 3)
    rebuilt = numpy(model(batch))
    assert rebuilt.shape == batch.shape
    np.testing.assert_array_equal(numpy(model.decode(model.encode(batch))), rebuilt)
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(model)
    )
    assert again.pad and again.image_shape == (10, 7, 3)
    compiled(model, "sgd", "mse")
    assert np.isfinite(model.fit(batch, verbose=0).history["loss"]).all()


@pytest.mark.parametrize("made", [Autoencoder, VAE, HierarchicalVAE])
def test_a_model_with_a_dense_layer_or_a_learned_start_has_one_size(made):
    with pytest.raises(ValueError, match=r"fully convolutional.*\(None, None, 3\)"):
        made(image_shape=(None, None, 3))


def test_a_call_holds_images_to_the_size_that_the_model_names():
    with pytest.raises(ValueError, match=r"image_shape=\(8, 8, 3\).*\(1, 16, 8, 3\)"):
        make()(images(1, 16, 8, 3))
    with pytest.raises(ValueError, match=r"width, 3\), received shape=\(1, 8, 8, 4\)"):
        make().encode(images(1, 8, 8, 4))


def test_without_targets_the_images_are_the_targets():
    batch, history = images(8, 8, 8, 3), []
    for targets in ((batch,), ()):
        keras.utils.set_random_seed(1)
        model = compiled(make(), "sgd", "mse", metrics=["mae"])
        data = {"verbose": 0, "shuffle": False, "batch_size": 4}
        validation = (batch, *targets) if targets else batch
        fitted = model.fit(batch, *targets, validation_data=validation, **data)
        history.append(fitted.history)
        del data["shuffle"]
        history[-1]["evaluated"] = model.evaluate(batch, *targets, **data)
    assert history[0] == history[1]
    assert history[0]["loss"][0] > 0 and history[0]["val_mae"][0] > 0


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="needs tf.data")
def test_data_sets_and_generators_of_images_alone_are_fitted():
    import tensorflow as tf

    model, batch = compiled(make(), "sgd", "mse"), images(8, 8, 8, 3)
    dataset = tf.data.Dataset.from_tensor_slices(batch).batch(4)
    rows = tf.data.Dataset.from_tensor_slices({"image": batch, "label": range(8)})
    generator = (batch[i : i + 4] for i in (0, 4, 0))
    for data in (dataset, rows.batch(4), generator):
        options = {"steps_per_epoch": 2, "shuffle": False, "verbose": 0}
        fitted = model.fit(data, validation_data=dataset, **options)
        assert np.isfinite(fitted.history["val_loss"]).all()
    expected = model.evaluate(batch, batch, batch_size=4, verbose=0)
    assert model.evaluate(dataset, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_a_dict_is_refused_with_what_to_do():
    model = compiled(make(), "sgd", "mse")
    for door in (model.encode, model.fit, model):
        with pytest.raises(ValueError, match="dict with 'picture'.*to_images"):
            door({"picture": images(2, 8, 8, 3)})


def test_fit_finds_the_images_in_a_dict():
    batch = images(4, 8, 8, 3)
    model = compiled(make(), keras.optimizers.SGD(0.0), "mse")
    losses = [
        model.evaluate(data, verbose=0)
        for data in (batch, {"image": batch, "label": np.zeros(4)})
    ]
    assert losses[0] == losses[1] > 0


@pytest.mark.parametrize(
    ("pixels", "found"),
    [
        ((images(2, 8, 8, 3) + 0.5) * 255, "from .* to 25"),
        (images(2, 8, 8, 3) + 0.5, r"in \[0, 1\]"),
        (images(2, 8, 8, 3) * 2, r"in \[-1, 1\]"),
        (np.zeros((2, 8, 8, 3), "uint8"), "uint8"),
    ],
    ids=["bytes", "shares", "signed", "uint8"],
)
def test_images_in_another_range_are_warned_of_once(pixels, found):
    for door, options in (("encode", {}), ("fit", {"verbose": 0}), ("__call__", {})):
        model = compiled(make(), "sgd", "mse")
        with pytest.warns(UserWarning, match=rf"\[-0.5, 0.5\].*{found}.*to_images"):
            getattr(model, door)(pixels, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            getattr(model, door)(pixels, **options)


def test_noise_at_the_ends_of_the_range_is_no_reason_to_warn():
    noisy = images(2, 8, 8, 3) + np.random.default_rng(0).normal(0, 0.1, (2, 8, 8, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make()(noisy)


def test_codes_of_one_tier_come_alone_or_in_a_sequence_of_any_integers():
    model = make()
    (codes,) = model.encode(images(2, 8, 8, 3))
    expected = numpy(model.decode((codes,)))
    plain = numpy(codes)
    for given in (codes, [codes], plain, plain.astype("int64"), plain.astype("uint8")):
        np.testing.assert_array_equal(numpy(model.decode(given)), expected)
    with pytest.raises(ValueError, match="codes of an integer type.*float32"):
        model.decode(plain.astype("float32"))


def test_grids_of_tiers_that_do_not_belong_together_are_refused():
    model = ANY_SIZE["VQVAE2"](image_shape=(8, 8, 3))
    top, bottom = np.zeros((1, 2, 2), "int32"), np.zeros((1, 6, 4), "int32")
    with pytest.raises(ValueError, match=r"double.*\(2, 2\), \(6, 4\)"):
        model.decode((top, bottom))


def test_sizes_may_be_numpy_integers():
    model = VAE(image_shape=tuple(np.array([8, 8, 3])), latent_dim=np.int64(4))
    plain = VAE(image_shape=(8, 8, 3), latent_dim=4, name=model.name)
    assert model.get_config() == plain.get_config()


def test_another_order_of_axes_is_refused_in_a_sentence():
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ValueError, match="'channels_last', received 'channels_f"):
            make()
    finally:
        keras.config.set_image_data_format("channels_last")


def test_pixels_become_images_and_images_pixels():
    pixels = np.arange(256, dtype="uint8")
    floats = vqzoo.to_images(pixels)
    assert floats.dtype == np.float32
    assert floats[[0, 255]].tolist() == [-0.5, 0.5]
    assert vqzoo.to_uint8(floats).tolist() == pixels.tolist()
    assert vqzoo.to_uint8(np.array([-9.0, 0.5009, 9.0])).tolist() == [0, 255, 255]
    assert vqzoo.to_images(np.array([0, 65535], "uint16")).tolist() == [-0.5, 0.5]
    assert vqzoo.to_images(np.array([0.0, 0.5, 1.0])).tolist() == [-0.5, 0, 0.5]
    shifted = vqzoo.to_images(np.array([-1000, 3000]), value_range=(-1000, 3000))
    assert shifted.tolist() == [-0.5, 0.5]
    with pytest.raises(ValueError, match="value_range.*int64"):
        vqzoo.to_images(np.array([-1, 1]))


def test_tensors_of_the_backend_stay_tensors():
    pixels = ops.convert_to_tensor(np.arange(256, dtype="uint8"))
    floats = vqzoo.to_images(pixels)
    assert ops.is_tensor(floats)
    assert numpy(vqzoo.to_uint8(floats)).tolist() == list(range(256))
