"""Training of a prior that recommends items from histories of semantic IDs."""

import dataclasses
import hashlib
import itertools

import numpy as np

from vqzoo import ids
from vqzoo.registry import lazily, parse_options
from vqzoo.runs.files import RunError
from vqzoo.runs.folder import Run, prior_file
from vqzoo.training.kinds import grids
from vqzoo.training.settings import (
    OptimizerSettings,
    RunSettings,
    StepSettings,
    setting,
)

beam_search = lazily("vqzoo.priors.beam_search")
devices = lazily("vqzoo.training.devices")
fitting = lazily("vqzoo.training.fitting")
histories = lazily("vqzoo.datasets.histories")
plots = lazily("vqzoo.plots")
prefix_tree = lazily("vqzoo.priors.prefix_tree")
priors = lazily("vqzoo.priors")
quantizers = lazily("vqzoo.quantizers")
ranking = lazily("vqzoo.measures.ranking")
vectors = lazily("vqzoo.datasets.vectors")

SMOKE_USERS, SMOKE_ITEMS = 32, 64
LISTED = 10
KEYS = ("recall_at_5", "recall_at_10", "ndcg_at_10")
# Validation users per epoch: their bits decide the best epoch.
MAX_VALIDATION_USERS = 1024


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecommenderRecipe(RunSettings, StepSettings, OptimizerSettings):
    """The users, the items and their IDs; a prior over histories of IDs.

    Raises: ValueError: on a value that cannot work, with the name of its flag.
    """

    ratings: str = setting(
        "",
        "file of user, item, rating and time, as MovieLens's; empty: generated users",
    )
    least_rating: float = setting(0.0, "lower ratings are no choices")
    ids: str = setting(
        "",
        "file of keys of items and their IDs, ids.parquet of a run of semantic_ids; "
        "empty: residual k-means of the vectors",
    )
    dataset: str = setting(
        "patches",
        "vectors of items: arrays, patches, or ratings, of a matrix factorization",
        choices=("arrays", "patches", "ratings"),
    )
    data_dir: str = setting("", "file of vectors of items with keys, of arrays")
    num_users: int = setting(6000, "generated users", at_least=16)
    max_items: int = setting(2000, "items of generated users; 0: all", at_least=0)
    num_levels: int = setting(
        3,
        "codes of an ID of residual k-means, before that which tells items apart",
        at_least=1,
    )
    num_embeddings: int = setting(64, "K, codes of each of its levels", at_least=2)
    history: int = setting(20, "items of a history that are seen", at_least=1)
    num_beams: int = setting(40, "prefixes that are followed", at_least=1)
    prior_options: tuple[str, ...] = setting(
        (), "arguments of SequenceTransformer, name=value"
    )

    def __post_init__(self):
        super().__post_init__()
        parse_options(self.prior_options)
        self.expect_unused("least_rating", self.ratings, "ratings", "a file")
        used = self.dataset != "ratings" or bool(self.ratings)
        self.expect("dataset", used, "arrays or patches without --ratings")
        known = self.dataset != "patches" or self.ids or not self.ratings
        self.expect("dataset", known, "arrays or ratings with --ratings, or give --ids")

    def smoke_numbers(self):
        return {
            **super().smoke_numbers(),
            "num_users": SMOKE_USERS,
            "max_items": SMOKE_ITEMS,
            "num_embeddings": 8,
            "history": min(self.history, 6),
            "prior_options": ("num_layers=1", "num_channels=16", "num_heads=2"),
        }

    def run(self):
        """Fits the prior and writes a folder with it, its figures and the IDs.

        Returns:
            `pathlib.Path` of the run's folder.

        Raises:
            RunError: if the run cannot continue, for a reason that its user can fix.
            Stopped: after SIGTERM or SIGINT, once the state is saved.
            ValueError: if a setting does not fit the data.
        """
        recipe = self.shrunk()
        surroundings = self.strategy, self.precision, self.seed
        with fitting.surroundings(*surroundings) as strategy:
            if devices.is_multi_worker(strategy):
                raise RunError("a recommender trains on one machine: unset TF_CONFIG")
            return recipe._run(strategy)

    def _run(self, strategy):
        users, tree, leaf_of = self._load()
        fitting.say(
            f"Data: {users.name}, {len(users.users):,} users, {len(users.keys):,} "
            f"items, {len(tree.ids):,} different IDs of {tree.num_levels} codes"
        )
        digest = hashlib.sha256(users.fingerprint.encode())
        digest.update(tree.ids[leaf_of].tobytes())
        settings = fitting.settings(self.identity(), (), (), digest.hexdigest())
        opened = Run.open(self.runs_dir, self.name, settings, resume=self.resume)
        with opened as run:
            prior = self._fit(run, users, tree, leaf_of, strategy)
            metrics = self._measured(prior, users, tree, leaf_of)
            figure = plots.learning_curves(
                {"validation": run.history()}, "bits_per_item", "bits per item"
            )
            suffix = "parquet" if ids.has_parquet() else "csv"
            ids.write(run.path / f"ids.{suffix}", users.keys, tree.ids[leaf_of])
            run.finish(
                {"test": metrics},
                models={prior_file("prior"): run.best_path},
                pictures={"bits": figure},
            )
            _say(self.name, run, metrics)
            return run.path

    def _fit(self, run, users, tree, leaf_of, strategy):
        def grids_of(lists):
            return _grids(lists, size, tree, leaf_of)

        def make():
            options = {"seed": self.seed, **parse_options(self.prior_options)}
            shape = (size, tree.num_levels)
            return priors.SequenceTransformer(
                shape, tree.num_embeddings, name="prior", **options
            )

        def measure(prior):
            bits = grids.bits(prior, held_out, [-1])
            return {"loss": bits, "bits_per_item": bits}

        size = self.history + 1
        held_out = grids_of(users.until(1)[:MAX_VALIDATION_USERS])
        train = grids_of([w for user in users.until(2) for w in _windows(user, size)])
        options = {"epochs": self.epochs, "strategy": strategy}
        return grids.fit(self, run, make, train, measure, **options)

    def _measured(self, prior, users, tree, leaf_of):
        """Figures for the last item of each user, beside those of baselines."""
        past, right, counts = users.until(1), users.last(1), users.counts()
        whole = _grids(users.users, self.history + 1, tree, leaf_of)
        leaves, _ = beam_search.recommend(
            prior, whole[:, :-1], tree, self.num_beams, num_beams=self.num_beams
        )
        lists = _items_of(leaves, tree, counts, past)
        found = ranking.figures(ranking.ranks_in(lists, right))
        factors = ranking.factorize(users.until(2), len(users.keys))
        ways = {
            "popularity": lambda some: counts,
            "matrix_factorization": lambda some: ranking.factorized_scores(
                factors, some
            ),
        }
        for name, scores in ways.items():
            ranks = [
                ranking.ranks_in(
                    ranking.top_items(scores(past[i : i + 512]), past[i : i + 512]),
                    right[i : i + 512],
                )
                for i in range(0, len(past), 512)
            ]
            figures = ranking.figures(np.concatenate(ranks))
            found |= {f"{name}_{key}": value for key, value in figures.items()}
        return {
            **found,
            "bits_per_item": grids.bits(prior, whole, [-1]),
            "users": float(len(past)),
            "items": float(len(users.keys)),
            "ids": float(len(tree.ids)),
        }

    def _load(self):
        """Histories, the tree of IDs, and the leaf of each item."""
        users = keys = found = None
        if self.ratings:
            users = histories.read(self.ratings, least_rating=self.least_rating)
        if self.dataset == "ratings":
            keys, found = users.keys, ranking.factorize(users.until(2), len(users.keys))
        elif not (self.ratings and self.ids):
            table = vectors.load_vectors(self.dataset, data_dir=self.data_dir).table
            keys, found = table.keys, table.vectors
        if users is None:
            chosen = np.random.default_rng(0).permutation(len(keys))
            chosen = np.sort(chosen[: self.max_items or len(keys)])
            keys, found = keys[chosen], found[chosen]
            users = histories.generate(keys, found, num_users=self.num_users)
        named, codes = ids.read(self.ids) if self.ids else (keys, self._cluster(found))
        users, rows = users.of(named)
        self.expect("ids", rows.size, f"IDs of items of {users.name}")
        codes = codes[rows]
        tree = prefix_tree.PrefixTree(codes, int(codes.max()) + 1)
        return users, tree, tree.leaves(codes)

    def _cluster(self, found):
        """Unique IDs by residual k-means on the vectors."""
        dim = found.shape[1]
        layer = quantizers.ResidualQuantizer(
            [
                quantizers.VectorQuantizer(self.num_embeddings, dim)
                for _ in range(self.num_levels)
            ]
        )
        layer.build((None, dim))
        layer.start_from(found, self.seed)
        return ids.add_level(np.asarray(layer.encode(found)), ids.distinct(found))


def _windows(items, size):
    """Parts of a history with a maximal number of items; the last one is full."""
    for end in range(len(items), 1, -size):
        yield items[max(0, end - size) : end]


def _grids(lists, size, tree, leaf_of):
    """IDs of the last items of each list, int32 `(N, size, levels)`; -1 before them."""
    grids = np.full((len(lists), size, tree.num_levels), -1, "int32")
    for grid, items in zip(grids, lists):
        rows = tree.ids[leaf_of[items[-size:]]]
        grid[size - len(rows) :] = rows
    return grids


def _items_of(leaves, tree, counts, past):
    """The first items with these IDs outside the history: int `(users, 10)`.

    If items share an ID, the most popular come first.
    """
    order = [
        sorted(tree.items_of(leaf), key=lambda item: -counts[item])
        for leaf in range(len(tree.ids))
    ]
    lists = np.full((len(leaves), LISTED), -1)
    for row, mine, seen in zip(lists, leaves, map(set, past)):
        found = (i for leaf in mine if leaf >= 0 for i in order[leaf] if i not in seen)
        for place, item in enumerate(itertools.islice(found, LISTED)):
            row[place] = item
    return lists


def _say(name, run, metrics):
    rows = [
        f"{way or 'prior':<22}"
        + "".join(f"{metrics[prefix + key]:>14.4f}" for key in KEYS)
        for way in ("", "popularity", "matrix_factorization")
        for prefix in [way and f"{way}_"]
    ]
    print(
        f"""
Done: {name}, the last item of {metrics["users"]:,.0f} users among
{metrics["items"]:,.0f} items
  {" " * 22}{"".join(f"{key:>14}" for key in KEYS)}
  {chr(10).join(rows).replace(chr(10), chr(10) + "  ")}
  prior, IDs and numbers in {run.path}""",
        flush=True,
    )
