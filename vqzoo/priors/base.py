"""What is asked of every prior, so that nobody asks which kind it is."""

import keras
import numpy as np

from vqzoo.priors import conditions


class Prior(keras.Model):
    """A prior over the codes of a tier, given a class and the codes of the tiers above.

    Abstract. It knows what it is fitted with, what it says about codes and how it draws
    them. A subclass has `sample`, and what `conditions.adopt` keeps of its arguments.

    Args:
        grid_shape: `(height, width)` of the codes.
        num_embeddings: int, K. Number of codes.
        num_classes: int, 0 for a prior that knows no classes.
        context: sequence of `(grid shape, number of codes)` of the tiers above, top
            first, that the prior is conditioned on. Their grids divide this one.
        label_dropout: float in [0, 1). Share of the labels that are replaced while
            training by a null class, so that one prior knows codes with and without a
            label; without one it takes the null class (Ho and Salimans 2022, arXiv
            2207.12598). GAN priors do not take it. Defaults to 0.
        dtype: dtype policy. Defaults to the global policy.
        name: str or None, of the model.
    """

    # "exact": each code has a probability given the codes before it, in raster order.
    # "bound": an estimate of a lower bound. "none": it draws codes, and that is all.
    likelihood = "none"
    # Arguments of a small one, for runs that only try the way.
    smoke_options = {}

    def condition(self, labels, codes_above):
        """What this prior is conditioned on, of what there is.

        Args:
            labels: ints `(batch,)`, one int, or None.
            codes_above: sequence of int `(batch, h, w)`, top first.

        Returns:
            dict, as `log_likelihood` and `sample` take it.
        """
        condition = {}
        if self.num_classes:
            condition["label"] = labels
        if self.context:
            condition["context"] = list(codes_above)
        return condition

    def training_pair(self, arrays, tiers, seed=(0, 0)):
        """What a step of training takes. It runs in `tf.data` and on numpy arrays.

        Args:
            arrays: dict of the codes of tiers by name and, with classes, `label`.
            tiers: names of the tiers above, top first, then the prior's own.
            seed: two ints, of what is random in it; equal seeds give equal pairs.

        Returns:
            `(inputs, targets)`, or `(inputs, targets, weights)`.
        """
        del seed
        inputs = self._training_inputs(arrays, tiers)
        return conditions.packed(inputs), inputs["codes"]

    def _training_inputs(self, arrays, tiers):
        """The inputs by name, as a dict even where the codes stand alone."""
        *above, tier = tiers
        inputs = {"codes": arrays[tier]}
        if self.num_classes:
            inputs["label"] = arrays["label"]
        for index, (name, _) in enumerate(zip(above, self.context)):
            inputs[f"context_{index}"] = arrays[name]
        return inputs

    def training_loss(self):
        """The loss that it is compiled with: nats per code."""
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def log_likelihood(self, codes, condition=None):
        """Log likelihood as `likelihood` says: float64 `(batch,)`, nats; NaN for none.

        Args:
            codes: int `(batch, height, width)`, in [0, K).
            condition: dict as from `condition`, or None.
        """
        del condition
        return np.full(len(codes), np.nan)

    def get_config(self):
        """What every prior's constructor takes; a subclass adds the rest."""
        return conditions.config(self)

    @classmethod
    def from_config(cls, config):
        return cls(**config)
