"""Training of models of signals, and of a prior over their tokens."""

import dataclasses

from vqzoo.registry import lazily, parse_options
from vqzoo.runs.folder import MODEL, prior_file
from vqzoo.training.kinds import grids
from vqzoo.training.kinds.coding import CodingRecipe
from vqzoo.training.settings import Settings, setting

inference = lazily("vqzoo.measures.inference")
fitting = lazily("vqzoo.training.fitting")
held_out = lazily("vqzoo.measures.held_out")
models = lazily("vqzoo.models")
np = lazily("numpy")
pipelines = lazily("vqzoo.priors.pipeline")
plots = lazily("vqzoo.plots")
priors = lazily("vqzoo.priors")
probe = lazily("vqzoo.measures.probe")
quantizers = lazily("vqzoo.quantizers")
signal_data = lazily("vqzoo.datasets.signals")
signals = lazily("vqzoo.measures.signals")

SHOWN = 6
PRIOR = "bottom"  # the tier of the prior


@dataclasses.dataclass(frozen=True, kw_only=True)
class SequenceSettings(Settings):
    """The data and the model."""

    dataset: str = setting(
        "generated",
        "generated: mixed sines with events; arrays: the file --data_dir",
        choices=("generated", "arrays"),
    )
    data_dir: str = setting("", ".npy or .npz file of signals (N, time, channels)")
    model_options: tuple[str, ...] = setting(
        (), "arguments of SequenceVQVAE, name=value, for example causal=True,stride=8"
    )
    prior_options: tuple[str, ...] = setting(
        (), "arguments of SequenceTransformer, name=value"
    )
    prior_epochs: int = setting(10, "passes of the prior; 0: no prior", at_least=0)

    def __post_init__(self):
        super().__post_init__()
        self.expect_unused("data_dir", self.dataset == "arrays", "dataset", "arrays")
        for name in ("model_options", "prior_options"):
            parse_options(getattr(self, name))


@dataclasses.dataclass(frozen=True, kw_only=True)
class SequenceRecipe(CodingRecipe, SequenceSettings):
    """The signals.

    Raises: ValueError: on a value that cannot work, with the name of its flag.
    """

    def smoke_numbers(self):
        return {
            **super().smoke_numbers(),
            "prior_epochs": min(self.prior_epochs, 1),
            "prior_options": ("num_layers=1", "num_channels=16", "num_heads=2"),
            "model_options": (*self.model_options, "num_channels=8"),
        }

    def load_data(self):
        options = {"count": 500, "time": 32} if self.smoke else {}
        splits = signal_data.load_signals(
            self.dataset, data_dir=self.data_dir, **options
        )
        found = splits.summary
        counts = ", ".join(f"{n} {count:,}" for n, count in found["splits"].items())
        shape = " x ".join(map(str, found["shape"]))
        fitting.say(f"Data: {found['source']}, signals of {shape}\nSplits: {counts}")
        return splits

    def build_model(self, item_shape, num_steps=None):
        try:
            model = models.SequenceVQVAE(
                quantizers.make(self, 0, num_steps),
                sequence_shape=(None, item_shape[1]),
                name=self.name,
                **parse_options(self.model_options),
            )
        except TypeError as error:
            raise ValueError(
                "SequenceVQVAE cannot be made with "
                f"--model_options={','.join(self.model_options)}: {error}"
            ) from error
        self.check_model(model, num_steps)
        return model

    def prepare(self, model, splits):
        model.adapt(self._arrays(splits.train), seed=self.seed)

    def measure(self, model, items):
        return self._measured(model, items)[0]

    def _measured(self, model, items):
        def error(items, rebuilt):
            return {
                "relative_error": float(signals.channel_errors(items, rebuilt).mean())
            }

        return held_out.held_out_metrics(model, items, error=error)

    def report(self, run, model, splits):
        items, labels = splits.test.arrays(limit=64 if self.smoke else None)
        metrics, (codes,), rebuilt = self._measured(model, items)
        pictures = {"reconstructions": plots.signals(items[:SHOWN], rebuilt[:SHOWN])}
        if labels is not None and np.sum(np.bincount(labels) >= probe.FOLDS) > 1:
            metrics |= self._probed(model, codes, items, labels)
        delivered = {"models": {MODEL: run.best_path}}
        if self.prior_epochs:
            prior, bits = self._fit_prior(run, model, splits)
            metrics |= bits
            sampler = pipelines.Pipeline(model, [prior])
            count = 2 if self.smoke else SHOWN
            samples = sampler.sample(count, seed=0).images
            pictures["samples"] = plots.signals(samples)
            delivered["pipeline"] = sampler.description
            delivered["models"][prior_file(PRIOR)] = run.part(PRIOR).best_path
        run.finish({"test": metrics}, pictures=pictures, **delivered)
        print(self._last_words(run, metrics), flush=True)

    def _probed(self, model, codes, items, labels):
        """Accuracies of linear probes of the tokens of a signal, and of the signal."""
        vectors = np.asarray(model.quantizer.decode(codes))
        size = model.quantizer.num_embeddings
        flat = codes.reshape(len(codes), -1)
        counts = np.stack([np.bincount(row, minlength=size) for row in flat])
        features = {
            "token_counts": counts,
            "tokens": vectors,
            "signal": items,
        }
        found = {}
        for name, values in features.items():
            probed, _ = probe.linear_probe(values, labels)
            found[f"{name}_accuracy"] = probed["accuracy"]
        return {**found, "majority_accuracy": probed["majority_accuracy"]}

    def _fit_prior(self, run, model, splits):
        """The prior over tokens, and its bits per token on the test signals."""
        encode = inference.compiled(model.encode)

        def tokens(split):
            (codes,) = inference.in_batches(encode, self._arrays(split))
            return codes.reshape(*codes.shape[:2], -1).astype("int32")

        train, validation, test = map(
            tokens, (splits.train, splits.validation, splits.test)
        )

        def make():
            return priors.SequenceTransformer(
                train.shape[1:],
                model.quantizer.num_embeddings,
                name=f"{PRIOR}_prior",
                **{"seed": self.seed, **parse_options(self.prior_options)},
            )

        def bits_of(prior, some):
            return grids.bits(prior, some) / np.prod(some.shape[1:])

        def measure(prior):
            bits = bits_of(prior, validation)
            return {"loss": bits, "bits_per_code": bits}

        part = run.part(PRIOR)
        prior = grids.fit(self, part, make, train, measure, epochs=self.prior_epochs)
        frequencies = np.bincount(train.ravel(), minlength=prior.num_embeddings) + 1.0
        log_p = np.log2(frequencies / frequencies.sum())
        return prior, {
            "bits_per_code": bits_of(prior, test),
            "unigram_bits_per_code": float(-log_p[test].mean()),
        }

    def _last_words(self, run, metrics):
        rows = [
            f"{name:<24}{metrics[name]:.4f}"
            for name in (
                "relative_error",
                "bits_per_code",
                "unigram_bits_per_code",
                "tokens_accuracy",
                "token_counts_accuracy",
                "signal_accuracy",
                "majority_accuracy",
            )
            if name in metrics
        ]
        text = "\n  ".join(rows)
        return f"""
Done: {self.name}, on the test signals
  {text}
  model, prior, numbers and pictures in {run.path}
What next:
  encode    vqzoo.load("{run.path}").encode(signals)"""
