"""The laws that every public layer, metric and model keeps, each tried on each row."""

import contextlib
import functools
import inspect
import json

import keras
import numpy as np
import pytest
from keras import ops

import vqzoo
from tests.helpers import fresh_process
from tests.helpers.case import as_model, collected
from tests.helpers.steps import compiled

BACKEND = keras.backend.backend()
CASES, REFUSED = collected("CASES"), sum(collected("REFUSED").values(), [])
LAYERS = CASES["quantizers"] + CASES["layers"]
METRICS, MODELS, PRIORS = CASES["metrics"], CASES["models"], CASES["priors"]
ALL = LAYERS + METRICS + MODELS + PRIORS
NETWORKS = LAYERS + MODELS + PRIORS
FLOAT_NETWORKS = tuple(case for case in NETWORKS if case.takes_floats)

# Two test processes share the rows: each trains and saves its own half of them, once.
SHARES = 2


def rows_of_share(share):
    """Every second row."""
    return ALL[share::SHARES]


@functools.cache
def made(case):
    """What a row makes, for those who only ask it."""
    return case.make()


def each(chosen):
    """Runs a test for each row, all tests of a row in one process."""
    return pytest.mark.parametrize(
        "case",
        [
            pytest.param(
                case,
                id=str(case),
                marks=pytest.mark.xdist_group(f"rows {share_of(case)}"),
            )
            for case in chosen
        ],
    )


def share_of(case):
    """The half that holds a row."""
    return ALL.index(case) % SHARES


each_case = each(ALL)
each_metric = each(METRICS)
each_network = each(NETWORKS)
each_quantizer = each(case for case in LAYERS if hasattr(made(case), "decode"))
each_float_network = each(FLOAT_NETWORKS)


@pytest.fixture
def policy(request):
    """Sets the global dtype policy of one test."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(before)


def values(variables):
    """Copies of weights as arrays."""
    return [np.array(ops.convert_to_numpy(v.value)) for v in variables]


@functools.cache
def trained(case):
    """A model after one training step, and its weights before and after."""
    keras.utils.set_random_seed(1)
    model = as_model(case)
    before = values(model.weights)
    (inputs,) = case.inputs
    # It moves a weight however small its gradient is, and not without one.
    optimizer = keras.optimizers.Adam(0.01, epsilon=1e-20)
    if case.takes_floats:
        outputs = ops.convert_to_numpy(model(inputs))
        alike = outputs.shape == inputs.shape
        compiled(model, optimizer, "mse", jit_compile="auto")
        model.train_on_batch(inputs, np.flip(inputs) if alike else outputs + 1)
    elif case in PRIORS:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        compiled(model, optimizer, loss, jit_compile="auto")
        model.train_on_batch(inputs, inputs)
    return model, before, values(model.weights)


def compiled_calls(model, inputs, *, training):
    """Functions: the call in a graph, and that graph compiled by XLA; of JAX one.

    Weights are updated as an eager call would.
    """
    if BACKEND == "tensorflow":
        import tensorflow as tf

        graph = tf.function(lambda x: model(x, training=training))
        graph = graph.get_concrete_function(tf.constant(inputs))
        return graph, tf.function(graph, jit_compile=True)
    if BACKEND == "torch":  # Keras compiles nothing there unless it is told to.
        return (lambda x: ops.convert_to_numpy(model(x, training=training)),)
    import jax

    call = jax.jit(functools.partial(model.stateless_call, training=training))

    def compiled(inputs):
        trainable = [v.value for v in model.trainable_variables]
        others = [v.value for v in model.non_trainable_variables]
        outputs, others = call(trainable, others, inputs)
        for variable, value in zip(model.non_trainable_variables, others):
            variable.assign(value)
        return outputs

    return (compiled,)


def compiled_function(function):
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True)
    if BACKEND == "torch":
        return function
    import jax

    return jax.jit(function)


def assert_equal(received, expected):
    """Two tensors or arrays are the same to the bit."""
    received, expected = map(ops.convert_to_numpy, (received, expected))
    np.testing.assert_array_equal(received, expected)


def gradient_of(function, inputs):
    """The gradient in `inputs` of a weighted sum of what a function makes of them."""

    def weights(outputs):
        weights = np.cos(np.arange(outputs.shape[-1], dtype="float32"))
        return ops.convert_to_tensor(np.broadcast_to(weights, outputs.shape))

    if BACKEND == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(inputs := tf.constant(inputs))
            outputs = function(inputs)
            loss = ops.sum(outputs * weights(outputs))
        return tape.gradient(loss, inputs)
    if BACKEND == "torch":
        inputs = ops.convert_to_tensor(inputs).clone().requires_grad_()
        outputs = function(inputs)
        outputs.backward(weights(outputs))
        return inputs.grad
    import jax

    outputs, backward = jax.vjp(function, inputs)
    return backward(weights(outputs))[0]


def public_classes():
    modules = (vqzoo.layers, vqzoo.metrics, vqzoo.models, vqzoo.priors)
    public = [getattr(m, name) for m in modules for name in m.__all__]
    return {each for each in public if isinstance(each, type)}


def test_every_public_class_has_a_row():
    covered = {type(made(case)) for case in ALL}
    assert covered == public_classes()


def test_every_registered_class_is_public():
    registered = keras.saving.get_custom_objects()
    ours = {value for name, value in registered.items() if name.startswith("vqzoo>")}
    assert ours == public_classes()


@pytest.mark.once
@each_case
def test_the_class_is_registered_once_under_its_own_name(case):
    public = type(made(case))
    registered = keras.saving.get_custom_objects()
    names = [name for name, value in registered.items() if value is public]
    assert names == [f"vqzoo>{public.__name__}"]


@pytest.mark.once
@each_case
def test_a_config_survives_json(case):
    first = made(case)
    text = json.dumps(first.get_config(), sort_keys=True)
    again = type(first).from_config(json.loads(text))
    assert json.dumps(again.get_config(), sort_keys=True) == text


@pytest.mark.once
@each_case
def test_a_serialized_object_is_rebuilt_with_an_equal_config(case):
    first = made(case)
    text = json.dumps(keras.saving.serialize_keras_object(first), sort_keys=True)
    again = keras.saving.deserialize_keras_object(json.loads(text))
    assert type(again) is type(first)
    again = json.dumps(again.get_config(), sort_keys=True)
    assert again == json.dumps(first.get_config(), sort_keys=True)


@pytest.mark.once
@each(MODELS + PRIORS)
def test_a_clone_is_of_the_same_class_with_the_same_config(case):
    model = case.make()
    twin = keras.models.clone_model(model)
    assert type(twin) is type(model)
    assert json.dumps(twin.get_config()) == json.dumps(model.get_config())
    twin.set_weights(model.get_weights())


@pytest.mark.once
@each_case
def test_the_config_holds_every_constructor_argument(case):
    first = made(case)
    parameters = inspect.signature(type(first).__init__).parameters
    arguments = {
        name
        for name, parameter in parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD and name != "self"
    }
    assert arguments - set(first.get_config()) == set()
    assert [name for name in arguments if not hasattr(first, name)] == []


@each_network
def test_eager_and_compiled_inference_agree(case):
    model, _, _ = trained(case)
    (inputs,) = case.inputs
    eager = ops.convert_to_numpy(model(inputs, training=False))
    for call in compiled_calls(model, inputs, training=False):
        np.testing.assert_allclose(call(inputs), eager, rtol=1e-5, atol=1e-5)


@each(case for case in LAYERS if not case.random)
def test_eager_and_compiled_training_calls_agree(case):
    (inputs,) = case.inputs
    model = as_model(case)
    start = values(model.weights)
    expected = ops.convert_to_numpy(model(inputs, training=True))
    updated = values(model.weights)
    for call in compiled_calls(model, inputs, training=True):
        model.set_weights(start)
        outputs = call(inputs)
        np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)
        for weight, other in zip(values(model.weights), updated, strict=True):
            np.testing.assert_allclose(weight, other, rtol=1e-5, atol=1e-5)


@each(case for case in LAYERS if case.random)
def test_a_random_training_call_compiles(case):
    (inputs,) = case.inputs
    model = as_model(case)
    outputs = compiled_calls(model, inputs, training=True)[-1](inputs)
    assert np.isfinite(ops.convert_to_numpy(outputs)).all()
    assert all(np.isfinite(value).all() for value in values(model.weights))


@each_metric
def test_eager_and_compiled_metrics_agree(case):
    metric = case.make()

    def measure(*inputs):
        state = [ops.zeros_like(v.value) for v in metric.variables]
        return metric.stateless_result(metric.stateless_update_state(state, *inputs))

    eager = case.make()
    eager.update_state(*case.inputs)
    expected, received = eager.result(), compiled_function(measure)(*case.inputs)
    if not isinstance(expected, dict):
        expected, received = {"result": expected}, {"result": received}
    assert set(received) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(received[name], value, rtol=1e-5)


@each_network
def test_the_symbolic_shape_is_the_real_one(case):
    layer = case.make()
    (inputs,) = case.inputs
    symbol = keras.KerasTensor((None, *inputs.shape[1:]), dtype=inputs.dtype)
    symbolic = layer(symbol, **case.kwargs)
    real = layer(inputs, **case.kwargs)
    assert (len(inputs), *symbolic.shape[1:]) == tuple(real.shape)
    assert symbolic.shape[0] is None
    assert symbolic.dtype == keras.backend.standardize_dtype(real.dtype)
    others = {f"{k}_shape": v.shape for k, v in case.kwargs.items() if ops.is_tensor(v)}
    shape = layer.compute_output_shape((None, *inputs.shape[1:]), **others)
    assert tuple(shape) == tuple(symbolic.shape)


@pytest.mark.parametrize(
    "policy",
    ["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.once)],
    indirect=True,
    ids=str,
)
@each_float_network
def test_mixed_precision_stays_finite_and_keeps_float32_weights(case, policy):
    model = as_model(case)
    (inputs,) = case.inputs
    model(inputs, training=True)
    outputs = model(inputs, training=False)
    compute_dtype = policy.removeprefix("mixed_")
    is_layer = case in LAYERS
    expected = compute_dtype if is_layer else "float32"
    assert keras.backend.standardize_dtype(outputs.dtype) == expected
    outputs = ops.convert_to_numpy(ops.cast(outputs, "float32"))
    assert np.isfinite(outputs).all()
    assert {w.dtype for w in model.weights} == {"float32"}
    assert all(np.isfinite(value).all() for value in values(model.weights))
    assert all(np.isfinite(ops.convert_to_numpy(loss)) for loss in model.losses)


@pytest.mark.parametrize("policy", ["mixed_bfloat16"], indirect=True, ids=str)
@each(case for case in PRIORS if not case.name.endswith("Critic"))
def test_a_prior_in_mixed_precision_draws_nearly_what_one_in_float32_draws(
    case, policy
):
    prior = case.make()
    drawn = keras.tree.flatten(prior.sample(64, seed=1))[0]
    keras.config.set_dtype_policy("float32")
    exact = case.make()
    exact.set_weights(prior.get_weights())
    expected = keras.tree.flatten(exact.sample(64, seed=1))[0]
    assert len(np.unique(drawn[:, 0, 0])) > 1
    # The first place of each grid: later ones follow from it.
    assert (drawn == expected)[:, 0, 0].mean() > 0.9


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@each(case for case in METRICS if case.takes_floats)
def test_a_metric_of_half_precision_images_is_nearly_that_of_float32(case, dtype):
    exact, rounded = case.make(), case.make()
    exact.update_state(*case.inputs)
    rounded.update_state(*(ops.cast(x, dtype) for x in case.inputs))
    np.testing.assert_allclose(rounded.result(), exact.result(), rtol=5e-3)


@each_network
def test_inference_changes_no_weight(case):
    model, _, after = trained(case)
    (inputs,) = case.inputs
    model(inputs, training=False)
    model(inputs)
    fresh_process.codes_of(model, inputs)
    for before, now in zip(after, values(model.weights), strict=True):
        np.testing.assert_array_equal(now, before)


# What these hand the decoder at inference holds more than the codes: their docstrings
# say so, and that FrequencyLatents with all codes is not among them.
BEYOND_THEIR_CODES = {
    "FrequencyLatents",
    "ProjectedLatents",
    "SoftVectorQuantizer-soft-at-inference",
}


@each_quantizer
def test_decoding_the_codes_is_the_call_at_inference_but_for_hybrids(case):
    layer = case.make()
    (inputs,) = case.inputs
    layer(inputs, training=True)
    called = ops.convert_to_numpy(layer(inputs, training=False))
    decoded = ops.convert_to_numpy(layer.decode(layer.encode(inputs)))
    assert decoded.shape == called.shape and np.ptp(decoded) > 0
    is_hybrid = str(case) in BEYOND_THEIR_CODES
    assert np.array_equal(decoded, called) == (not is_hybrid)
    assert layer.is_hybrid == is_hybrid


@each(case for case in NETWORKS if case.takes_floats or case in PRIORS)
def test_one_step_moves_every_trainable_weight(case):
    model, before, after = trained(case)
    indices = [i for i, w in enumerate(model.weights) if w.trainable]
    assert len(indices) >= 2
    still = [
        model.weights[i].path for i in indices if np.array_equal(before[i], after[i])
    ]
    assert [p for p in still if not any(part in p for part in case.unmoved)] == []
    assert len(still) < len(indices)


@pytest.mark.once
@each_network
def test_other_weights_are_few_and_known(case):
    model, _, _ = trained(case)
    fixed = {w.name for w in model.non_trainable_weights}
    assert fixed <= {
        "batches",
        "code_counts",
        "coloring",
        "codebook",
        "codebook_start",
        "directions",
        "ema_counts",
        "ema_sums",
        "frozen_codebook",
        "has_values",
        "mapping_start",
        "mean",
        "moving_mean",
        "moving_variance",
        "nearest_counts",
        "projection",
        "scale",
        "shift_start",
        "started",
        "steps",
        "value_mean",
        "value_scale",
        "values",
        "variance",
        "variance_scale",
        "whitening",
    }


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Function: the rows of a share after a training step in files, and their outputs.

    Gives the folder, and arrays by row and name.
    """

    @functools.cache
    def save(share):
        folder = tmp_path_factory.mktemp("saved")
        expected = {}
        for case in rows_of_share(share):
            path = folder / f"{case}.keras"
            np.savez(path.with_suffix(".inputs.npz"), *case.inputs)
            if case in METRICS:
                config = keras.saving.serialize_keras_object(case.make())
                path = path.with_suffix(".json")
                path.write_text(json.dumps(config))
                expected[str(case)] = fresh_process.run_metric(path, *case.inputs)
                continue
            model, _, _ = trained(case)
            model.save(path)
            (inputs,) = case.inputs
            arrays = {"outputs": ops.convert_to_numpy(model(inputs, training=False))}
            for tier, codes in enumerate(fresh_process.codes_of(model, inputs)):
                arrays[f"codes_{tier}"] = ops.convert_to_numpy(codes)
            expected[str(case)] = arrays
        return folder, expected

    return save


@pytest.fixture(scope="module")
def reloaded(saved, load_elsewhere):
    """Function: what a new process gets from the files of a share, by backend."""
    return functools.cache(
        lambda share, backend: load_elsewhere(saved(share)[0], backend)
    )


@pytest.mark.once
@each_case
def test_a_fresh_process_loads_equal_outputs_and_codes(case, saved, reloaded):
    share = share_of(case)
    expected = saved(share)[1][str(case)]
    received = reloaded(share, BACKEND)[str(case)]
    assert_equal_codes_and_close(received, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
@each_case
def test_the_backends_agree(case, backend, saved, reloaded):
    if backend == BACKEND:
        pytest.skip(f"{backend} is the backend of this process")
    share = share_of(case)
    expected = saved(share)[1][str(case)]
    received = reloaded(share, backend)[str(case)]
    assert_equal_codes_and_close(received, expected, rtol=1e-4, atol=1e-5)


def assert_equal_codes_and_close(received, expected, **bounds):
    assert set(received) == set(expected)
    for name, value in expected.items():
        if value.dtype == np.int32:
            np.testing.assert_array_equal(received[name], value)
        else:
            np.testing.assert_allclose(received[name], value, **bounds)


@each_float_network
def test_all_equal_inputs_give_no_nan(case):
    model = as_model(case)
    start = values(model.weights)
    for value in (0.0, 0.25):
        model.set_weights(start)
        inputs = np.full_like(case.inputs[0], value)
        for training in (True, True, False):
            outputs = model(inputs, training=training)
            assert np.isfinite(ops.convert_to_numpy(outputs)).all()
            assert all(np.isfinite(ops.convert_to_numpy(loss)) for loss in model.losses)
        assert all(np.isfinite(weight).all() for weight in values(model.weights))


@each_quantizer
def test_an_empty_batch_gives_empty_outputs_and_codes(case):
    model, _, _ = trained(case)
    (inputs,) = case.inputs
    (layer,) = (each for each in model.layers if hasattr(each, "encode"))
    codes = layer.encode(inputs[:0])
    assert tuple(codes.shape) == (0, *layer.encode(inputs).shape[1:])
    outputs = layer(inputs[:0], training=False)
    assert tuple(outputs.shape) == (0, *inputs.shape[1:])


@each_float_network
def test_half_precision_inputs_give_finite_outputs(case):
    model, _, _ = trained(case)
    inputs = case.inputs[0].astype("float16")
    outputs = ops.convert_to_numpy(model(inputs, training=False))
    assert outputs.dtype == np.float32
    assert np.isfinite(outputs).all()


@pytest.mark.once
@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_an_impossible_argument_is_refused_with_its_value(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@contextlib.contextmanager
def frozen(model):
    """A model whose layers all are frozen, for a while."""
    flags = [(layer, layer.trainable) for layer in model._flatten_layers()]
    model.trainable = False
    yield
    for layer, flag in flags:
        layer.trainable = flag


def take_equal_kernels(model):
    """PyTorch's matmul takes another kernel, which rounds otherwise, for a learner."""
    if BACKEND == "torch":
        for variable in model.trainable_variables:
            variable.value.requires_grad_(False)


@each_network
def test_frozen_is_inference(case):
    # A layer that never was called: what starts from data must not start.
    model = case.make() if case in LAYERS else trained(case)[0]
    (inputs,) = case.inputs
    take_equal_kernels(model)
    expected = model(inputs, **case.kwargs)
    before = values(model.variables)
    with frozen(model):
        outputs = model(inputs, training=True, **case.kwargs)
        assert_equal(outputs, expected)
        if case.takes_floats and case in LAYERS:
            calls = (functools.partial(model, training=x) for x in (True, False))
            received, gradient = (gradient_of(call, inputs) for call in calls)
            assert_equal(received, gradient)
            assert np.any(ops.convert_to_numpy(gradient))
    for first, now in zip(before, values(model.variables), strict=True):
        np.testing.assert_array_equal(now, first)


def rows_of(case):
    """Inputs of a quantizer in rows that are coded alone: latents, or whole grids."""
    (inputs,) = case.inputs
    return inputs if codes_grids(case) else inputs.reshape(-1, inputs.shape[-1])


def codes_grids(case):
    return made(case).layout == "scales"


def batch_of(case, rows):
    """A batch of rows: all latents in one sequence, or each grid for itself."""
    return rows if codes_grids(case) else rows[None]


def in_rows(case, batch):
    batch = ops.convert_to_numpy(batch)
    return batch if codes_grids(case) else batch[0]


def trained_on(case, rows, **kwargs):
    """A fresh quantizer after a call on rows, its outputs and its loss."""
    keras.utils.set_random_seed(3)
    layer = case.make()
    outputs = layer(batch_of(case, rows), training=True, **kwargs)
    return (
        layer,
        in_rows(case, outputs),
        float(ops.convert_to_numpy(sum(layer.losses))),
    )


def assert_same_training(case, first, second, num_rows):
    """Two results of `trained_on` agree on their first rows, in loss and in state."""
    (layer, outputs, loss), (other, others, other_loss) = first, second
    for value in values(other.weights):
        assert np.isfinite(value).all() and np.abs(value).max(initial=0) < 20
    if not case.random:
        np.testing.assert_allclose(others[:num_rows], outputs[:num_rows], atol=1e-5)
        assert other_loss == pytest.approx(loss, rel=1e-4, abs=1e-6)
        for value, received in zip(values(layer.weights), values(other.weights)):
            np.testing.assert_allclose(received, value, atol=1e-5)


@each_quantizer
def test_masked_places_take_no_part(case):
    rows = rows_of(case)
    junk = np.full((5, *rows.shape[1:]), 50, "float32")
    padded = np.concatenate([rows, junk])
    mask = np.arange(len(padded)) < len(rows)
    batch, batch_mask = batch_of(case, padded), batch_of(case, mask)
    masked = trained_on(case, padded, mask=batch_mask)
    assert_same_training(case, trained_on(case, rows), masked, len(rows))
    layer, outputs, loss = masked
    assert np.isfinite(loss) and not outputs[~mask].any()
    encoded = layer.encode(batch, batch_mask)
    codes = in_rows(case, encoded)
    assert (codes[~mask] == -1).all()
    assert_equal(codes[mask], in_rows(case, layer.encode(batch_of(case, rows))))
    decoded = in_rows(case, layer.decode(encoded))
    assert decoded[mask].any() and not decoded[~mask].any()
    outputs = layer(ops.convert_to_tensor(batch), mask=batch_mask)
    assert_equal(outputs._keras_mask, batch_mask)


@each_quantizer
def test_latents_that_are_not_finite_touch_no_state_and_show(case):
    rows = rows_of(case)
    bad = np.zeros((3, *rows.shape[1:]), "float32")
    bad[..., 0] = np.array([np.nan, np.inf, -np.inf]).reshape(-1, *[1] * (bad.ndim - 2))
    layer, outputs, _ = trained_on(case, np.concatenate([rows, bad]))
    assert all(np.isfinite(value).all() for value in values(layer.weights))
    assert not np.isfinite(outputs[len(rows) :]).all(axis=-1).any()
    expected, _, _ = trained_on(case, rows)
    if not case.random:
        for value, now in zip(values(expected.weights), values(layer.weights)):
            np.testing.assert_allclose(now, value, atol=1e-5)


@each_quantizer
def test_a_step_without_latents_changes_no_weight(case):
    (inputs,) = case.inputs
    layer = case.make()
    layer(inputs, training=True)
    before = values(layer.weights)
    layer(inputs[:0], training=True)
    assert all(np.isfinite(ops.convert_to_numpy(loss)) for loss in layer.losses)
    for first, now in zip(before, values(layer.weights), strict=True):
        np.testing.assert_array_equal(now, first)


@each_quantizer
def test_codes_are_ints_in_their_range(case):
    layer = case.make()
    (inputs,) = case.inputs
    codes = ops.convert_to_numpy(layer.encode(layer(inputs)))
    expected = layer.decode(codes)
    for given in (codes.astype("int64"), codes.astype("uint16"), codes.tolist()):
        assert_equal(layer.decode(given), expected)
    wrong = codes.copy()
    wrong.flat[0] = layer.num_embeddings
    with pytest.raises(ValueError, match=f"to {layer.num_embeddings}"):
        layer.decode(wrong)
    with pytest.raises(ValueError, match="from -2"):
        layer.decode(np.full_like(codes, -2))
    with pytest.raises(ValueError, match="integer type.*float"):
        layer.decode(codes.astype("float32"))


@each(case for case in LAYERS if case.random)
def test_noise_goes_on_where_it_stood_when_a_model_is_loaded(case, tmp_path):
    (inputs,) = case.inputs
    model, again = as_model(case), as_model(case)
    model(inputs, training=True)
    model.save_weights(tmp_path / "a.weights.h5")
    again.load_weights(tmp_path / "a.weights.h5")
    for _ in range(2):
        expected = model(inputs, training=True)
        assert_equal(again(inputs, training=True), expected)
