"""How good recommendations are, and what simple methods reach."""

import numpy as np


def figures(ranks, cutoffs=(5, 10)):
    """Recall and NDCG of one right item for each user.

    Args:
        ranks: int `(users,)`, the position of the right item, 0 for the first; -1 where
            it is not among the recommended.
        cutoffs: ints, the lengths of the lists.

    Returns:
        dict of floats: `recall_at_5`, `ndcg_at_5` and the like.
    """
    ranks, found = np.asarray(ranks), {}
    for cutoff in cutoffs:
        hits = (ranks >= 0) & (ranks < cutoff)
        found[f"recall_at_{cutoff}"] = float(hits.mean())
        gains = np.where(hits, 1 / np.log2(np.maximum(ranks, 0) + 2), 0.0)
        found[f"ndcg_at_{cutoff}"] = float(gains.mean())
    return found


def ranks_in(lists, right):
    """The position of the right item of each user in a list, or -1.

    Args:
        lists: int `(users, count)`, the best first; -1 is no item.
        right: int `(users,)`.
    """
    hits = np.asarray(lists) == np.asarray(right)[:, None]
    return np.where(hits.any(axis=1), hits.argmax(axis=1), -1)


def top_items(scores, histories, count=10):
    """The items of the highest scores that are not in a history: int `(users, count)`.

    Args:
        scores: float `(users, items)`, or `(items,)` for all users.
        histories: sequence of int arrays.
        count: int.
    """
    shape = len(histories), np.shape(scores)[-1]
    scores = np.array(np.broadcast_to(scores, shape), "float32")
    for row, items in zip(scores, histories):
        row[items] = -np.inf
    return np.argsort(-scores, axis=1, kind="stable")[:, :count]


def factorize(histories, num_items, rank=32):
    """Vectors of items by the truncated SVD of users by items: float `(items, rank)`.

    The scores of a user are the sum of the vectors of the history times those of all
    items.

    Args:
        histories: sequence of int arrays.
        num_items: int.
        rank: int.

    Source: Cremonesi et al. 2010, RecSys (PureSVD).
    """
    from scipy import sparse
    from sklearn.utils.extmath import randomized_svd

    columns = np.concatenate(histories)
    starts = np.cumsum([0, *map(len, histories)])
    ones, shape = np.ones(len(columns), "float32"), (len(histories), num_items)
    matrix = sparse.csr_matrix((ones, columns, starts), shape=shape)
    rank = min(rank, *shape)
    _, _, axes = randomized_svd(matrix, n_components=rank, random_state=0)
    return axes.T.astype("float32")


def factorized_scores(vectors, histories):
    """Scores of all items for each user, from the vectors of `factorize`."""
    sums = np.stack([vectors[items].sum(axis=0) for items in histories])
    return sums @ vectors.T
