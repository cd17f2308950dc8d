import keras
import numpy as np
import pytest

from tests.helpers.case import Case, random_codes, random_floats
from vqzoo import registry
from vqzoo.priors import MDNRNN, CodeLSTM, FrameTransformer, mixture

CODES = (((1, 2), 4), ((2,), 3))  # two tiers, of 4 and of 3 codes
SMALL = {
    "code_lstm": lambda **known: CodeLSTM(
        CODES, num_units=6, num_channels=3, num_frames=4, **known
    ),
    "frame_transformer": lambda **known: FrameTransformer(
        CODES,
        context=2,
        num_layers=2,
        num_channels=8,
        num_heads=2,
        dropout=0.0,
        num_frames=4,
        **known,
    ),
    "mdn_rnn": lambda **known: MDNRNN(
        (((2,), 0),), num_units=5, num_mixtures=2, num_frames=4, **known
    ),
}
CASES = [
    Case("MDNRNN", SMALL["mdn_rnn"], (random_floats(3, 4, 2),)),
    Case(
        "CodeLSTM",
        lambda: CodeLSTM((((1, 2), 4),), num_units=6, num_channels=3, num_frames=3),
        (random_codes(3, 3, 2),),
    ),
    Case(
        "FrameTransformer",
        lambda: FrameTransformer(
            (((1, 2), 4),),
            context=2,
            num_layers=1,
            num_channels=8,
            num_heads=2,
            num_frames=3,
            seed=1,
        ),
        (random_codes(3, 3, 2),),
        random=True,
    ),
]
REFUSED = [
    (lambda: CodeLSTM((((2, 2), 0),)), "tiers of codes"),
    (lambda: MDNRNN((((2, 2), 8),)), "tiers of real-valued latents"),
    (lambda: MDNRNN((((2,), 0),), num_actions=2, action_dim=1), "action_dim=1"),
    (lambda: MDNRNN((((2,), 0),), num_frames=1), "num_frames=1"),
    (lambda: MDNRNN((((2,), 0),), reward_values=(1, 0)), r"reward_values=\(1, 0\)"),
    (lambda: MDNRNN((((2,), 0),), num_mixtures=0), "num_mixtures=0"),
    (lambda: FrameTransformer(CODES, context=1), "context=1"),
]
each_kind = pytest.mark.parametrize("kind", SMALL)


@pytest.fixture(scope="module")
def memories():
    """A memory of each kind, with actions, and one of films."""
    keras.utils.set_random_seed(0)
    game = {"num_actions": 3, "reward_values": (-1.0, 0.0, 2.0)}
    made = {(kind, True): make(**game) for kind, make in SMALL.items()}
    made |= {(kind, False): make() for kind, make in SMALL.items()}
    generator = np.random.default_rng(0)
    for memory in made.values():
        for weight in memory.trainable_variables:
            noise = generator.normal(0, 0.3, weight.shape)
            value = keras.ops.convert_to_numpy(weight.value)
            weight.assign(value + noise.astype("float32"))
    return made


def frames_of(memory, *shape, seed=0):
    generator = np.random.default_rng(seed)
    if not memory.takes_codes:
        return generator.normal(size=(*shape, memory.frame_size)).astype("float32")
    counts = np.repeat([4, 3], 2)
    return generator.integers(counts, size=(*shape, 4)).astype("int32")


def actions_of(*shape):
    return np.random.default_rng(1).integers(3, size=shape).astype("int32")


def outputs_of(memory, frames, actions):
    outputs = memory({"latents": frames, "actions": actions})
    return {k: keras.ops.convert_to_numpy(v) for k, v in outputs.items()}


@each_kind
def test_a_frame_is_described_by_frames_and_actions_before_it(kind, memories):
    memory = memories[kind, True]
    frames, actions = frames_of(memory, 1, 4), actions_of(1, 4)
    first = outputs_of(memory, frames, actions)
    for name, changed in (("latents", frames.copy()), ("actions", actions.copy())):
        changed[0, 1] = (changed[0, 1] + 1) % 3
        given = {"latents": frames, "actions": actions, name: changed}
        other = outputs_of(memory, given["latents"], given["actions"])
        for part, values in first.items():
            moved = np.abs(values - other[part]).reshape(4, -1).max(axis=1) > 1e-6
            # The frame's own codes see each other where they are drawn in order.
            itself = memory.columns != (None,) and (name, part) == ("latents",) * 2
            assert moved.tolist() == [False, itself, True, True], (name, part)


@pytest.mark.parametrize(
    ("kind", "with_actions"), [*((kind, True) for kind in SMALL), ("code_lstm", False)]
)
def test_imagination_from_states_is_that_of_the_whole_network(
    kind, with_actions, memories
):
    memory = memories[kind, with_actions]
    known = frames_of(memory, 3, 2)
    # Beyond the context of a transformer, and the frames that it was made for.
    actions = actions_of(3, 7) if with_actions else None
    kept, anew = (
        memory.dream(
            known, actions, num_frames=7, temperature=1.3, seed=5, cached=cached
        )
        for cached in (True, False)
    )
    np.testing.assert_array_equal(kept["latents"][:, :2], known)
    for name, values in kept.items():
        np.testing.assert_allclose(values, anew[name], rtol=2e-5, atol=2e-5)
    assert len(np.unique(kept["latents"][:, 2:])) > 1
    other = memory.dream(known, actions, num_frames=7, seed=6)["latents"]
    assert not np.array_equal(other, kept["latents"])
    if with_actions:
        assert set(np.unique(kept["rewards"])) <= {-1.0, 0.0, 2.0}
        assert len(np.unique(kept["rewards"])) > 1


def test_a_known_frame_at_once_is_that_of_its_codes_one_by_one(memories):
    memory = memories["frame_transformer", True]
    frames, actions = frames_of(memory, 3, 5), actions_of(3, 5)
    state = memory.start(3)
    for place in range(5):

        def code(outputs, column, place=place):
            return keras.ops.take(frames[:, place], column, axis=1)

        slowly = memory._frame(state, actions[:, place - 1], code)
        at_once = memory._known_frame(state, actions[:, place - 1], frames[:, place])
        for one, other in zip(*map(keras.tree.flatten, (slowly, at_once)), strict=True):
            one, other = map(keras.ops.convert_to_numpy, (one, other))
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
        state = {**at_once[1], "frame": np.int32(place + 1)}


@each_kind
def test_frames_step_by_step_are_those_of_a_dream(kind, memories):
    memory = memories[kind, True]
    frames, actions = frames_of(memory, 2, 2), actions_of(2, 2)
    state = memory.observe(memory.start(2), frames[:, 0])
    state = memory.observe(state, frames[:, 1], actions[:, 0])
    drawn = [memory.imagine(state, actions[:, 1], seed=seed) for seed in (3, 3, 4)]
    np.testing.assert_array_equal(drawn[0][0], drawn[1][0])
    assert not np.array_equal(drawn[0][0], drawn[2][0])
    latents, rewards, ends, after = drawn[0]
    np.testing.assert_array_equal(after["latents"], latents)
    assert rewards.shape == ends.shape == (2,)
    assert len(after["features"]) == 2 and np.abs(after["features"]).max() > 0


@each_kind
def test_films_of_one_frame_go_through_the_network_after_steps_did(kind, memories):
    memory = memories[kind, True]
    frames, actions = frames_of(memory, 2, 1), actions_of(2, 1)
    memory.observe(memory.start(2), frames[:, 0])
    assert memory.log_prob(frames, actions).shape == (2, 1)
    memory.observe(memory.start(2), frames[:, 0])


@each_kind
def test_log_likelihoods_are_those_of_the_outputs(kind, memories):
    memory = memories[kind, True]
    frames, actions = frames_of(memory, 2, 4), actions_of(2, 4)
    rewards = np.array([[0, 2, -1, 0], [2, 0, 0, -1]], "float32")
    ends = np.array([[0, 0, 1, 0], [0, 0, 0, 0]], bool)
    outputs = outputs_of(memory, frames, actions)
    alone = memory.log_prob(frames, actions)
    both = memory.log_prob(frames, actions, rewards, ends)
    np.testing.assert_array_equal(alone[:, 0], both[:, 0])
    # Of the action at frame 1 of the first: reward 2, the third one, and no end.
    logits = outputs["rewards"][0, 2]
    expected = logits[2] - np.log(np.exp(logits).sum())
    expected -= np.log(1 + np.exp(outputs["ends"][0, 2]))
    assert both[0, 2] - alone[0, 2] == pytest.approx(expected, abs=1e-5)
    row = outputs["latents"][0, 2]
    if memory.takes_codes:
        assert (row[2:, 3] < -1e8).all()  # a tier has no codes of another
        right = np.take_along_axis(row, frames[0, 2][:, None], axis=-1)[:, 0]
        expected = (right - np.log(np.exp(row).sum(axis=-1))).sum()
    else:
        weights, means, scales = (np.asarray(p) for p in mixture.parts(row, 2, 1))
        shares = np.exp(weights) / np.exp(weights).sum(axis=-1, keepdims=True)
        spreads = np.exp(scales[..., 0])
        distances = (frames[0, 2][:, None] - means[..., 0]) / spreads
        densities = shares * np.exp(-(distances**2) / 2) / spreads / np.sqrt(2 * np.pi)
        expected = np.log(densities.sum(axis=-1)).sum()
    assert alone[0, 2] == pytest.approx(expected, abs=1e-4)


def test_probabilities_of_all_frames_sum_to_one(memories):
    frames = np.stack(np.meshgrid(*map(range, (4, 4, 3, 3))), axis=-1).reshape(-1, 1, 4)
    for kind in ("code_lstm", "frame_transformer"):
        memory = memories[kind, False]
        pairs = np.concatenate([np.zeros_like(frames), frames], axis=1)
        second = memory.log_prob(pairs.astype("int32"), batch_size=144)[:, 1]
        assert np.exp(second).sum() == pytest.approx(1, abs=1e-5)


def test_a_low_temperature_draws_the_likeliest(memories):
    for kind in ("code_lstm", "mdn_rnn"):
        memory = memories[kind, False]
        nothing = np.zeros((2, 0, memory.frame_size), "int32")
        films = [
            memory.dream(nothing, temperature=1e-6, seed=seed)["latents"]
            for seed in (1, 2)
        ]
        np.testing.assert_allclose(*films, atol=1e-2)


def test_temperature_scales_the_spread_by_its_root(memories):
    memory = memories["mdn_rnn", False]
    outputs = np.zeros((4000, 2, 6), "float32")
    outputs[..., 0] = 50.0  # one Gaussian, of mean 0 and deviation 1
    given = memory.random(np.random.default_rng(0), 4000), outputs
    random, outputs = keras.tree.map_structure(keras.ops.convert_to_tensor, given)
    for heat in (1.0, 4.0):
        drawn = memory._draw(outputs, random, keras.ops.full((4000, 1), heat), None)
        spread = keras.ops.convert_to_numpy(drawn).std()
        assert spread == pytest.approx(np.sqrt(heat), rel=0.03)


@each_kind
def test_a_step_of_training_lowers_what_it_is_trained_for(kind, memories):
    memory = SMALL[kind](num_actions=3, reward_values=(-1.0, 0.0, 2.0))
    frames, actions = frames_of(memory, 8, 4), actions_of(8, 4)
    rewards, ends = np.full((8, 4), 2.0), np.zeros((8, 4), bool)
    pair = memory.training_pair(frames, actions, rewards, ends)
    memory.compile(
        keras.optimizers.Adam(0.01), memory.training_loss(), jit_compile=False
    )
    before = memory.log_prob(frames, actions, rewards, ends).mean()
    for _ in range(5):
        memory.train_on_batch(*pair)
    assert memory.log_prob(frames, actions, rewards, ends).mean() > before + 0.1


def test_frames_that_are_not_there_teach_nothing():
    memory = SMALL["code_lstm"](num_actions=2, reward_values=(0.0, 1.0))
    frames = frames_of(memory, 2, 4)
    mask = np.array([[1, 1, 0, 0], [1, 1, 1, 1]], bool)
    ones = np.ones((2, 4), "int32")
    _, targets, weights = memory.training_pair(frames, ones, ones, ones > 2, mask)
    np.testing.assert_array_equal(weights["latents"][..., 0], mask)
    np.testing.assert_array_equal(weights["rewards"][:, 0], [0, 0])
    np.testing.assert_array_equal(weights["ends"][:, 1:], mask[:, 1:])
    np.testing.assert_array_equal(targets["rewards"], ones)


def test_rewards_come_with_the_frame_after_the_action():
    memory = SMALL["mdn_rnn"](num_actions=2, reward_values=(0.0, 1.0))
    rewards = np.array([[0.0, 0.9, 0.1, 0.0]])
    frames = frames_of(memory, 1, 4)
    pair = memory.training_pair(frames, rewards > 2, rewards, rewards > 0.5)
    np.testing.assert_array_equal(pair[1]["rewards"], [[0, 0, 1, 0]])
    np.testing.assert_array_equal(pair[1]["ends"], [[0, 0, 1, 0]])


def test_tiers_become_a_row_and_again_tiers():
    memory = SMALL["code_lstm"]()
    tiers = (np.array([[[1, 3]], [[0, 2]]]), np.array([[2, 0], [1, 1]]))
    frames = memory.flat(tiers)
    np.testing.assert_array_equal(frames, [[1, 3, 2, 0], [0, 2, 1, 1]])
    for tier, again in zip(tiers, memory.tiers_of(frames), strict=True):
        np.testing.assert_array_equal(again, tier)


def test_real_valued_actions_move_what_comes():
    memory = MDNRNN((((2,), 0),), num_units=5, num_frames=3, action_dim=2)
    frames, actions = frames_of(memory, 1, 3), random_floats(1, 3, 2)
    first, other = memory.log_prob(frames, actions), memory.log_prob(frames, -actions)
    assert np.array_equal(first[:, 0], other[:, 0]) and (first != other)[:, 1:].all()


def test_what_does_not_fit_is_refused(memories):
    memory, film = memories["code_lstm", True], memories["code_lstm", False]
    frames = frames_of(memory, 2, 4)
    with pytest.raises(ValueError, match=r"actions in \[0, 3\), .* from 0 to 3"):
        memory.log_prob(frames, np.array([[0, 1, 2, 3]] * 2))
    with pytest.raises(ValueError, match="expected actions for .*received None"):
        memory.log_prob(frames)
    with pytest.raises(ValueError, match="takes no actions"):
        film.log_prob(frames, actions_of(2, 4))
    with pytest.raises(ValueError, match=r"latents of shape \(\.\.\., 4\)"):
        film.log_prob(frames[..., :3])
    with pytest.raises(ValueError, match=r"latents in \[0, 4\)"):
        film.log_prob(frames + 4)
    with pytest.raises(ValueError, match=r"actions of shape \(2, 4, \.\.\.\)"):
        memory.dream(frames, actions_of(2, 3))
    state = memory.observe(memory.start(2), frames[:, 0])
    with pytest.raises(ValueError, match="received None"):
        memory.imagine(state)
    with pytest.raises(ValueError, match="temperature=0"):
        memory.imagine(state, actions_of(2), temperature=0)


@pytest.mark.parametrize("name", registry.names("priors.memories"))
def test_a_memory_of_a_smoke_run_is_small(name):
    kind = registry.find("priors.memories", name)
    tiers = (((4, 4), 16),) if kind.takes_codes else (((16,), 0),)
    assert kind(tiers, num_actions=3, **kind.smoke_options).count_params() < 20_000
