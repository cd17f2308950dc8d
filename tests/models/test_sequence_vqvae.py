import keras
import numpy as np
import pytest
from keras import ops

from tests.helpers.case import FEW_CHANNELS, Case, random_floats, small_ema
from tests.helpers.steps import compiled
from vqzoo.layers import (
    FiniteScalarQuantizer,
    NoisyAssignment,
    ResidualQuantizer,
    VectorQuantizer,
    VectorQuantizerEMA,
)
from vqzoo.models import SequenceVQVAE


def small(quantizer=None, **options):
    options = {"sequence_shape": (None, 3), **FEW_CHANNELS, **options}
    return SequenceVQVAE(quantizer or VectorQuantizerEMA(16, 4, seed=1), **options)


def residual():
    stages = [VectorQuantizer(8, 4) for _ in range(2)]
    return small(ResidualQuantizer(stages), causal=True, num_residual_blocks=2)


CASES = [
    Case("SequenceVQVAE", lambda: small(small_ema()), (random_floats(2, 8, 3),)),
    Case(
        "SequenceVQVAE-causal",
        lambda: small(
            VectorQuantizer(4, 2), sequence_shape=(10, 3), causal=True, stride=2
        ),
        (random_floats(2, 10, 3),),
    ),
]
REFUSED = [
    (lambda: small(stride=3), "stride=3"),
    (lambda: small(sequence_shape=(8, None)), r"channels.*\(8, None\)"),
    (lambda: small(sequence_shape=(8,)), r"\(time, channels\).*\(8,\)"),
    (lambda: small(encoder_kernel_size=1), "encoder_kernel_size=1"),
    (lambda: small(encoder_kernel_size=2, stride=1), "stride=1"),
]


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def started(model):
    """A model whose normalization and codebook know some sequences."""
    model.projection.kernel.assign(20 * model.projection.kernel)
    model.adapt(data(8, 32))
    return model


def data(batch, time):
    return 3 * random_floats(batch, time, 3) + 5


@pytest.fixture(scope="module", params=["causal", "both_ways", "residual", "fsq"])
def model(request):
    made = {
        "causal": lambda: small(causal=True),
        "both_ways": small,
        "residual": residual,
        "fsq": lambda: small(FiniteScalarQuantizer((5, 5, 3)), causal=True),
    }
    return started(made[request.param]())


def test_the_weights_by_hand():
    model = small(stride=4)
    block = (3 * 8 * 4 + 4) + (4 * 8 + 8)
    encoder = (4 * 3 * 4 + 4) + (4 * 4 * 8 + 8) + (3 * 8 * 8 + 8) + block
    decoder = (3 * 4 * 8 + 8) + block + (3 * 8 * 8 + 8) + (3 * 4 * 6 + 6)
    weights = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert weights == encoder + (8 * 4 + 4) + decoder


def test_decoding_the_codes_is_the_reconstruction_to_the_bit(model):
    for time in (16, 13):
        sequences = data(3, time)
        rebuilt = numpy(model(sequences))
        codes = model.encode(sequences)
        assert rebuilt.shape == sequences.shape and rebuilt.std() > 0
        assert codes[0].shape[:2] == (3, 4) and numpy(codes[0]).dtype == "int32"
        np.testing.assert_array_equal(numpy(model.decode(codes, time)), rebuilt)


def test_a_masked_sequence_is_coded_as_it_is_alone(model):
    lengths = (16, 13, 4, 1)
    sequences = data(4, 16)
    mask = np.arange(16) < np.array(lengths)[:, None]
    junk = np.where(mask[..., None], sequences, np.nan)
    (codes,) = model.encode(junk, mask)
    rebuilt = numpy(model(np.where(mask[..., None], sequences, 1e6), mask=mask))
    for row, length in enumerate(lengths):
        (alone,) = model.encode(sequences[row : row + 1, :length])
        places = alone.shape[1]
        np.testing.assert_array_equal(numpy(codes)[row, :places], numpy(alone)[0])
        assert (numpy(codes)[row, places:] == -1).all()
        expected = numpy(model(sequences[row : row + 1, :length]))[0]
        np.testing.assert_allclose(rebuilt[row, :length], expected, atol=1e-5)
        assert not rebuilt[row, length:].any()
    decoded = numpy(model.decode(codes))
    np.testing.assert_allclose(decoded[0], rebuilt[0], atol=1e-5)
    assert not decoded[2, 4:].any()


@pytest.mark.parametrize("name", ["causal", "residual", "fsq"])
def test_chunks_of_any_length_give_the_codes_of_the_whole(name):
    quantizer = {"causal": None, "fsq": FiniteScalarQuantizer((5, 5, 3))}.get(name)
    model = residual() if name == "residual" else small(quantizer, causal=True)
    started(model)
    sequences = data(2, 61)
    state, start, parts = model.start_stream(2), 0, []
    for length in (1, 2, 4, 0, 9, 16, 3, 20, 6):
        chunk = sequences[:, start : start + length]
        (codes,), state = model.encode_chunk(chunk, state)
        parts.append(numpy(codes))
        start += length
    assert start == 61 and sum(part.shape[1] for part in parts) == 15
    (codes,), state = model.encode_chunk(sequences[:, :0], state, last=True)
    together = np.concatenate([*parts, numpy(codes)], axis=1)
    np.testing.assert_array_equal(together, numpy(model.encode(sequences)[0]))
    assert len(np.unique(together)) > 1
    (codes,), _ = model.encode_chunk(sequences[:, :0], state, last=True)
    assert codes.shape[1] == 0


def test_a_causal_model_sees_nothing_of_what_comes():
    for causal in (True, False):
        model = started(small(causal=causal, num_residual_blocks=2))
        sequences = data(1, 32)
        changed = sequences.copy()
        changed[:, 16:] += 9
        (before,), (after,) = model.latents(sequences), model.latents(changed)
        moved = np.abs(numpy(before) - numpy(after)).max(axis=(0, 2)) > 0
        assert moved[4:].all() and moved[:4].any() == (not causal)
        codes = numpy(model.encode(sequences)[0])
        other = codes.copy()
        other[:, 4:] = (other[:, 4:] + 1) % 16
        outputs = [numpy(model.decode(grids))[0] for grids in (codes, other)]
        moved = np.abs(outputs[0] - outputs[1]).max(axis=1) > 0
        assert moved[16:].any() and moved[:16].any() == (not causal)


def test_sequences_that_cannot_be_taken_are_refused_with_what_to_do():
    model = small()
    ragged = [np.zeros((8, 3)), np.zeros((5, 3))]
    with pytest.raises(ValueError, match="pad_sequences.*mask=.*from 5 to 8"):
        model.encode(ragged)
    with pytest.raises(ValueError, match=r"\(batch, None, 3\).*\(2, 8, 4\)"):
        model.encode(np.zeros((2, 8, 4)))
    wrong = np.zeros((3, 8, 3))
    wrong[1, 5, 2] = np.nan
    with pytest.raises(ValueError, match="in 1 of 3.*sequence 1 at step 5"):
        model.encode(wrong)
    with pytest.raises(ValueError, match=r"mask.*\(2, 8, 3\).*\(2, 7\)"):
        model.encode(np.zeros((2, 8, 3)), np.ones((2, 7)))
    with pytest.raises(ValueError, match="causal=False"):
        model.start_stream()


def test_masked_steps_have_no_loss_and_move_no_weight():
    sequences = data(4, 14)
    mask = np.arange(14) < np.array([14, 12, 6, 0])[:, None]
    histories = []
    for junk in (0.0, 1e4):
        keras.utils.set_random_seed(1)
        model = compiled(small(VectorQuantizer(8, 4)), keras.optimizers.SGD(0.1), "mse")
        batch = np.where(mask[..., None], sequences, junk)
        given = {"sequence": batch, "mask": mask, "label": np.zeros(4)}
        fitted = model.fit(given, batch_size=4, epochs=3, verbose=0)
        histories.append(fitted.history["loss"])
    assert histories[0] == pytest.approx(histories[1], rel=1e-5)
    assert histories[0][0] > histories[0][-1] > 0


def test_the_loss_is_that_of_normalized_channels_and_the_commitment():
    model = started(small(VectorQuantizerEMA(16, 4, commitment_cost=0.5)))
    model.compile("sgd", "mse", metrics=["mse"])
    sequences = data(4, 16)
    received = model.evaluate(sequences, batch_size=4, verbose=0, return_dict=True)
    error = numpy(model(sequences)) - sequences
    stddev = numpy(model.normalizing.scale)
    (latents,) = model.latents(sequences)
    commitment = float(numpy(model.quantizer.loss_terms(latents)["commitment"]))
    expected = np.square(error / stddev).mean() + 0.5 * commitment
    assert received["loss"] == pytest.approx(expected, rel=1e-4)
    metric = received.get("mse", received.get("mean_squared_error"))
    assert metric == pytest.approx(np.square(error).mean(), rel=1e-4)


def test_units_of_channels_change_no_code():
    sequences, codes = data(4, 64), []
    units = np.array([1.0, 1e4, 1e-4])
    for scaled in (sequences, sequences * units + 7 * units):
        keras.utils.set_random_seed(1)
        model = started(small(FiniteScalarQuantizer((8, 8))))
        model.adapt(scaled)
        codes.append(numpy(model.encode(scaled)[0]))
    assert (codes[0] == codes[1]).mean() > 0.98
    assert len(np.unique(codes[0])) > 4


def test_what_is_masked_is_not_adapted_to():
    sequences, mask = data(40, 16), np.arange(40 * 16).reshape(40, 16) % 16 < 11
    states = []
    for junk in (0.0, 1e6):
        keras.utils.set_random_seed(1)
        model = small(normalization="whitening")
        model.adapt(np.where(mask[..., None], sequences, junk), mask)
        states.append(model.get_weights())
    for first, second in zip(*states, strict=True):
        np.testing.assert_allclose(second, first, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        model.normalizing.mean, sequences[mask].mean(axis=0), rtol=1e-3
    )
    assert model.encode(sequences)[0].shape == (40, 4)


def test_training_learns_waves():
    noise = NoisyAssignment(0.5, seed=1)
    model = small(VectorQuantizerEMA(16, 4, assignment=noise), num_channels=16)
    phases = np.linspace(0, 6, 16)[:, None, None]
    waves = np.sin(np.arange(16)[:, None] * [0.3, 0.5, 0.7] + phases)
    model.adapt(waves)
    compiled(model, keras.optimizers.Adam(0.01), "mse")
    model.fit(waves, epochs=30, batch_size=16, verbose=0)
    assert np.square(numpy(model(waves)) - waves).mean() < 0.6 * waves.var()
