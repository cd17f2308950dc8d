"""Vector quantizer whose codebook follows the moving average of its latents."""

import keras
import numpy as np
from keras import ops

from vqzoo.arguments import check_shares
from vqzoo.ops import code_statistics, k_means, main_axis_order, unit_norm
from vqzoo.quantizers.assignments import StochasticAssignment
from vqzoo.quantizers.base import (
    ESTIMATORS,
    Quantizer,
    add_state,
    check_estimator,
    counted_rows,
    entropy_loss,
    mean_squared_distance,
)
from vqzoo.quantizers.codebook_start import (
    check_trainable_codes,
    initializer,
    place_next,
    usable_first,
)
from vqzoo.quantizers.k_means import cluster
from vqzoo.registry import named
from vqzoo.replicas import sample_rows, sum_across_replicas

_DATA_STARTS = ("data", "k_means")
_LATENTS_PER_CODE = 8  # drawn for a k-means start


@keras.saving.register_keras_serializable("vqzoo")
class VectorQuantizerEMA(Quantizer):
    """Replaces each latent by the nearest code of a codebook learned by EMA.

    The codebook holds, for each code, the exponential moving average of the latents
    that were assigned to it; no gradient reaches it. The first training batch places
    it, so that codes and latents have one scale, and codes that fall out of use restart
    on latents of the current batch. At inference the nearest code is taken.

    Args:
        num_embeddings: int, K in the paper. Number of codes.
        embedding_dim: int, D in the paper. Length of a code.
        commitment_cost: float, beta in eq. 3 of the paper, no unit. Defaults to 0.25.
        decay: float in [0, 1), gamma in eq. 2.13 of the thesis. Defaults to 0.99.
        restart_threshold: float in [0, 1). A code is dead if the EMA of the number of
            latents that it is nearest to is below this share of the mean; the batch
            size does not matter. 0 restarts none. Defaults to 0.5.
        codebook_init: `"data"` (latents of the first training batch; of the first ones,
            where they have fewer latents than there are codes), `"k_means"` (the means
            of clusters in it), or an array `(K, D)` or a Keras initializer for a start
            that no data informs. A codebook that was assigned before training stays
            too. Defaults to `"data"`.
        sorted_codes: bool. Whether the codes are kept sorted along the main axis of the
            codebook. Without an assignment and restarts, this changes only the indices
            of the codes. Defaults to False.
        entropy_weight: float, weight of the entropy loss. Defaults to 0, none.
        normalize: bool. Whether latents and codes are brought to length 1, so that the
            nearest code is that of the largest cosine. Defaults to False.
        estimator: `"straight_through"` or `"rotation"`, how the gradient passes.
        trainable_codes: `(K,)` bools or None: codes with False stay where they are.
        assignment: `NoisyAssignment`, `StochasticAssignment` or None: which code is
            taken during training. The decoder receives that code and the EMA credits
            it; the commitment loss pulls to the nearest code.
        seed: int or None, of the start and the restarts.
    Input shape: `(batch, ..., embedding_dim)`, float, any range.
    Output shape: same. Codes: `(batch, ...)`, int32, in [0, K).
    Losses: commitment_cost * mean((latents - sg(nearest)) ** 2) and entropy_weight *
        (entropy of each assignment - entropy of the mean assignment, nats).
    State: codebook `(K, D)`, ema_counts `(K,)`, ema_sums `(K, D)`, started `()`, the
        share of the codes that are placed; with an assignment nearest_counts `(K,)`.
    Raises: ValueError: if a size is not positive, a rate is out of its range, the last
        axis of the input is not `embedding_dim`, or the rotation estimator is given
        with an assignment.
    Source: van den Oord et al. 2017, arXiv 1711.00937, appendix A.1; random restarts:
        Dhariwal et al. 2020, arXiv 2005.00341, section 3.1. Differs: counts start at 1
        and sums at the code (a start of 0 throws every unhit code far away); no Laplace
        smoothing, because a code that nothing chose does not move; the restart
        threshold is relative; the sorted codes, because noise makes neighbors alike but
        does not unfold an order that runs along the latents more than once.
    Example:
        >>> quantizer = VectorQuantizerEMA(512, 64)
        >>> quantizer.encode(quantizer(np.ones((2, 8, 8, 64), "float32"))).shape
        TensorShape([2, 8, 8])
    """

    cost_arguments = {"commitment": "commitment_cost", "entropy": "entropy_weight"}
    follows_latents = True

    def __init__(
        self,
        num_embeddings,
        embedding_dim,
        *,
        commitment_cost=0.25,
        decay=0.99,
        restart_threshold=0.5,
        codebook_init="data",
        sorted_codes=False,
        entropy_weight=0.0,
        normalize=False,
        estimator="straight_through",
        trainable_codes=None,
        assignment=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(num_embeddings, embedding_dim, assignment=assignment, **kwargs)
        check_shares(decay=decay, restart_threshold=restart_threshold)
        check_estimator(estimator, assignment)
        codebook_init = initializer(codebook_init, (num_embeddings, embedding_dim))
        trainable_codes = check_trainable_codes(trainable_codes, num_embeddings)
        if sorted_codes and trainable_codes is not None:
            raise ValueError(
                "expected sorted_codes=False with trainable_codes, because codes that "
                "stay cannot be sorted, received sorted_codes=True"
            )
        self._keep(locals())
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        super().build(input_shape)
        start = "uniform" if self._from_data else self.codebook_init
        shape = (self.num_embeddings, self.embedding_dim)
        self.codebook = add_state(self, "codebook", shape, start)
        self.codebook.assign(self._unit(self.codebook.value))
        self.ema_counts = add_state(self, "ema_counts", shape[:1], "ones")
        self.ema_sums = add_state(self, "ema_sums", shape, "zeros")
        self.ema_sums.assign(ops.copy(self.codebook.value))
        started = "zeros" if self._from_data else "ones"
        self.started = add_state(self, "started", (), started)
        self.nearest_counts = None
        if self.assignment is not None:
            self.nearest_counts = add_state(self, "nearest_counts", shape[:1], "ones")

    @property
    def _from_data(self):
        return self.codebook_init in _DATA_STARTS

    def _quantize(self, latents, training, mask=None):
        rows, codebook = self._rows(latents), self.codebook
        if training:
            drawn = self._draw(rows, mask)
            started, is_new, state = self._start(drawn)
            codebook = state[0]
        codes, nearest, assigned, received = self._choose(latents, codebook, training)
        if training:
            counted = counted_rows(rows, mask)
            codes, assigned = (ops.where(counted, x, -1) for x in (codes, assigned))
            self._learn(rows, codes, assigned, drawn, started, is_new, state)
        terms = {"commitment": mean_squared_distance(rows, nearest, mask)}
        if self.entropy_weight:
            fixed = ops.stop_gradient(codebook)
            terms["entropy"] = entropy_loss(rows, fixed, mask)
        return ESTIMATORS[self.estimator](rows, received), terms

    def start_from(self, latents, seed=0):
        """Places the codes on means of clusters of latents, where data places them."""
        if not self._from_data:
            return
        means, shares = cluster(self._rows(latents), self.num_embeddings, seed)
        moved = np.ones_like(shares, bool)
        if self.trainable_codes is not None:
            moved = np.asarray(self.trainable_codes)
        codebook = ops.where(moved[:, None], self._unit(means), self.codebook.value)
        counts = ops.where(moved, shares, self.ema_counts.value)
        self.codebook.assign(codebook)
        self.ema_counts.assign(counts)
        self.ema_sums.assign(codebook * counts[:, None])
        if self.nearest_counts is not None:
            # JAX may take no buffer for two weights.
            self.nearest_counts.assign(ops.copy(counts))
        self.started.assign(1.0)

    def _unit(self, vectors):
        return unit_norm(vectors) if self.normalize else vectors

    def _draw(self, rows, mask):
        """Latents for start and restarts, and which are usable; None if not needed."""
        if not self._from_data and not self.restart_threshold:
            return None
        per_code = _LATENTS_PER_CODE if self.codebook_init == "k_means" else 1
        count = per_code * self.num_embeddings
        return sample_rows(rows, count, self.seed_generator, mask)

    def _start(self, drawn):
        """The state, in the first steps with codes that are placed on `drawn`.

        Returns:
            `(started, is_new, state)`: the share of the codes that are placed, those
            that are so now, bool `(K,)`, and the codebook, counts, sums and uses.
        """
        none_new = ops.zeros((self.num_embeddings,), "bool")
        uses = self.ema_counts if self.nearest_counts is None else self.nearest_counts
        variables = (self.codebook, self.ema_counts, self.ema_sums, uses)
        state = [variable.value for variable in variables]
        if not self._from_data:
            return ops.ones(()), none_new, state
        started, is_new, state = ops.cond(
            self.started >= 1,
            lambda: (ops.ones(()), none_new, state),
            lambda: self._place(*drawn, *state),
        )
        self.started.assign(started)
        return started, is_new, state

    def _place(self, drawn, usable, codebook, counts, sums, uses):
        before, num_codes = self.started.value, self.num_embeddings
        count, rows = usable_first(drawn, usable)
        if self.codebook_init == "k_means":
            first = rows[:num_codes]
            enough = ops.logical_and(count >= num_codes, before <= 0)
            rows = ops.where(enough, self._unit(k_means(rows, first)), first)
        placed, started, is_new = place_next(codebook, before, count, rows)
        if self.sorted_codes:
            at_once = ops.logical_and(started >= 1, before <= 0)
            placed = ops.where(
                at_once, ops.take(placed, main_axis_order(placed), axis=0), placed
            )
        # The sums start as a copy: somebody set the codebook where they differ.
        is_set = ops.logical_and(before <= 0, ops.any(ops.not_equal(codebook, sums)))
        is_new = ops.logical_and(is_new, ops.logical_not(is_set))
        if self.trainable_codes is not None:
            is_new = ops.logical_and(is_new, self.trainable_codes)
        codebook = ops.where(is_new[:, None], placed, codebook)
        begin = ops.logical_or(is_new, is_set)[:, None]
        counts, uses = (ops.where(is_new, 1.0, x) for x in (counts, uses))
        sums = ops.where(begin, codebook, sums)
        started = ops.where(is_set, 1.0, started)
        return started, is_new, [codebook, counts, sums, uses]

    def _learn(self, rows, codes, assigned, drawn, started, is_new, state):
        """One step of eq. 2.13, then a new place for the codes that are dead."""
        codebook, counts, sums, uses = state
        rows = ops.stop_gradient(rows)
        new_counts, new_sums = self._statistics(rows, assigned)
        # A step whose latents all are masked, or elsewhere, changes nothing.
        seen = ops.sum(new_counts) > 0
        kept = ops.where(seen, self.decay, 1.0)
        rate = ops.where(seen, 1 - self.decay, 0.0)
        counts = kept * counts + rate * new_counts
        sums = kept * sums + rate * new_sums
        if self.nearest_counts is None:
            uses = counts
        else:
            uses = kept * uses + rate * self._statistics(rows, codes)[0]
        hit = new_counts > 0
        if self.trainable_codes is not None:
            hit = ops.logical_and(hit, self.trainable_codes)
        means = self._unit(sums / ops.maximum(counts, 1e-30)[:, None])
        codebook = ops.where(hit[:, None], means, codebook)
        state, order = [codebook, counts, sums, uses], None
        if self.restart_threshold:
            dead, state = self._restart(*drawn, started, *state)
            is_new = ops.logical_or(is_new, dead)
        if self.sorted_codes:
            order = main_axis_order(state[0])
            order = ops.where(started >= 1, order, ops.arange(self.num_embeddings))
            state = [ops.take(part, order, axis=0) for part in state]
        if self.on_move:
            self.on_move(is_new, order)
        variables = (self.codebook, self.ema_counts, self.ema_sums, self.nearest_counts)
        for variable, value in zip(variables, state):
            if variable is not None:
                variable.assign(value)

    def _statistics(self, rows, codes):
        counts, sums = code_statistics(rows, codes, self.num_embeddings)
        return sum_across_replicas(counts), sum_across_replicas(sums)

    def _restart(self, drawn, usable, started, codebook, counts, sums, uses):
        """Which codes too few latents are nearest to, and the state with new places.

        What an assignment hands to a code does not keep it: no latent may be near it.
        A latent is the new place of one code: where there are fewer, some codes wait.
        """
        drawn, usable = drawn[: self.num_embeddings], usable[: self.num_embeddings]
        share = ops.mean(counts)
        dead = uses < self.restart_threshold * ops.mean(uses)
        dead = ops.logical_and(dead, started >= 1)
        if self.trainable_codes is not None:
            dead = ops.logical_and(dead, self.trainable_codes)
        turn = ops.maximum(ops.cumsum(ops.cast(dead, "int32")) - 1, 0)
        places = ops.arange(self.num_embeddings, dtype="int32")
        index = ops.where(ops.all(usable), places, turn)
        drawn = ops.take(drawn, index, axis=0)
        dead = ops.logical_and(dead, ops.take(usable, index))
        counts, uses = ops.where(dead, share, counts), ops.where(dead, share, uses)
        codebook = ops.where(dead[:, None], drawn, codebook)
        sums = ops.where(dead[:, None], drawn * share, sums)
        return dead, [codebook, counts, sums, uses]

    def load_own_variables(self, store):
        # Files of before nearest_counts end with `started`; ema_counts stand in.
        values = {key: store[key] for key in store.keys()}
        if self.nearest_counts is not None:
            values.setdefault("4", values["1"])
        super().load_own_variables(values)


@named("ema")
def make_ema(settings, stage=0, dim=None, **options):
    """The nearest code, which follows its latents by moving average.

    Args:
        settings: `TierSettings`.
        stage: int, of several that need seeds of their own.
        dim: int, length of a code, or None for that of the settings.
        **options: of the layer, before those of the settings.
    """
    names = ("decay", "restart_threshold", "codebook_init", "sorted_codes", "seed")
    names += ("commitment_cost", "assignment")
    options = settings.options(options, *names, stage=stage)
    return VectorQuantizerEMA(*settings.sizes(dim), **options)


@named("cosine")
def _cosine(settings, **options):
    """`ema` with codes and latents of length 1."""
    return make_ema(settings, normalize=True, **options)


@named("rotation")
def _rotation(settings, **options):
    """`ema` with the rotation trick instead of straight-through."""
    return make_ema(settings, estimator="rotation", **options)


@named("stochastic")
def _stochastic(settings, temperature=1.0, **options):
    """`ema` that draws the code; nearer codes are likelier."""
    draw = StochasticAssignment(temperature, seed=settings.stage_seed())
    return make_ema(settings, **{"assignment": draw, **options})
