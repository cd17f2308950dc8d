"""Vector quantizer whose codebook follows the moving average of its latents."""

import keras
from keras import ops

from vqzoo.arguments import check_shares
from vqzoo.ops import (
    code_statistics,
    k_means,
    main_axis_order,
    sample_rows,
    sum_across_replicas,
    unit_norm,
)
from vqzoo.quantizers.assignments import StochasticAssignment
from vqzoo.quantizers.base import (
    ESTIMATORS,
    Quantizer,
    add_state,
    check_estimator,
    entropy_loss,
    mean_squared_distance,
)
from vqzoo.registry import named

_DATA_STARTS = ("data", "k_means")
_LATENTS_PER_CODE = 8  # drawn for a k-means start


@keras.saving.register_keras_serializable("vqzoo")
class VectorQuantizerEMA(Quantizer):
    """Replaces each latent by the nearest code of a codebook learned by EMA.

    The codebook holds, for each code, the exponential moving average of the latents
    that were assigned to it; no gradient reaches it. The first training batch places
    it, so that codes and latents have one scale, and codes that fall out of use are
    placed anew on latents of the current batch. At inference the nearest code is taken.

    Args:
        num_embeddings: int, K in the paper. Number of codes.
        embedding_dim: int, D in the paper. Length of a code.
        commitment_cost: float, beta in eq. 3 of the paper, no unit. Defaults to 0.25.
        decay: float in [0, 1), gamma in eq. 2.13 of the thesis. Defaults to 0.99.
        restart_threshold: float in [0, 1). A code is dead when the EMA of how many
            latents it is nearest to is below this share of the mean, whatever the batch
            size; 0 restarts none. Defaults to 0.5.
        codebook_init: `"data"` (latents of the first training batch), `"k_means"` (the
            means of clusters in it), or a Keras initializer for a start that no data
            informs. Defaults to `"data"`.
        sorted_codes: bool. Whether the codes are kept in their order along the main
            axis of the codebook. Without an assignment and restarts it changes the
            indices of the codes and nothing else. Defaults to False.
        entropy_weight: float, weight of the entropy loss. Defaults to 0, none.
        normalize: bool. Whether latents and codes are brought to length 1, so that the
            nearest code is that of the largest cosine. Defaults to False.
        estimator: `"straight_through"` or `"rotation"`, how the gradient passes.
        assignment: `NoisyAssignment`, `StochasticAssignment` or None: which code is
            taken while training. The decoder receives that code and the EMA credits
            it; the commitment loss pulls to the nearest code.
        seed: int or None, of the start and the restarts.
    Input shape: `(batch, ..., embedding_dim)`, float, any range.
    Output shape: same. Codes: `(batch, ...)`, int32, in [0, K).
    Losses: commitment_cost * mean((latents - sg(nearest)) ** 2) and entropy_weight *
        (entropy of each assignment - entropy of the mean assignment, nats).
    State: codebook `(K, D)`, ema_counts `(K,)`, ema_sums `(K, D)`, started `()`; with
        an assignment nearest_counts `(K,)`.
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
        assignment=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(num_embeddings, embedding_dim, assignment=assignment, **kwargs)
        check_shares(decay=decay, restart_threshold=restart_threshold)
        check_estimator(estimator, assignment)
        self._keep(locals())
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        super().build(input_shape)
        from_data = self.codebook_init in _DATA_STARTS
        initializer = "uniform" if from_data else self.codebook_init
        shape = (self.num_embeddings, self.embedding_dim)
        self.codebook = add_state(self, "codebook", shape, initializer)
        self.codebook.assign(self._unit(self.codebook.value))
        self.ema_counts = add_state(self, "ema_counts", shape[:1], "ones")
        self.ema_sums = add_state(self, "ema_sums", shape, "zeros")
        self.ema_sums.assign(ops.copy(self.codebook.value))
        started = "zeros" if from_data else "ones"
        self.started = add_state(self, "started", (), started)
        self.nearest_counts = None
        if self.assignment is not None:
            self.nearest_counts = add_state(self, "nearest_counts", shape[:1], "ones")

    def _quantize(self, latents, training):
        rows, codebook = self._rows(latents), self.codebook
        if training:
            drawn = self._draw(rows)
            codebook, counts, sums = self._start(drawn)
        codes, nearest, assigned, received = self._choose(latents, codebook, training)
        if training:
            self._learn(rows, codes, assigned, drawn, codebook, counts, sums)
        terms = {"commitment": mean_squared_distance(rows, nearest)}
        if self.entropy_weight:
            terms["entropy"] = entropy_loss(rows, ops.stop_gradient(codebook))
        return ESTIMATORS[self.estimator](rows, received), terms

    def _unit(self, vectors):
        return unit_norm(vectors) if self.normalize else vectors

    def _draw(self, rows):
        """Latents for the start and the restarts, in random order; None if unused."""
        if self.codebook_init not in _DATA_STARTS and not self.restart_threshold:
            return None
        per_code = _LATENTS_PER_CODE if self.codebook_init == "k_means" else 1
        return sample_rows(rows, per_code * self.num_embeddings, self.seed_generator)

    def _start(self, drawn):
        """The state as it stands or, in the first step, taken from `drawn`."""
        counts = self.ema_counts.value
        state = (self.codebook.value, self.ema_sums.value)
        if self.codebook_init not in _DATA_STARTS:
            return state[0], counts, state[1]

        def from_data():
            first = drawn[: self.num_embeddings]
            if self.codebook_init == "k_means":
                first = self._unit(k_means(drawn, first))
            if self.sorted_codes:
                first = ops.take(first, main_axis_order(first), axis=0)
            return first, first

        codebook, sums = ops.cond(self.started > 0, lambda: state, from_data)
        self.started.assign(ops.ones(()))
        return codebook, counts, sums

    def _learn(self, rows, codes, assigned, drawn, codebook, counts, sums):
        """One step of eq. 2.13, then a new place for the codes that are dead."""
        rows = ops.stop_gradient(rows)
        new_counts, new_sums = self._statistics(rows, assigned)
        counts = self._average(counts, new_counts)
        sums = self._average(sums, new_sums)
        uses = counts
        if self.nearest_counts is not None:
            nearest_counts = self._statistics(rows, codes)[0]
            uses = self._average(self.nearest_counts.value, nearest_counts)
        hit = (new_counts > 0)[:, None]
        means = self._unit(sums / ops.maximum(counts, 1e-30)[:, None])
        codebook = ops.where(hit, means, codebook)
        state = (codebook, counts, sums, uses)
        if self.restart_threshold:
            state = self._restart(drawn, *state)
        if self.sorted_codes:
            order = main_axis_order(state[0])
            state = [ops.take(part, order, axis=0) for part in state]
        variables = (self.codebook, self.ema_counts, self.ema_sums, self.nearest_counts)
        for variable, value in zip(variables, state):
            if variable is not None:
                variable.assign(value)

    def _statistics(self, rows, codes):
        counts, sums = code_statistics(rows, codes, self.num_embeddings)
        return sum_across_replicas(counts), sum_across_replicas(sums)

    def _average(self, average, value):
        return self.decay * average + (1 - self.decay) * value

    def _restart(self, drawn, codebook, counts, sums, uses):
        """The state with the codes on new latents that too few latents are nearest to.

        What an assignment hands to a code does not keep it: no latent may be near it.
        """
        drawn = drawn[: self.num_embeddings]
        share = ops.mean(counts)
        dead = uses < self.restart_threshold * ops.mean(uses)
        counts, uses = ops.where(dead, share, counts), ops.where(dead, share, uses)
        codebook = ops.where(dead[:, None], drawn, codebook)
        sums = ops.where(dead[:, None], drawn * share, sums)
        return codebook, counts, sums, uses

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
    """`ema` with the rotation trick in the place of straight-through."""
    return make_ema(settings, estimator="rotation", **options)


@named("stochastic")
def _stochastic(settings, temperature=1.0, **options):
    """`ema` that draws the code, the nearer the likelier."""
    draw = StochasticAssignment(temperature, seed=settings.stage_seed())
    return make_ema(settings, **{"assignment": draw, **options})
