"""What single numbers of a representation know of single factors of the data.

Representations are float or int arrays `(N, codes)`, factors int arrays `(N, factors)`.
"""

import warnings

import numpy as np

BINS = 20
TINY = 1e-11


def histogram_bins(codes, bins=BINS):
    """Each column of codes `(N, C)` in bins of equal width: int `(N, C)` from 1 on."""
    codes = np.asarray(codes)
    # Without the last edge the largest value is in the last bin, not in one beyond it.
    return np.stack(
        [np.digitize(c, np.histogram(c, bins)[1][:-1]) for c in codes.T], axis=1
    )


def mutual_information(codes, factors, bins=BINS):
    """Mutual information of every code with every factor: float `(C, F)`, nats.

    Args:
        codes: `(N, C)`. Integers are taken as they are, floats in bins.
        factors: int `(N, F)`.
        bins: int.
    """
    from sklearn.metrics import mutual_info_score

    codes = np.asarray(codes)
    if codes.dtype.kind == "f":
        codes = histogram_bins(codes, bins)
    return np.array(
        [[mutual_info_score(f, c) for f in np.asarray(factors).T] for c in codes.T]
    )


def entropies(factors):
    """Entropy of each factor of int `(N, F)`: float `(F,)`, nats."""
    from sklearn.metrics import mutual_info_score

    return np.array([mutual_info_score(f, f) for f in np.asarray(factors).T])


def mutual_information_gap(codes, factors, bins=BINS):
    """MIG: how much more the best code knows of a factor than the second best.

    Args:
        codes: `(N, C)`, C of at least 2.
        factors: int `(N, F)`.
        bins: int.

    Returns:
        float in [0, 1]: the mean over factors of (I_1 - I_2) / H.

    Source: Chen et al. 2018, arXiv 1802.04942, equation 6; bins: Locatello et al. 2019,
        arXiv 1811.12359.
    """
    information = np.sort(mutual_information(codes, factors, bins), axis=0)[::-1]
    gaps = information[0] - information[1]
    return float(np.mean(gaps / np.maximum(entropies(factors), TINY)))


def modularity(codes, factors, bins=BINS):
    """How nearly each code knows of one factor alone: float in [0, 1].

    Args:
        codes: `(N, C)`.
        factors: int `(N, F)`, F of at least 2.
        bins: int.

    Of codes that know nothing it is not 0, however many there are: sampling noise
    differs between factors, and independent normals have about 0.66 of five factors.

    Source: Ridgeway and Mozer 2018, arXiv 1802.05312, equation 2. A code whose
        information is 0 in the sample counts 0.
    """
    squares = np.square(mutual_information(codes, factors, bins))
    most = squares.max(axis=1)
    rest = squares.sum(axis=1) - most
    known = np.maximum(most, TINY) * (squares.shape[1] - 1)
    return float(np.mean(np.where(most > TINY, 1 - rest / known, 0.0)))


def info_mec(codes, factors, bins=BINS, least_deviation=1e-6):
    """InfoM, InfoC and InfoE: modularity, compactness and explicitness in one unit.

    Args:
        codes: `(N, C)`. Integers are taken as they are, floats in bins.
        factors: int `(N, F)`, F of at least 2.
        bins: int.
        least_deviation: float: codes of a smaller standard deviation do not count.

    Returns:
        dict: `info_m`, `info_c` and `info_e`, each 1 at best; 0 without active codes.
        Codes that know nothing have an `info_m` above 0, as in `modularity`.

    Source: Hsu et al. 2023, arXiv 2305.18378, section 4. InfoE is of logistic
        regression on the codes, beside naming the frequencies alone.
    """
    codes = np.asarray(codes)
    active = codes.astype(float).std(axis=0) > least_deviation
    if not active.any():
        return {"info_m": 0.0, "info_c": 0.0, "info_e": 0.0}
    codes = codes[:, active]
    share = mutual_information(codes, factors, bins) / np.maximum(
        entropies(factors), TINY
    )
    return {
        "info_m": _dominance(share),
        "info_c": _dominance(share.T),
        "info_e": _predictive_information(codes, factors),
    }


def _dominance(share):
    """Mean over rows of what the largest entry has of the row, from chance 0 to 1."""
    count = share.shape[1]
    if count == 1:
        return 1.0
    largest = share.max(axis=1) / np.maximum(share.sum(axis=1), TINY)
    return float((largest.mean() - 1 / count) / (1 - 1 / count))


def _predictive_information(codes, factors):
    """Mean share of each factor's log loss that logistic regression takes away."""
    from sklearn.metrics import log_loss

    shares = []
    for factor in np.asarray(factors).T:
        classifier = linear_classifier(codes, factor)
        predicted = classifier.predict_proba(codes)
        loss = log_loss(factor, predicted, labels=classifier.classes_)
        shares.append(1 - loss / max(entropies(factor[:, None])[0], TINY))
    return float(np.mean(shares))


def linear_classifier(codes, values, scaled=True):
    """Logistic regression after 1,000 steps at most, which separable values use up."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier = LogisticRegression(max_iter=1000)
    if scaled:
        classifier = make_pipeline(StandardScaler(), classifier)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return classifier.fit(codes, values)
