"""Sonnet's quantizer as a Keras layer, and its row in the recipe `sonnet_study`.

    python -m benchmarks.sonnet_quantizer --sweep=runs/sonnet_study/<time>

Trains the network of the sweep with it, from the same weights and on the same data. It
is not a recipe because it needs the extra `benchmarks`.
"""

import pathlib

import keras
import sonnet
from keras import ops

from benchmarks import fitting, measure
from vqzoo import datasets, measures, models
from vqzoo.quantizers import Quantizer
from vqzoo.recipes.sonnet_study import RECIPE
from vqzoo.studies import sweep_loop
from vqzoo.studies.sweep_recipe import Condition


class SonnetQuantizer(Quantizer):
    """`snt.nets.VectorQuantizerEMA` with the protocol of vqzoo's quantizers.

    The module computes; the layer casts to float32, adds the loss, and finds codes with
    the module's distances. It cannot be saved.

    Args:
        num_embeddings: int, K.
        embedding_dim: int, D.
        commitment_cost: float, beta.
        decay: float.
    Input shape: `(batch, ..., embedding_dim)`, float.
    Output shape: same. Codes: `(batch, ...)`, int32, in [0, K).
    Losses: commitment_cost * mean((latents - sg(nearest)) ** 2).
    """

    def __init__(
        self, num_embeddings, embedding_dim, commitment_cost=0.25, decay=0.99, **kwargs
    ):
        super().__init__(num_embeddings, embedding_dim, **kwargs)
        self.module = sonnet.nets.VectorQuantizerEMA(
            embedding_dim, num_embeddings, commitment_cost, decay
        )

    def call(self, latents, training=False):
        outputs = self.module(ops.cast(latents, "float32"), is_training=bool(training))
        self.add_loss(outputs["loss"])
        return ops.cast(outputs["quantize"], self.compute_dtype)

    @property
    def codebook(self):
        """The code vectors, float32 `(K, D)`."""
        return ops.transpose(self.module.embeddings)

    def encode(self, latents):
        """Nearest codes of `latents` `(..., D)`: int32 `(...)`, in [0, K)."""
        outputs = self.module(ops.cast(latents, "float32"), is_training=False)
        return ops.cast(outputs["encoding_indices"], "int32")

    def decode(self, codes):
        """Code vectors of `codes` `(...)`, int: float `(..., D)`."""
        return ops.cast(self.module.quantize(codes), self.compute_dtype)


def main(flags):
    """Trains the network with Sonnet's quantizer, and adds its row to the sweep."""
    run = RECIPE.run_of(RECIPE.parsed()[0], flags.seed, runs_dir="runs")
    splits = datasets.load(
        flags.dataset, data_dir=flags.data_dir or None, image_size=run.image_size
    )
    keras.utils.set_random_seed(flags.seed)
    ours = run.build_model(splits.image_shape)
    sizes = run.num_embeddings, run.embedding_dim, run.commitment_cost, run.decay
    model = models.vqvae_32(lambda tier: SonnetQuantizer(*sizes))
    for weight, start in zip(model.trainable_variables, ours.trainable_variables):
        weight.assign(start)
    model.compile(keras.optimizers.Adam(run.learning_rate), "mse")
    steps = run.epochs * run.max_steps_per_epoch
    batches = fitting.pairs(splits.train, run.batch_size).take(flags.steps or steps)
    model.fit(batches, shuffle=False, verbose=2)
    images, _ = splits.test.arrays()
    codes = measures.in_batches(model.encode, images)
    rebuilt = measures.in_batches(model.decode, codes)
    error = measures.reconstruction_error(images, rebuilt)
    usage = measures.codebook_usage(codes[0], run.num_embeddings)
    metrics = {f"reconstruction.{name}": value for name, value in error.items()}
    metrics |= {f"codebook.bottom_{name}": value for name, value in usage.items()}
    sweep_loop.add(
        pathlib.Path(flags.sweep),
        sweep_loop.new_row(Condition("Sonnet", "Sonnet", None, {}), flags.seed)
        | {"metrics": metrics},
    )


if __name__ == "__main__":
    measure.run(
        main,
        sweep=("", "folder of a run of sonnet_study, whose table --resume then writes"),
        dataset=("cifar10", "what the sweep is of"),
        data_dir=("", "where its files are, if it has any"),
        seed=(0, "of the weights and the batches"),
        steps=(0, "fewer than those of the sweep's first condition; 0: as many"),
    )
