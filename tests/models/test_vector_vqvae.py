import keras
import numpy as np
import pytest
from keras import ops

from tests.helpers.case import Case, random_floats, small_ema
from tests.helpers.steps import compiled
from vqzoo.layers import (
    FiniteScalarQuantizer,
    GroupedQuantizer,
    MultiHeadQuantizer,
    ResidualQuantizer,
    SimVQ,
    VectorQuantizer,
    VectorQuantizerEMA,
)
from vqzoo.models import VectorVQVAE


def residual(num_stages=2, num_embeddings=4, dim=3, **options):
    return ResidualQuantizer(
        [
            VectorQuantizerEMA(num_embeddings, dim, seed=stage, **options)
            for stage in range(num_stages)
        ]
    )


def model_of(quantizer=None, **options):
    options = {"input_dim": 6, "hidden_dims": (5,), **options}
    return VectorVQVAE(quantizer or residual(), **options)


CASES = [
    Case("VectorVQVAE", model_of, (random_floats(8, 6),), random=True),
    Case(
        "VectorVQVAE-linear",
        lambda: model_of(VectorQuantizer(4, 2), hidden_dims=(), normalization=None),
        (random_floats(8, 6),),
    ),
    Case(
        "VectorVQVAE-whitening",
        lambda: model_of(small_ema(), normalization="whitening"),
        (random_floats(8, 6),),
        random=True,
    ),
]
REFUSED = [
    (lambda: model_of(input_dim=0), "input_dim=0"),
    (lambda: model_of(hidden_dims=(4, 0)), "hidden_dims=0"),
    (lambda: model_of(normalization="unit"), "mode='unit'"),
]


def clustered(num_vectors=600, dim=6, seed=0):
    """Vectors about 16 centers, far from the origin."""
    generator = np.random.default_rng(seed)
    centers = 3 * generator.normal(size=(16, dim)) + 10
    noise = 0.3 * generator.normal(size=(num_vectors, dim))
    return (centers[generator.integers(16, size=num_vectors)] + noise).astype("float32")


def relative_error(model, vectors):
    rebuilt = ops.convert_to_numpy(model(vectors))
    return np.square(rebuilt - vectors).mean() / vectors.var(axis=0).mean()


QUANTIZERS = {
    "residual": lambda: residual(2, 16, 6),
    "ema": lambda: VectorQuantizerEMA(16, 6, seed=0),
    "gradient": lambda: VectorQuantizer(16, 6),
    "rotation": lambda: residual(2, 16, 6, estimator="rotation"),
    "multi_head": lambda: MultiHeadQuantizer(VectorQuantizerEMA(16, 3, seed=0), 2),
    "grouped": lambda: GroupedQuantizer([VectorQuantizerEMA(16, 3) for _ in range(2)]),
    "fsq": lambda: FiniteScalarQuantizer((4, 4)),
    "sim_vq": lambda: SimVQ(16, 6, seed=0),
}


@pytest.mark.parametrize("name", QUANTIZERS)
def test_any_quantizer_of_the_zoo_codes_vectors(name):
    keras.utils.set_random_seed(0)
    model = model_of(QUANTIZERS[name]())
    vectors = clustered()
    model.adapt(vectors)
    if name not in ("fsq", "sim_vq"):  # whose codes are no means of clusters
        assert relative_error(model, vectors) < 0.15
    codes = model.encode(vectors[:5])
    assert len(codes) == 1 and len(codes[0]) == 5
    rebuilt = ops.convert_to_numpy(model.decode(codes))
    np.testing.assert_array_equal(rebuilt, ops.convert_to_numpy(model(vectors[:5])))


def test_the_start_is_residual_k_means_on_the_main_axes():
    vectors = clustered()
    model = model_of(residual(2, 16, 6))
    model.adapt(vectors)
    assert relative_error(model, vectors) < 0.01
    stage = model.quantizer.quantizers[0]
    codes = ops.convert_to_numpy(model.encode(vectors)[0])
    assert set(codes[:, 0]) == set(range(16))
    (latents,) = model.latents(vectors)
    latents = ops.convert_to_numpy(latents)
    for code in (0, 7):
        mean = latents[codes[:, 0] == code].mean(axis=0)
        np.testing.assert_allclose(stage.codebook[code], mean, atol=0.05)


def test_the_start_of_training_does_not_move_what_was_adapted():
    vectors = clustered()
    model = model_of(residual(2, 16, 6, decay=0.999, restart_threshold=0.0))
    model.adapt(vectors)
    before = relative_error(model, vectors)
    compiled(model, keras.optimizers.SGD(0.0), "mse")
    model.fit(vectors, epochs=3, verbose=0)
    assert relative_error(model, vectors) < 1.1 * before


def test_the_loss_is_relative_to_the_variance_of_the_data():
    vectors = clustered()
    model = model_of(residual(2, 16, 6, commitment_cost=0.0))
    model.adapt(vectors)
    compiled(model, "sgd", "mse")
    loss = model.evaluate(vectors, verbose=0, batch_size=600)
    assert loss == pytest.approx(relative_error(model, vectors), rel=1e-3)


def test_codes_of_the_first_stages_alone_decode():
    vectors = clustered()
    model = model_of(residual(2, 16, 6))
    model.adapt(vectors)
    (codes,) = model.encode(vectors)
    first = ops.convert_to_numpy(model.decode(codes[:, :1]))
    assert np.square(first - vectors).mean() / vectors.var(axis=0).mean() < 0.15


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        (np.zeros((3, 5), "float32"), r"vectors of shape \(batch, 6\).*\(3, 5\)"),
        (np.zeros(6, "float32"), r"\(batch, 6\).*\(6,\)"),
        ({"vector": np.zeros((3, 6))}, "hand over the vectors in it alone"),
    ],
)
def test_what_is_no_vector_of_the_width_is_refused(vectors, said):
    model = model_of()
    for door in (model.encode, model.latents):
        with pytest.raises(ValueError, match=said):
            door(vectors)


def test_too_few_vectors_to_place_the_codes_are_refused():
    with pytest.raises(ValueError, match="num_embeddings=4, received 3"):
        model_of().adapt(random_floats(3, 6))
