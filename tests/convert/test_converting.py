"""Checkpoints that are whole, in another precision or order, wrong, or mixed."""

import dataclasses
import json
import re

import numpy as np
import pytest

from tests.helpers.case import random_images
from tests.helpers.checkpoints import network, shares, state
from vqzoo import convert
from vqzoo.convert import converting, diffusers, janus, tables, taming
from vqzoo.convert import network as architecture
from vqzoo.layers import (
    FiniteScalarQuantizer,
    SimVQ,
    VectorQuantizer,
    VectorQuantizerEMA,
)

numpy_files = pytest.importorskip("safetensors.numpy")


@pytest.fixture(scope="module")
def model():
    return network()


@pytest.fixture
def saved(model, tmp_path):
    """Saves tensors, changed as asked for, with a config; gives the path."""

    def save(change=lambda tensors: None, config=None, family="taming"):
        tensors = state(model, family)
        change(tensors)
        path = tmp_path / "weights.safetensors"
        numpy_files.save_file(tensors, path)
        # Ours has groups of another size than these files would.
        given = {"norm_num_groups": 4} | (config or {})
        (tmp_path / "config.json").write_text(json.dumps(given))
        return path

    return save


@pytest.fixture(autouse=True)
def four_groups(monkeypatch):
    """taming's networks have 32 groups, which are more than channels here."""

    def make(described, config, side):
        return architecture.make(described, side, num_groups=4)

    changed = dataclasses.replace(taming.FAMILY, make=make)
    monkeypatch.setitem(converting.FAMILIES, "taming", changed)


@pytest.fixture(scope="module")
def expected(model):
    images = random_images(2, 8, 12, 3)
    codes, rebuilt = shares(model, images)
    assert len(np.unique(codes)) > 4
    return images, codes, rebuilt


def assert_same(found, expected):
    images, codes, rebuilt = expected
    received, again = shares(found, images)
    np.testing.assert_array_equal(received, codes)
    np.testing.assert_allclose(again, rebuilt, atol=1e-6)


@pytest.mark.parametrize("family", ["taming", "diffusers"])
def test_a_model_that_was_written_comes_back(expected, saved, family):
    found = convert.convert(saved(family=family))
    assert (found.family, found.left_out) == (family, [])
    assert found.model.channel_multipliers == (1, 2)
    assert found.model.attention_levels == (1,)
    assert_same(found.model, expected)


def test_what_belongs_to_training_is_left_out_and_listed(expected, saved):
    def more(tensors):
        tensors["loss.discriminator.main.0.weight"] = np.ones((2, 2), "float32")
        tensors["loss.logvar"] = np.ones((), "float32")

    found = convert.convert(saved(more))
    assert found.left_out == ["loss.discriminator.main.0.weight", "loss.logvar"]
    assert_same(found.model, expected)


def test_averages_of_weights_are_taken_where_a_file_has_them(expected, saved):
    def trained_on(tensors):
        for name in list(tensors):
            tensors["model_ema." + name.replace(".", "")] = tensors[name]
            tensors[name] = tensors[name] + 1
        tensors["model_ema.decay"] = np.float32([0.999])

    found = convert.convert(saved(trained_on))
    assert "model_ema.decay" in found.left_out
    assert_same(found.model, expected)


def test_names_of_a_larger_model_around_it_are_passed_over(expected, saved):
    def inside(tensors):
        for name in list(tensors):
            tensors[f"model.vqmodel.{name}"] = tensors.pop(name)
        tensors["model.language_model.norm.weight"] = np.ones(3, "float32")

    found = convert.convert(saved(inside))
    assert found.left_out == ["model.language_model.norm.weight"]
    assert_same(found.model, expected)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float16", 0.01), ("bfloat16", 0.1)])
def test_half_precision_is_read_as_it_is(model, saved, dtype, tolerance):
    import ml_dtypes

    kind = getattr(ml_dtypes, dtype, dtype)
    change = {}

    def halve(tensors):
        change.update({name: value.astype(kind) for name, value in tensors.items()})
        tensors.update(change)

    found = convert.convert(saved(halve)).model
    kernel = change["quant_conv.weight"].astype("float32")[:, :, 0, 0].T
    np.testing.assert_array_equal(np.asarray(found.projection.kernel)[0, 0], kernel)
    codes, _ = shares(model, random_images(1, 8, 8, 3))
    difference = np.abs(
        np.asarray(found.decode(codes)) - np.asarray(model.decode(codes))
    )
    assert 0 < difference.max() < tolerance


def test_a_tensor_too_many_or_too_few_is_an_error_that_lists_both_sides(saved):
    def change(tensors):
        tensors["encoder.mid.block_3.conv1.weight"] = np.ones(3, "float32")
        del tensors["decoder.norm_out.bias"]
        tensors["quant_conv.bias"] = np.ones(7, "float32")

    with pytest.raises(convert.ConvertError) as error:
        convert.convert(saved(change))
    text = str(error.value)
    assert "for no weight (1): encoder.mid.block_3.conv1.weight" in text
    assert "no tensor fills (1): decoder/norm_out/beta (decoder.norm_out.bias)" in text
    assert "shapes that differ (1): quant_conv.bias: (7,) for (3,)" in text


def test_a_checkpoint_of_two_networks_is_refused(expected, saved):
    other = state(network(num_channels=8))

    def mix(tensors):
        tensors.update({k: v for k, v in other.items() if k.startswith("decoder.up.")})

    with pytest.raises(convert.ConvertError, match=r"shapes that differ \(\d+\): dec"):
        convert.convert(saved(mix))


def test_an_encoder_alone_is_no_model(saved):
    def encoder(tensors):
        for name in [name for name in tensors if name.startswith("decoder")]:
            del tensors[name]

    with pytest.raises(convert.ConvertError, match=r"no tensor fills \(\d+\): decoder"):
        convert.convert(saved(encoder))


def test_another_family_than_the_files_is_refused(saved):
    with pytest.raises(convert.ConvertError, match=r"diffusers \(.*such as decoder\."):
        convert.convert(saved(), family="diffusers")
    with pytest.raises(convert.ConvertError, match="one of var, taming.*'magvit'"):
        convert.convert(saved(), family="magvit")


def test_tensors_of_no_family_are_refused(tmp_path):
    numpy_files.save_file({"layer.weight": np.ones(2)}, tmp_path / "x.safetensors")
    with pytest.raises(convert.ConvertError, match="1 tensors, such as layer.weight"):
        convert.convert(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"num_vq_embeddings": 512}, "num_vq_embeddings=512 for 16"),
        (
            {"block_out_channels": [4, 16]},
            r"block_out_channels=\[4, 16\] for \[4, 8\]",
        ),
        ({"norm_type": "spatial"}, "norm_type='spatial' for 'group'"),
        ({"norm_num_groups": 3}, "num_groups=3"),
    ],
)
def test_a_config_that_contradicts_the_weights_is_refused(saved, config, said):
    with pytest.raises(convert.ConvertError, match=said):
        convert.convert(saved(config=config, family="diffusers"))


def test_a_yaml_of_taming_is_held_against_the_weights(expected, saved):
    yaml = pytest.importorskip("yaml")
    path = saved()
    (path.parent / "config.json").unlink()
    params = {
        "n_embed": 16,
        "ddconfig": {"ch": 4, "resolution": 32, "ch_mult": [1, 2]},
    }
    beside = path.with_suffix(".yaml")
    beside.write_text(yaml.safe_dump({"model": {"params": params}}))
    assert convert.convert(path).model.image_shape == (32, 32, 3)
    params["ddconfig"]["ch"] = 8
    beside.write_text(yaml.safe_dump({"model": {"params": params}}))
    with pytest.raises(convert.ConvertError, match="ddconfig.ch=8 for 4"):
        convert.convert(path)
    beside.write_text("!!python/object/apply:os.system ['true']")
    with pytest.raises(convert.ConvertError, match="not plain YAML"):
        convert.convert(path)


def test_weights_that_are_no_numbers_are_refused(saved):
    def spoil(tensors):
        tensors["quant_conv.bias"] = np.full(3, np.nan, "float32")

    with pytest.raises(convert.ConvertError, match="finite.*quant_conv.bias"):
        convert.convert(saved(spoil))


def test_a_wrong_table_is_found_out(expected, saved):
    # What parity is worth: two names that change places, of tensors of one shape.
    path = saved(family="diffusers")
    for change in (
        {"attention": diffusers.ATTENTION | {"to_q": "value", "to_v": "query"}},
        {"block": diffusers.BLOCK | {"norm1": "norm_2", "norm2": "norm_1"}},
    ):
        parts = {"block": diffusers.FAMILY_BLOCK, "attention": diffusers.ATTENTION}
        tensors = {"quantize.embedding.weight": architecture.CODEBOOK}
        names = tables.Names(diffusers.MODULES, tensors, **{**parts, **change})
        wrong = dataclasses.replace(diffusers.FAMILY, names=names)
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(converting.FAMILIES, "diffusers", wrong)
            try:
                found = convert.convert(path).model
            except convert.ConvertError as error:
                assert "shapes that differ" in str(error)
                continue
        differing = np.abs(shares(found, expected[0])[1] - expected[2])
        assert differing.max() > 1e-2
    less = {k: v for k, v in taming.MODULES.items() if k != "encoder.mid.attn_1"}
    names = tables.Names(less | taming.FINEST_FIRST, taming.TENSORS)
    wrong = dataclasses.replace(converting.FAMILIES["taming"], names=names)
    path = saved()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(converting.FAMILIES, "taming", wrong)
        with pytest.raises(convert.ConvertError, match=r"no weight \(20\): enc"):
            convert.convert(path)


def test_levels_of_the_decoder_are_counted_from_either_end():
    names = converting.FAMILIES["taming"].names
    assert names.to_model("decoder.up.0.block.1.conv1.weight", 4) == (
        "decoder/up_4_block_1/conv_1/kernel"
    )
    assert names.to_source("decoder/up_1_doubling/kernel", 4) == (
        "decoder.up.3.upsample.conv.weight"
    )


def test_images_whose_sides_do_not_divide_are_refused(saved):
    found = convert.convert(saved()).model
    with pytest.raises(ValueError, match=re.escape("divide by 2, received shape=(1,")):
        found.encode(random_images(1, 17, 16, 3))


def test_a_model_that_another_library_has_not_is_not_written(model, tmp_path):
    with pytest.raises(convert.ConvertError, match="taming.*diffusers.*'llamagen'"):
        convert.save_as(model, tmp_path / "x.safetensors", "llamagen")
    from vqzoo.models import vqvae_32

    with pytest.raises(convert.ConvertError, match="no name there: .*encoder"):
        convert.save_as(vqvae_32(), tmp_path / "x.safetensors", "diffusers")


@pytest.mark.parametrize(
    "quantizer",
    [
        lambda: VectorQuantizerEMA(16, 3),
        lambda: VectorQuantizer(16, 3, normalize=True),
        lambda: SimVQ(16, 3),
    ],
)
def test_what_was_trained_here_is_written_with_the_vectors_of_its_codes(
    quantizer, tmp_path
):
    trained = network(quantizer=quantizer())
    images = random_images(2, 8, 12, 3)
    path = tmp_path / "x.safetensors"
    config = convert.save_as(trained, path, "diffusers")
    assert config["norm_num_groups"] == 4 and config["num_vq_embeddings"] == 16
    (tmp_path / "config.json").write_text(json.dumps(config))
    again = convert.convert(path).model
    codes, rebuilt = shares(trained, images)
    assert len(np.unique(codes)) > 2
    assert_same(again, (images, codes, rebuilt))


def test_a_model_whose_codes_are_not_the_nearest_is_not_written(model, tmp_path):
    path = tmp_path / "x.safetensors"
    for quantizer in (janus.unit_length(16, 3), FiniteScalarQuantizer((4, 4, 4))):
        other = network(quantizer=quantizer)
        with pytest.raises(convert.ConvertError, match="take the nearest code"):
            convert.save_as(other, path, "diffusers")
    with pytest.raises(convert.ConvertError, match="num_groups=32, .*received 4"):
        convert.save_as(model, path, "taming")
    assert not path.exists()
