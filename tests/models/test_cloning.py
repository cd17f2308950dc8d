import keras
import numpy as np
import pytest

from tests.helpers.small_models import make_images, make_model, to_floats
from vqzoo.models.cloning import clone


def test_a_clone_of_mixed_precision_is_float32_throughout():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = make_model("two tiers")
        copy = clone(model)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    policies = {layer.dtype_policy.name for layer in copy._flatten_layers()}
    assert policies == {"float32"}
    assert len(copy.weights) == len(model.weights)
    for weight, known in zip(copy.get_weights(), model.get_weights()):
        np.testing.assert_array_equal(weight, known)


@pytest.mark.parametrize("kind", ["one tier", "two tiers"])
def test_a_clone_in_bfloat16_keeps_codebooks_and_distances_in_float32(kind):
    model = make_model(kind)
    copy = clone(model, "bfloat16")
    kept = [each for layer in copy.quantizers for each in layer.weights]
    assert {str(weight.dtype) for weight in kept} == {"float32"}
    others = [w for w in copy.weights if id(w) not in {id(each) for each in kept}]
    assert {str(weight.dtype) for weight in others} == {"bfloat16"}
    images = to_floats(make_images(4, model.image_shape[0]))
    codes = model.encode(images)
    np.testing.assert_allclose(copy.decode(codes), model.decode(codes), atol=0.03)
    assert not np.array_equal(copy.decode(codes), model.decode(codes))
