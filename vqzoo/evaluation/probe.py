"""What a simple classifier can read from a representation."""

import numpy as np


def linear_probe(features, labels, num_folds=5, seed=0):
    """Cross-validated accuracy of multinomial logistic regression.

    Args:
        features: array `(N, ...)`; flattened and standardized on each training fold.
            For the scalar probe these are the code indices themselves.
        labels: int `(N,)`.
        num_folds: int, stratified folds.
        seed: int, of the folds.

    Returns:
        dict: `accuracy` (mean over the folds), `accuracy_std` (over the folds) and
        `majority_accuracy` (of always naming the most frequent class).

    Raises:
        ValueError: if there is one class only, or a class with fewer members than
            folds.

    Source: Coppock's thesis, section 4.4; Coates et al. 2011. Differs: nothing.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    labels = np.asarray(labels)
    _, counts = np.unique(labels, return_counts=True)
    if len(counts) < 2 or counts.min() < num_folds:
        raise ValueError(
            f"expected at least 2 classes with {num_folds} members or more, received "
            f"class counts {counts.tolist()}"
        )
    features = np.asarray(features, "float32").reshape(len(labels), -1)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    folds = StratifiedKFold(num_folds, shuffle=True, random_state=seed)
    scores = cross_val_score(classifier, features, labels, cv=folds)
    return {
        "accuracy": float(scores.mean()),
        "accuracy_std": float(scores.std()),
        "majority_accuracy": float(counts.max() / counts.sum()),
    }
