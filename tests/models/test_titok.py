import functools

import keras
import numpy as np
import pytest
from keras import ops

from tests.helpers.case import FEW_CHANNELS, Case, random_images, small_ema
from vqzoo.app.explored import Explored
from vqzoo.layers import ResidualQuantizer, low_dimensional
from vqzoo.models import VQVAE, TiTok, titok_64
from vqzoo.priors import PixelCNN, Transformer
from vqzoo.priors.pipeline import Pipeline

SMALL = {"patch_size": 4, "num_channels": 8, "num_layers": 1, "num_heads": 2}
SIZES = {**SMALL, "image_shape": (8, 12, 3), "num_tokens": 5}


def grid_model(**options):
    return VQVAE(small_ema(), image_shape=(8, 12, 3), **FEW_CHANNELS, **options)


def two_stage_model():
    stages = ResidualQuantizer([small_ema(), small_ema()])
    return VQVAE(stages, image_shape=(8, 12, 3), **FEW_CHANNELS)


CASES = [
    Case(
        "TiTok",
        lambda: TiTok(small_ema(), **SIZES),
        (random_images(2, 8, 12, 3),),
        random=True,
    ),
    Case(
        "TiTok-rotary",
        lambda: TiTok(small_ema(), block="rotary", **SIZES),
        (random_images(2, 8, 12, 3),),
        random=True,
    ),
]
REFUSED = [
    (lambda: TiTok(small_ema(), block="new", **SIZES), "'plain', 'rotary'.*'new'"),
    (
        lambda: TiTok(small_ema(), block="rotary", **{**SIZES, "num_heads": 4}),
        "multiple of 4 channels, received num_heads=4",
    ),
    (lambda: TiTok(small_ema(), targets="codes"), "tokenizer=None, targets='codes'"),
    (lambda: TiTok(small_ema(), targets="both"), "targets='both'"),
    (lambda: TiTok(small_ema(), image_shape=(12, 12, 3)), "divide by 8"),
    (lambda: TiTok(small_ema(), image_shape=(None, 8, 3)), "numbers"),
    (
        lambda: TiTok(small_ema(), tokenizer=grid_model(stride=2), **SIZES),
        r"each of \(2, 3\) patches, received .*\(4, 6\)",
    ),
    (
        lambda: TiTok(small_ema(), tokenizer=two_stage_model(), **SIZES),
        "one code for each of .*, quantized by .'ResidualQuantizer'",
    ),
    (
        lambda: TiTok(small_ema(), **SIZES).decode(np.zeros((1, 1, 6), "int32")),
        r"the 5 tokens that the encoder has, \(batch, 1, 5\), received .*\(1, 1, 6\)",
    ),
]


@functools.cache
def trained(**options):
    keras.utils.set_random_seed(0)
    model = TiTok(small_ema(), **SIZES, **options)
    model(random_images(8, 8, 12, 3), training=True)
    return model


def test_codes_are_a_row_of_tokens_and_decode_to_the_reconstruction():
    model, images = trained(), random_images(4, 8, 12, 3)
    (codes,) = model.encode(images)
    assert codes.shape == (4, 1, 5) and model.layouts == ("tokens",)
    assert len(np.unique(codes)) > 1
    np.testing.assert_allclose(model.decode(codes), model(images), atol=1e-6)


def test_the_named_model_has_its_weights_and_codes():
    model = titok_64()
    count = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert count == 3_675_552
    assert model.quantizer.num_embeddings == 4096 and model.quantizer.grid == (1, 32)


def test_a_config_of_before_is_one_of_plain_blocks():
    config = trained().get_config()
    assert config.pop("block") == "plain"
    again = TiTok.from_config(config)
    again.set_weights(trained().get_weights())
    images = random_images(2, 8, 12, 3)
    np.testing.assert_array_equal(again(images), trained()(images))


def test_rotary_blocks_tell_patches_and_tokens_apart():
    model, images = trained(block="rotary"), random_images(4, 8, 12, 3)
    (codes,) = model.encode(images)
    np.testing.assert_allclose(model.decode(codes), model(images), atol=1e-6)
    # With one vector for all, tokens are alike, and see where patches are all the same.
    encoder = model.encoder
    vectors = encoder.vectors.numpy()
    encoder.vectors.assign(np.ones_like(vectors))
    features = encoder(images).numpy()
    rolled = encoder(np.roll(images, 4, axis=2)).numpy()
    encoder.vectors.assign(vectors)
    assert np.ptp(features, axis=2).max() < 1e-6
    assert np.abs(features - rolled).max() > 1e-3


def test_several_codes_a_token_go_through():
    stages = ResidualQuantizer([small_ema(), small_ema()])
    model = TiTok(stages, **SIZES)
    (codes,) = model.encode(random_images(2, 8, 12, 3))
    assert codes.shape == (2, 1, 5, 2)
    assert model.decode(codes).shape == (2, 8, 12, 3)


def test_images_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"image_shape=\(8, 12, 3\)"):
        trained().encode(random_images(2, 8, 8, 3))


def test_the_first_stage_learns_the_codes_of_the_tokenizer_and_the_second_pixels():
    keras.utils.set_random_seed(0)
    teacher, images = grid_model(), random_images(8, 8, 12, 3)
    teacher(images, training=True)
    first = TiTok(small_ema(), tokenizer=teacher, targets="codes", **SIZES)
    first.compile("adam", first.training_loss())
    frozen = [w.numpy() for w in teacher.weights]
    loss = first.evaluate(images, images, verbose=0)
    logits = first.decoder(first.quantizer(first.projection(first.encoder(images))))
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(
        teacher.encode(images)[0], logits
    )
    others = sum(first.quantizer.loss_terms(first.latents(images)[0]).values())
    assert loss == pytest.approx(float(expected + 0.25 * others), rel=1e-4)
    first.train_on_batch(images, images)
    for before, weight in zip(frozen, teacher.weights):
        np.testing.assert_array_equal(before, weight.numpy())
    second = TiTok(small_ema(), tokenizer=grid_model(), **SIZES)
    second.set_weights(first.get_weights())
    second.freeze_codes()
    paths = {weight.path.split("/")[0] for weight in second.trainable_weights}
    assert paths == {"decoder", "through_tokenizer"} or len(second.trainable_weights)
    codes = second.encode(images)[0]
    second.compile("adam", second.training_loss())
    before = second.tokenizer.decoder.get_weights()[0]
    second.train_on_batch(images, images)
    assert np.any(before != second.tokenizer.decoder.get_weights()[0])
    np.testing.assert_array_equal(second.encode(images)[0], codes)


def test_a_tokenizer_of_few_dimensions_gets_the_vectors_that_its_decoder_takes():
    teacher = VQVAE(
        low_dimensional(small_ema(), 6), image_shape=(8, 12, 3), **FEW_CHANNELS
    )
    model = TiTok(small_ema(), tokenizer=teacher, **SIZES)
    codes = np.array([[[3, 0, 1], [2, 2, 1]]], "int32")
    sure = 100 * np.eye(4, dtype="float32")[codes]
    np.testing.assert_allclose(model.through(sure), teacher.decode(codes), atol=1e-5)


def test_priors_over_tokens_draw_images_and_those_over_grids_are_refused():
    model = trained()
    sizes = {"num_layers": 1, "num_channels": 8, "num_heads": 1}
    prior = Transformer((1, 5), 4, **sizes)
    samples = Pipeline(model, [prior]).sample(2, seed=0)
    assert samples.images.shape == (2, 8, 12, 3)
    message = "prior of tokens, as the bottom codes stand, received PixelCNN.*maskgit"
    with pytest.raises(ValueError, match=message):
        Pipeline(model, [PixelCNN((1, 5), 4, num_channels=4)])


def test_the_explorer_shows_a_strip():
    explored = Explored(trained())
    assert explored.maps[0].grid == (1, 5) and "bottom 1 x 5" in explored.describe()
    codes = explored.encode(random_images(1, 8, 12, 3))
    assert ops.shape(explored.decode(codes)) == (1, 8, 12, 3)
