"""Semantic IDs of 100,000 vectors, beside residual k-means and its libraries.

`--items=images`: features, by a classifier trained here, of the 60,000 images of
CIFAR-10 and of 40,000 of them mirrored. `--items=texts`: TF-IDF of docstrings of
installed packages on 128 main axes, as scikit-learn's texts need a download. Each part
adds its figures to results/semantic_ids.json, so that parts can run one by one:

    python -m benchmarks.semantic_ids --cifar10=PATH --parts=vectors,ours,peers

- `vectors`: makes them, and writes them to --folder.
- `ours`: the recipe `semantic_ids`, and its last codes reassigned; `torch` and
  `peers`: `semantic_id_peers`.
- `options`: beams, and other settings of the recipe.
- `noise`: the noisy assignment of the last stage; `stability`: another seed, and 10 %
  new items with and without a warm start.
- `timings`: `semantic_id_timings`.

`--quick` takes few vectors and steps, and writes no figures. The peers need faiss-cpu,
torch and vector-quantize-pytorch.
"""

import dataclasses
import pathlib
import tempfile

import numpy as np

from benchmarks import measure, semantic_id_peers, semantic_id_timings
from benchmarks import semantic_id_items as items

LONGER = {"batch_size": 256, "epochs": 16}


def _noise_of(*sigmas):
    """The quantizer with a sigma for each stage."""
    noise = f"stage_noise=({','.join(map(str, sigmas))})"
    return {"quantizer_options": (f"num_stages={len(sigmas)}", noise)}


# Other settings of the recipe.
OPTIONS = {
    "32 passes": {"epochs": 32},
    "32 passes, a learning rate of 3e-3": {"epochs": 32, "learning_rate": 3e-3},
    "steps of 256, 16 passes": LONGER,
    "noise 4, steps of 256, 16 passes": LONGER | _noise_of(0.0, 0.0, 4.0),
    "noise 16, steps of 256, 16 passes": LONGER | _noise_of(0.0, 0.0, 16.0),
    "noise 4, steps of 256, 48 passes": LONGER
    | {"epochs": 48}
    | _noise_of(0.0, 0.0, 4.0),
    "balanced last stage": {"quantizer_options": ("num_stages=3", "balanced=True")},
    "shared codebook": {"quantizer_options": ("num_stages=3", "shared=True")},
    "embeddings of 128": {"embedding_dim": 128},
    "columns of one scale": {"normalization": "standard"},
    "whitened": {"normalization": "whitening"},
}


def main(flags):
    """Measures the parts and writes semantic_ids.json after each."""
    for part in flags.parts:
        found = PARTS[part](flags)
        print(part, found, flush=True)
        if flags.quick:
            continue
        # Parts may run at the same time: keep what another wrote.
        results = measure.read("semantic_ids")
        results["machine"] = measure.machine()
        if part == "timings":
            results[part] = found
        else:
            results.setdefault(flags.items, {})[part] = found
        measure.write("semantic_ids", results)


def _vectors(flags):
    write = {"images": items.write_images, "texts": items.write_texts}
    return write[flags.items](flags)


def _recipe(flags, runs_dir, **changes):
    from vqzoo.recipes.semantic_ids import RECIPE

    sizes = items.sizes(flags)
    chosen = {
        "dataset": "arrays",
        "data_dir": items.path_of(flags),
        "runs_dir": runs_dir,
        "num_embeddings": sizes.codes,
        "epochs": sizes.epochs,
        "batch_size": sizes.batch,
        "unique": "none",
        "tensorboard": False,
        "save_steps": 10_000,
    }
    return dataclasses.replace(RECIPE, **{**chosen, **changes})


def _codes(model, vectors):
    from vqzoo.measures import identifiers, inference

    encoded = inference.in_batches(
        inference.compiled(model.encode), vectors, batch_size=4096
    )
    return identifiers.flat_codes(encoded)


def _said(model, codes, flags):
    return items.said(codes, np.asarray(model.decode(codes)), flags)


def _trained(flags, runs_dir, **changes):
    """The model of a run, the IDs of all vectors, their figures, its folder."""
    import vqzoo

    runs = []
    seconds = measure.seconds(
        lambda: runs.append(_recipe(flags, runs_dir, **changes).run())
    )
    model = vqzoo.load(runs[0]).model
    codes = _codes(model, items.all_vectors(flags))
    said = {**_said(model, codes, flags), "seconds": round(seconds, 1)}
    return model, codes, said, str(runs[0])


def _reassigned(model, codes, flags):
    from vqzoo import ids
    from vqzoo.training.kinds.vectors import CostsOfLastCodes

    vectors = items.all_vectors(flags)
    costs = CostsOfLastCodes(model, vectors)
    same = ids.distinct(vectors)
    found = ids.reassign(codes, costs, items.sizes(flags).codes, same)
    return {**_said(model, found, flags), "changed": ids.changed(codes, found)[-1]}


def _ours(flags):
    rows = {"nearest codes": {}, "last codes reassigned": {}}
    with tempfile.TemporaryDirectory() as folder:
        for seed in flags.seeds:
            model, codes, said, _ = _trained(flags, folder, seed=seed)
            rows["nearest codes"][str(seed)] = said
            found = _reassigned(model, codes, flags)
            rows["last codes reassigned"][str(seed)] = found
    return rows


def _options(flags):
    vectors = items.all_vectors(flags)
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        model, _, rows["the recipe"], _ = _trained(flags, folder)
        for width in (4, 16):
            model.quantizer.beam_width = width
            rows[f"beam of {width}"] = _said(model, _codes(model, vectors), flags)
        for name, changes in OPTIONS.items():
            rows[name] = _trained(flags, folder, **changes)[2]
    return rows


def _noise(flags):
    """Neighbors found within the last digit, with noise of the last stage."""
    from vqzoo.measures import identifiers

    vectors = items.all_vectors(flags)
    queries = np.random.default_rng(0).permutation(len(vectors))[:1000]
    neighbors = identifiers.nearest_items(vectors, queries)
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for sigma in flags.sigmas:
            changes = _noise_of(0.0, 0.0, sigma) if sigma else {}
            _, codes, said, _ = _trained(flags, folder, **changes)
            digits = identifiers.last_digit_recall(codes, queries, neighbors)
            rows[str(sigma)] = {**said, **digits}
    return rows


def _stability(flags):
    """Shares of items whose first 1, 2 or 3 codes changed."""
    from vqzoo import ids

    vectors = items.all_vectors(flags)
    old = int(0.9 * len(vectors))
    with tempfile.TemporaryDirectory() as folder:
        before = pathlib.Path(folder, "before.npy")
        np.save(before, vectors[:old])
        _, first, _, run = _trained(flags, folder, data_dir=str(before))
        _, other, _, _ = _trained(flags, folder, data_dir=str(before), seed=1)
        _, again, fresh, _ = _trained(flags, folder)
        kept = {"start": run, "epochs": 2, "learning_rate": 1e-4}
        _, warm, said, _ = _trained(flags, folder, **kept)
    return {
        "another seed": ids.changed(first[:old], other[:old]),
        "10 % new items, anew": ids.changed(first[:old], again[:old]),
        "10 % new items, warm start": ids.changed(first[:old], warm[:old]),
        "of all items, anew": fresh,
        "of all items, warm start": said,
    }


PARTS = {
    "vectors": _vectors,
    "ours": _ours,
    "torch": semantic_id_peers.measure_torch,
    "peers": semantic_id_peers.measure_k_means,
    "options": _options,
    "noise": _noise,
    "stability": _stability,
    "timings": semantic_id_timings.measure_timings,
}


if __name__ == "__main__":
    measure.run(
        main,
        cifar10=("../shared/data/cifar10_jpeg.tar.xz", "archive of the images"),
        folder=("semantic_id_vectors", "of the vectors"),
        items=("images", "what the vectors are of", ("images", "texts")),
        parts=(tuple(PARTS), "what is measured", tuple(PARTS)),
        seeds=((0, 1, 2), "of the trainings"),
        sigmas=((0.0, 0.5, 1.0, 2.0), "of the noise of the last stage"),
        rounds=(3, "of the timings"),
        quick=(False, "few vectors and steps, and no figures are written"),
    )
