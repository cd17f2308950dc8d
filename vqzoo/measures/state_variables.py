"""How well the latents of a frame predict the state of the game."""

import keras
import numpy as np
from keras import ops

from vqzoo import registry
from vqzoo.datasets.experience import Experience
from vqzoo.images import to_images
from vqzoo.measures.findings import Skipped

ORDER = 5.2
TITLE = "State of the game"
TEXT = (
    "A linear probe reads each state variable, such as the position of a ball, from "
    "the latents of one frame: from code vectors, from indices as numbers, or from the "
    "means of a VAE. Probes learn from training episodes and are tested on other "
    "episodes, without frames that equal a training frame. Integer variables have F1, "
    "weighted by the frequency of values, as in AtariARI; those below 0.6 nats of "
    "entropy are left out. Real-valued variables have R2."
)
LEAST_ENTROPY = 0.6  # nats
BATCH, STEPS = 256, 500
WORDS = {"vectors": "code vectors", "indices": "indices", "latents": "latents"}


def entropy(values):
    """Entropy of the values of a variable `(N,)`, in nats."""
    shares = np.unique(values, return_counts=True)[1] / len(values)
    return float(-np.sum(shares * np.log(shares)))


def class_probe(train, train_states, test, test_states, *, steps=None, seed=0):
    """Weighted F1 of a linear softmax probe of each variable.

    Args:
        train, test: float `(N, F)` and `(M, F)`, features.
        train_states, test_states: numbers `(N, V)` and `(M, V)`, whose values are
            classes.
        steps: int, of 256 frames each. Defaults to 500.
        seed: int.

    Returns:
        `(f1, majority_f1)`, float64 `(V,)`: of the probe, and of always predicting the
        most frequent training value.

    Source: Anand et al. 2019, arXiv 1906.08226, section 5. Differs: features are
        standardized, and the probe takes fewer and larger steps.
    """
    from sklearn.metrics import f1_score

    train, test = _standardized(train, test)
    values = [np.unique(column) for column in train_states.T]
    ends = np.cumsum([len(each) for each in values])
    slices = [slice(end - len(each), end) for end, each in zip(ends, values)]
    targets = np.stack(
        [np.searchsorted(each, c) for each, c in zip(values, train_states.T)], axis=1
    )
    keras.utils.set_random_seed(seed)
    probe = keras.Sequential(
        [
            keras.Input(train.shape[1:]),
            keras.layers.Dense(int(ends[-1]), dtype="float32"),
        ]
    )

    def loss(classes, logits):
        parts = [
            ops.sparse_categorical_crossentropy(
                classes[:, place], logits[:, each], from_logits=True
            )
            for place, each in enumerate(slices)
        ]
        return sum(parts)

    probe.compile(keras.optimizers.Adam(1e-3, epsilon=1e-5), loss=loss)
    generator, targets = np.random.default_rng(seed), targets.astype("int32")
    for _ in range(steps or STEPS):
        rows = generator.integers(len(train), size=BATCH)
        probe.train_on_batch(train[rows], targets[rows])
    logits = probe.predict(test, batch_size=1024, verbose=0)
    scores = []
    for place, each in enumerate(slices):
        right = test_states[:, place]
        named = values[place][logits[:, each].argmax(axis=1)]
        most = values[place][np.bincount(targets[:, place]).argmax()]
        weighted = {"average": "weighted", "zero_division": 0}
        scores.append(
            [
                f1_score(_words(right), _words(guess), **weighted)
                for guess in (named, np.full_like(right, most))
            ]
        )
    return tuple(np.array(scores).T)


def number_probe(train, train_states, test, test_states):
    """R2 of a ridge regression of each variable, on test frames: float64 `(V,)`.

    Args:
        train, train_states, test, test_states: as in `class_probe`; states are real.
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.metrics import r2_score

    train, test = _standardized(train, test)
    fitted = RidgeCV(alphas=np.logspace(0, 5, 6)).fit(train, train_states)
    guessed = fitted.predict(test).reshape(test_states.shape)
    return r2_score(test_states, guessed, multioutput="raw_values")


def _standardized(train, test):
    mean, spread = train.mean(axis=0), train.std(axis=0)
    spread = np.where(spread > 1e-6, spread, 1)
    return tuple(((each - mean) / spread).astype("float32") for each in (train, test))


def _words(values):
    return values.astype(int).astype(str)


def frames_of(experience, split, count, *, but=None, seed=0):
    """Random frames of the episodes of a split, and their states.

    Args:
        experience: `Experience`.
        split: str.
        count: int, at most.
        but: uint8 frames to leave out, or None.
        seed: int, of the choice.

    Returns:
        `(frames, states)`, uint8 `(N, H, W, C)` and float32 `(N, V)`.
    """
    known = set() if but is None else {frame.tobytes() for frame in but}
    places = [
        (episode, row)
        for episode in experience.episodes(split)
        for row in range(len(episode.frames))
    ]
    chosen = np.random.default_rng(seed).permutation(len(places))[:count]
    frames, states = [], []
    for place in np.sort(chosen):
        episode, row = places[place]
        frame = np.array(episode.frames[row])
        if frame.tobytes() not in known:
            frames.append(frame)
            states.append(np.array(episode.states[row]))
    if not frames:
        raise ValueError(f"expected frames that only {split} episodes have, found none")
    return np.stack(frames), np.stack(states)


def features(subject, frames):
    """Features for probes by name: float32 `(N, F)` each.

    Args:
        subject: `Subject`.
        frames: uint8 `(N, H, W, C)`.
    """
    codes = subject.encode(to_images(frames))
    if not subject.tiers:
        return {"latents": np.concatenate([_flat(each) for each in codes], axis=1)}
    vectors = [
        _flat(np.asarray(tier.layer.decode(each)))
        for tier, each in zip(subject.tiers, codes)
    ]
    return {
        "vectors": np.concatenate(vectors, axis=1),
        "indices": np.concatenate([_flat(each) for each in codes], axis=1),
    }


def _flat(values):
    return values.reshape(len(values), -1).astype("float32")


def state_probes(subject, experience, *, train_count, test_count, seed=0):
    """Scores of probes of each variable.

    Args:
        subject: `Subject`, whose model gives the latents.
        experience: `Experience` with states.
        train_count, test_count: ints, frames at most.
        seed: int.

    Returns:
        `(scores, left_out)`: scores by variable, in a dict by features, with
        `"majority"` if states are classes; and the variables that vary too little.

    Raises:
        Skipped: if states are unknown, or none varies.
    """
    names = experience.state_names
    if not names:
        raise Skipped("the variables of this game are not known")
    train_frames, train_states = frames_of(experience, "train", train_count, seed=seed)
    test_frames, test_states = frames_of(
        experience, "test", test_count, but=train_frames, seed=seed
    )
    whole = np.concatenate([train_states, test_states])
    are_classes = bool(np.all(whole == np.round(whole)))
    varying = [
        entropy(column) >= LEAST_ENTROPY if are_classes else column.std() > 0
        for column in whole.T
    ]
    kept = np.flatnonzero(varying)
    if not len(kept):
        raise Skipped("no variable of the game varies enough")
    train, test = (features(subject, each) for each in (train_frames, test_frames))
    scores = {}
    for kind in train:
        states = train_states[:, kept], test_states[:, kept]
        given = train[kind], states[0], test[kind], states[1]
        if are_classes:
            found, majority = class_probe(*given, seed=seed)
            scores["majority"] = dict(zip([names[k] for k in kept], majority))
        else:
            found = number_probe(*given)
        scores[kind] = dict(zip([names[k] for k in kept], found))
    return scores, [name for name, varies in zip(names, varying) if not varies]


@registry.named("state_variables")
def measure(subject, section):
    """Scores of linear probes of state variables."""
    experience = subject.data.table
    if not isinstance(experience, Experience):
        raise Skipped("the data are no episodes of a game: --dataset=episodes")
    sizes = subject.sizes
    scores, left_out = state_probes(
        subject, experience, train_count=sizes.train_images, test_count=sizes.images
    )
    unit = "f1" if "majority" in scores else "r2"
    for kind, found in scores.items():
        section.add({f"{kind}_{unit}": np.mean(list(found.values()))})
        section.add({f"{kind}_{name}_{unit}": value for name, value in found.items()})
    rows = [
        (name, *(found[name] for found in scores.values()))
        for name in next(iter(scores.values()))
    ]
    rows.append(("mean", *(np.mean(list(each.values())) for each in scores.values())))
    header = ("variable", *(WORDS.get(kind, kind) for kind in scores))
    note = f"Left out, as they hardly vary: {', '.join(left_out)}." if left_out else ""
    section.table(f"{unit.upper()} of linear probes", header, rows, note)
