import dataclasses
import types

import numpy as np
import pytest

from vqzoo import layers, quantizers, registry, training
from vqzoo.quantizers import making
from vqzoo.quantizers.assignments import BOUNDARIES
from vqzoo.training.kinds import coding

NAMES = registry.names("quantizers")


def made(name, **options):
    recipe = training.Recipe(
        quantizer=name, num_embeddings=64, embedding_dim=8, **options
    )
    return quantizers.make(recipe, 1)


@pytest.mark.parametrize("name", NAMES)
def test_each_named_quantizer_keeps_the_protocol(name):
    layer = made(name)
    shape = (2, 3, 3, layer.embedding_dim)
    latents = np.random.default_rng(0).normal(size=shape).astype("float32")
    layer(latents, training=True)
    codes = np.asarray(layer.encode(latents))
    if layer.layout == "grid":
        assert codes.shape[: codes.ndim - layer.code_axes] == (2, 3, 3)
    else:
        assert codes.shape == (2, 1, layer.scales.ends[-1])
    assert codes.min() >= 0
    assert codes.max() < layer.num_embeddings
    assert layer.decode(codes).shape == shape
    assert layer.name == "quantizer_1"
    for book in layer.codebooks:
        assert book.shape[0] == layer.num_embeddings


def test_the_settings_of_the_recipe_reach_the_layer():
    layer = made("ema", commitment_cost=2.0, decay=0.5, noise_stddev=(0.5, 1.5), seed=3)
    assert (layer.commitment_cost, layer.decay) == (2.0, 0.5)
    assert layer.assignment.stddev == 1.5
    assert layer.seed == 3001


def test_stages_have_seeds_of_their_own_and_noise_each():
    layer = made("residual", noise_stddev=(1.0,), quantizer_options=("num_stages=3",))
    assert len({stage.seed for stage in layer.quantizers}) == 3
    assert [stage.assignment.stddev for stage in layer.quantizers] == [1.0] * 3


def test_the_frequent_codes_are_a_share_of_all():
    options = ("share=0.25", "projected=True")
    layer = made("frequency_latents", quantizer_options=options)
    assert (layer.num_frequent, layer.projected) == (16, True)
    assert type(layer.quantizer) is layers.VectorQuantizer
    for name in ("frequency_latents", "projected_latents"):
        layer = made(name, quantizer_options=("codebook=ema", "decay=0.9"))
        assert type(layer.quantizer) is layers.VectorQuantizerEMA
        assert layer.quantizer.decay == 0.9
    with pytest.raises(ValueError, match="codebook of gradient or ema, received 'x'"):
        made("projected_latents", quantizer_options=("codebook=x",))


@pytest.mark.parametrize(
    ("num_embeddings", "levels"), [(512, (8, 8, 8)), (60_000, (8, 8, 8, 5, 5, 5))]
)
def test_levels_are_those_of_the_nearest_size(num_embeddings, levels):
    recipe = training.Recipe(quantizer="fsq", num_embeddings=num_embeddings)
    assert tuple(quantizers.make(recipe, 0).quantizer.levels) == levels


def test_options_are_literals_or_words():
    parsed = registry.parse_options(["levels=(8, 5)", "rate=0.5", "start=k_means"])
    assert parsed == {"levels": (8, 5), "rate": 0.5, "start": "k_means"}


@pytest.mark.parametrize("option", ["levels", "=3", "levels=", "8=3"])
def test_an_option_without_name_or_value_is_refused(option):
    with pytest.raises(ValueError, match="expected name=value"):
        training.Recipe(quantizer_options=(option,))


def test_an_option_that_the_quantizer_has_not_is_refused_with_the_flag():
    with pytest.raises(ValueError, match="--quantizer=ema .*num_heads=2.*num_heads"):
        made("ema", quantizer_options=("num_heads=2",))


def test_noise_on_sign_bits_is_refused_with_the_flag():
    with pytest.raises(ValueError, match="--quantizer=lfq"):
        made("lfq", noise_stddev=(1.0,))


def test_an_option_that_the_model_has_not_is_refused_with_the_flag():
    recipe = training.Recipe(model="vqvae_32", model_options=("num_levels=2",))
    with pytest.raises(ValueError, match="--model=vqvae_32 .*num_levels=2"):
        recipe.build_model((32, 32, 3))


def has(layer, name, wanted):
    layers_inside = layer._flatten_layers()
    return any(wanted(getattr(inner, name, None)) for inner in layers_inside)


@pytest.mark.parametrize("name", NAMES)
def test_noise_reaches_the_quantizer_or_is_refused_with_the_flag(name):
    try:
        layer = made(name, noise_stddev=(1.0,))
    except ValueError as error:
        assert f"--quantizer={name}" in str(error)
    else:
        assert has(layer, "assignment", lambda found: getattr(found, "stddev", 0) == 1)


@pytest.mark.parametrize("name", NAMES)
def test_sorted_codes_reach_the_quantizer_or_are_refused_with_the_flag(name):
    try:
        layer = made(name, sorted_codes=True)
    except ValueError as error:
        assert f"--quantizer={name}" in str(error)
        assert "--sorted_codes" in str(error)
        assert "sorted_codes" not in quantizers.uses(name)
    else:
        assert has(layer, "sorted_codes", bool)


@pytest.mark.parametrize("name", ["fsq", "residual_fsq"])
def test_grids_are_in_use_where_latents_are_short_and_off_their_middle(name):
    layer = made(name)
    shape = (500, layer.embedding_dim)
    latents = 0.02 * np.random.default_rng(0).normal(size=shape) + 0.3
    for _ in range(120):
        layer(latents.astype("float32"), training=True)
    codes = np.asarray(layer.encode(latents.astype("float32"))).reshape(500, -1)
    first_stage = np.unique(codes[:, 0])
    assert len(first_stage) > 0.8 * layer.num_embeddings


def test_a_name_says_which_settings_change_what_it_makes():
    common = {"num_embeddings", "embedding_dim"}
    noise = {"noise_stddev", "noise_boundary", "seed"}
    average = {"commitment_cost", "decay", "codebook_init", "restart_threshold"}
    average |= {"sorted_codes", "seed"}
    assert quantizers.uses("ema") == common | average | noise
    assert quantizers.uses("stochastic") == common | average
    assert quantizers.uses("gradient") == common | noise | {"commitment_cost"}
    assert quantizers.uses("random_projection") == common | {"seed"}
    assert quantizers.uses("fsq") == {"num_embeddings"} | noise
    assert quantizers.uses("lfq") == {"num_embeddings"}


def test_a_setting_that_an_option_replaces_is_not_read():
    view = making.TierSettings(training.Recipe(), 0)
    registry.find("quantizers", "ema")(view, decay=0.5, assignment=None)
    assert view.read & {"decay", "noise_stddev"} == set()
    assert view.read >= {"restart_threshold", "seed", "embedding_dim"}


def test_an_unknown_name_is_refused_with_those_that_there_are():
    settings = types.SimpleNamespace(quantizer="emma", quantizer_options=())
    with pytest.raises(ValueError, match="--quantizer=emma.*ema.*received 'emma'"):
        quantizers.make(settings, 0)


def test_the_boundaries_of_the_noise_are_those_that_a_recipe_offers():
    fields = {f.name: f for f in dataclasses.fields(coding.QuantizerSettings)}
    assert fields["noise_boundary"].metadata["choices"] == BOUNDARIES
