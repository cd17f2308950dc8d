"""Training of models of vectors, whose codes become IDs in a file."""

import dataclasses

from vqzoo import ids
from vqzoo.datasets import columns
from vqzoo.registry import lazily
from vqzoo.runs.files import RunError
from vqzoo.runs.folder import HISTORY, METRICS, MODEL
from vqzoo.training.kinds.coding import CodingRecipe
from vqzoo.training.settings import Settings, setting

fitting = lazily("vqzoo.training.fitting")
identifiers = lazily("vqzoo.measures.identifiers")
held_out = lazily("vqzoo.measures.held_out")
inference = lazily("vqzoo.measures.inference")
models = lazily("vqzoo.models")
np = lazily("numpy")
quantizers = lazily("vqzoo.quantizers")
trained = lazily("vqzoo.trained")
vector_data = lazily("vqzoo.datasets.vectors")

NORMALIZATIONS = ("center", "standard", "whitening", "none")
UNIQUE = ("level", "reassign", "none")
BATCH = 4096


@dataclasses.dataclass(frozen=True, kw_only=True)
class VectorSettings(Settings):
    """The data."""

    dataset: str = setting(
        "patches",
        "arrays: the file --data_dir; patches: of photographs in installed packages",
        choices=("arrays", "patches"),
    )
    data_dir: str = setting("", ".npy, .npz or Parquet file of vectors")
    vector_column: str = setting(*columns.COLUMNS["vector_column"])
    key_column: str = setting(*columns.COLUMNS["key_column"])

    def __post_init__(self):
        super().__post_init__()
        for name in ("data_dir", "vector_column", "key_column"):
            self.expect_unused(name, self.dataset == "arrays", "dataset", "arrays")


@dataclasses.dataclass(frozen=True, kw_only=True)
class VectorModelSettings(Settings):
    """The model."""

    hidden_dims: tuple[int, ...] = setting(
        (512, 256, 128), "units of the hidden layers of the encoder"
    )
    normalization: str = setting(
        "center",
        "center (one scale), standard (a scale per column), whitening or none",
        choices=NORMALIZATIONS,
    )
    start: str = setting(
        "", "folder of a finished run whose model to train further, so that IDs stay"
    )
    unique: str = setting(
        "level",
        "what makes IDs unique: level, one more code; reassign, other last codes at "
        "the least cost, and a level if that is not enough; or none",
        choices=UNIQUE,
    )

    def __post_init__(self):
        super().__post_init__()
        dims = self.hidden_dims
        self.expect("hidden_dims", all(units > 0 for units in dims), "positive")


@dataclasses.dataclass(frozen=True, kw_only=True)
class VectorRecipe(CodingRecipe, VectorSettings, VectorModelSettings):
    """The semantic IDs.

    Raises: ValueError: on a value that cannot work, with the name of its flag.
    """

    def smoke_numbers(self):
        """Settings that a smoke run changes: a dict."""
        return {**super().smoke_numbers(), "hidden_dims": (16,), "batch_size": 64}

    def load_data(self):
        options = columns.options_of(self)
        splits = vector_data.load_vectors(self.dataset, **options)
        for line in vector_data.describe(splits):
            fitting.say(line)
        self.expect(
            "num_embeddings",
            self.num_embeddings <= splits.train.size,
            f"at most the {splits.train.size:,} training items",
        )
        return splits

    def build_model(self, item_shape, num_steps=None):
        model = models.VectorVQVAE(
            quantizers.make(self, 0, num_steps),
            input_dim=item_shape[0],
            hidden_dims=self.hidden_dims,
            normalization=None if self.normalization == "none" else self.normalization,
            name=self.name,
        )
        self.check_model(model, num_steps)
        return model

    def prepare(self, model, splits):
        table = splits.table
        if not self.start:
            model.adapt(table.vectors[table.splits["train"]], self.seed)
            return
        earlier = trained.load(self.start).model
        shapes = [[tuple(w.shape) for w in m.weights] for m in (model, earlier)]
        if shapes[0] != shapes[1]:
            raise RunError(
                f"--start={self.start} has a model of other sizes than this recipe's: "
                "the flags of its run are in its recipe.json"
            )
        model.set_weights(earlier.get_weights())

    def measure(self, fitted, items):
        error = identifiers.vector_error
        return held_out.held_out_metrics(fitted, items, error=error)[0]

    def report(self, run, fitted, splits):
        """Writes the IDs of all items and measures them."""
        model, table, layer = fitted, splits.table, fitted.quantizer
        encode = inference.compiled(model.encode)
        encoded = inference.in_batches(encode, table.vectors, batch_size=BATCH)
        codes = identifiers.flat_codes(encoded)
        found = identifiers.id_metrics(codes, table.vectors, layer.num_embeddings)
        test = self.measure(model, self._arrays(splits.test))
        path = run.path / ("ids.parquet" if ids.has_parquet() else "ids.csv")
        ids.write(path, table.keys, self._unique(model, codes, table.vectors))
        run.finish({"test": test, "ids": found}, models={MODEL: run.best_path})
        print(self._last_words(run, path, test, found, codes.shape[1]), flush=True)

    def _last_words(self, run, path, test, found, num_levels):
        names = [f"usage_{level}" for level in range(1, 1 + num_levels)]
        used = ", ".join(f"{found[name]:.0%}" for name in names)
        shares = f"{found['unique']:.2%}, {found['collisions_per_1000']:.1f} collisions"
        return f"""
Done: {self.name} of {found["items"]:,.0f} items, {found["duplicates"]:,.0f} duplicates
  relative error {test["relative_error"]:.4f}, cosine {test["cosine"]:.4f} (test items)
  codes in use   {used}, by level
  unique         {shares} in 1,000 items, before --unique={self.unique}
  IDs       {path}
  numbers   {run.path / METRICS}, {run.path / HISTORY}
  model     {run.model_path}
What next:
  encode    vqzoo.load("{run.path}").encode(vectors)
  serve it  vqzoo export {run.path} export/my_ids"""

    def _unique(self, model, codes, vectors):
        """The codes as IDs that differ if vectors do, unless `unique` is none."""
        same = ids.distinct(vectors)
        if self.unique == "reassign":
            costs = CostsOfLastCodes(model, vectors)
            codes = ids.reassign(codes, costs, model.quantizer.num_embeddings, same)
            if ids.summarize(codes, same)["largest_group"] == 1:
                return codes
        return codes if self.unique == "none" else ids.add_level(codes, same)


class CostsOfLastCodes:
    """Distances of latents from all codes that differ only in the last one.

    Args:
        model: `VectorVQVAE`.
        vectors: float `(N, D)`.
    """

    def __init__(self, model, vectors):
        self.decode = inference.compiled(model.quantizer.decode)
        self.num_codes = model.quantizer.num_embeddings
        latents = inference.compiled(model.latents)
        (self.latents,) = inference.in_batches(latents, vectors, batch_size=BATCH)

    def __call__(self, items, codes):
        """Squared distances `(m, K)` of items `(m,)` with one prefix, `(n - 1,)`."""
        last = np.arange(self.num_codes, dtype="int32")
        whole = np.concatenate([np.tile(codes, (len(last), 1)), last[:, None]], axis=1)
        places = np.asarray(self.decode(whole.astype("int32")))
        rest = self.latents[items][:, None] - places
        return np.square(rest).sum(axis=-1)
