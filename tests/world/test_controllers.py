import numpy as np
import pytest

from tests.helpers import worlds
from vqzoo.world import controllers, playing
from vqzoo.world.actions import Actions

pytestmark = pytest.mark.once


class Memory:
    """What controllers ask of a memory."""

    takes_codes, tiers, frame_size = True, (((2,), 5),), 2

    def start(self, batch_size):
        return {"features": np.zeros((batch_size, 1))}


STATE = {"latents": np.array([[0, 4], [2, 3]]), "features": np.array([[0.5], [-1.0]])}


def test_a_controller_sees_codes_as_numbers_and_features():
    latents, features = controllers.look(Memory(), STATE)
    np.testing.assert_allclose(latents, [[-1, 1], [0, 0.5]])
    np.testing.assert_allclose(features, [[0.5], [-1]])


def test_many_linear_controllers_play_their_own_rows():
    actions = Actions(count=2)
    assert controllers.num_parameters(Memory(), actions) == 8
    # Of two latents, a feature and an offset, each to two actions.
    first = [1, 0, 0, 0, 0, 0, 0, 0.4]  # the first latent, or 0.4
    other = [0, 0, 0, 0, 0, 1, 0, 0]  # nothing, or the feature
    policy = controllers.LinearPolicy(Memory(), actions, [first, other])
    twice = {name: np.tile(array, (2, 1)) for name, array in STATE.items()}
    np.testing.assert_array_equal(policy.act(twice, None), [1, 1, 1, 0])


def test_a_linear_controller_is_a_keras_model_of_the_same_actions():
    world = worlds.small("code_lstm")
    actions = world.actions
    size = controllers.num_parameters(world.memory, actions)
    parameters = np.random.default_rng(0).normal(size=size)
    controller = controllers.linear(world.memory, actions)
    controllers.set_parameters(controller, parameters)
    one = controllers.Policy(world.memory, actions, controller)
    many = controllers.LinearPolicy(world.memory, actions, [parameters])
    world.reset(batch=3, seed=0)
    np.testing.assert_array_equal(
        one.act(world.state, None), many.act(world.state, None)
    )


def test_real_valued_actions_stay_within_their_bounds():
    outputs = np.array([[0.0, 0.0], [-1e4, 1e4]])
    received = controllers._chosen(worlds.NUMBERS, outputs)
    np.testing.assert_allclose(received, [[0, 0.5], [-1, 1]], atol=1e-6)
    assert worlds.NUMBERS.check(received).dtype == np.float32


def test_an_actor_tells_all_codes_apart():
    memory = worlds.small("code_lstm").memory
    actor = controllers.actor_critic(memory, Actions(count=3))
    codes = np.arange(8).repeat(16).reshape(8, 16)
    state = {"latents": codes, "features": np.zeros((8, 6))}
    (embedding,) = (x for x in actor.layers if "embedding" in x.name)
    scaled = controllers.look(memory, state)[0]
    rescaling = next(layer for layer in actor.layers if "rescaling" in layer.name)
    np.testing.assert_array_equal(np.asarray(rescaling(scaled)).astype(int), codes)
    assert embedding.input_dim == 8


def test_lambda_returns_by_hand():
    rewards = np.array([[1.0, 0.0, 2.0]])
    values = np.array([[9.0, 4.0, 6.0, 8.0]])
    never = np.zeros((1, 3), bool)
    options = {"discount": 0.5}
    one_step = controllers.lambda_returns(rewards, never, values, trace=0, **options)
    np.testing.assert_allclose(one_step, [[1 + 2, 3, 2 + 4]])
    whole = controllers.lambda_returns(rewards, never, values, trace=1, **options)
    np.testing.assert_allclose(whole, [[1 + 0.25 * 6, 3, 6]])
    ends = np.array([[False, True, False]])
    cut = controllers.lambda_returns(rewards, ends, values, trace=1, **options)
    np.testing.assert_allclose(cut[0, :2], [1, 0])


def test_the_policy_loss_is_that_of_actions_their_advantages_and_entropy():
    targets = np.array([[1, 2.0, 0.5]], "float32")
    loss = controllers.policy_loss(targets, np.zeros((1, 4), "float32"))
    assert float(loss[0]) == pytest.approx(2 * np.log(4) - 0.5 * np.log(4), abs=1e-6)


def test_rewards_after_an_end_do_not_count():
    ends = np.array([[0, 1, 0], [0, 0, 0]], bool)
    np.testing.assert_array_equal(playing.going(ends), [[1, 1, 0], [1, 1, 1]])


def test_a_dream_is_played_from_states_with_equal_seeds():
    world = worlds.small("code_lstm")
    policy = controllers.RandomPolicy(world.actions)
    begun = playing.rows_of(playing.starts(world), np.array([0, 2]))
    first, again = (
        playing.dream(world, begun, policy, 3, np.random.default_rng(5))
        for _ in range(2)
    )
    assert first["rewards"].shape == first["actions"].shape == (2, 3)
    assert len(first["states"]) == 4
    np.testing.assert_array_equal(
        first["states"][3]["latents"], again["states"][3]["latents"]
    )


def test_an_evolution_goes_on_where_its_scores_end():
    pytest.importorskip("cma", reason="needs cma")
    from vqzoo.world.evolution import Evolution

    def score(candidates):
        return -np.square(candidates - 1).sum(axis=1)

    first = Evolution(3, 6, 0.5, seed=1)
    for generation in range(40):
        if generation == 15:
            stopped = np.array(first.scores)
        first.tell(score(first.ask()))
    again = Evolution(3, 6, 0.5, 1, stopped)
    for _ in range(25):
        again.tell(score(again.ask()))
    np.testing.assert_array_equal(first.mean, again.mean)
    np.testing.assert_allclose(first.mean, 1, atol=0.05)
