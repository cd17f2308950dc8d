"""A tree of the prefixes of existing IDs."""

import numpy as np
from keras import ops

from vqzoo.arguments import check_codes


class PrefixTree:
    """The codes that may follow a prefix, so that only existing IDs are drawn.

    Args:
        ids: int `(items, levels)`, in [0, num_embeddings); items may share an ID.
        num_embeddings: int, K, codes of each level.
    Attributes:
        ids: int32 `(distinct, levels)`, in ascending order; their rows are its leaves.
        keys: for each level int32, ascending: the nodes, each as the position of its
            parent in the level above * K + code.
    Raises: ValueError: if they are not codes, or too many for 32 bits.
    """

    def __init__(self, ids, num_embeddings):
        ids = _checked(ids, num_embeddings)
        self.num_embeddings = num_embeddings
        self.ids, self._leaf_of_item = np.unique(ids, axis=0, return_inverse=True)
        self._leaf_of_item = self._leaf_of_item.reshape(-1)
        if len(self.ids) * num_embeddings >= 2**31:
            raise ValueError(
                f"expected fewer than 2**31 / {num_embeddings} IDs, received "
                f"{len(self.ids):,}"
            )
        places, keys = np.zeros(len(self.ids), "int64"), []
        for codes in self.ids.T:
            level, places = np.unique(
                places * num_embeddings + codes, return_inverse=True
            )
            keys.append(level.astype("int32"))
        self.keys = tuple(keys)
        self._by_leaf = np.argsort(self._leaf_of_item, kind="stable")
        counts = np.bincount(self._leaf_of_item, minlength=len(self.ids))
        self._starts = np.concatenate([[0], np.cumsum(counts)])

    @property
    def num_levels(self):
        """Codes of an ID."""
        return self.ids.shape[1]

    def items_of(self, leaf):
        """The items with the ID of a leaf, as rows of the `ids` of the constructor."""
        return self._by_leaf[self._starts[leaf] : self._starts[leaf + 1]]

    def leaves(self, ids):
        """The leaf of each ID: int `(...)` of int `(..., levels)`.

        Raises:
            ValueError: if an ID does not exist.
        """
        ids = _checked(ids, self.num_embeddings)
        shape, ids = ids.shape[:-1], ids.reshape(-1, ids.shape[-1])
        if ids.shape[1] != self.num_levels:
            raise ValueError(
                f"expected IDs of {self.num_levels} levels, received {ids.shape[1]}"
            )
        places = np.zeros(len(ids), "int64")
        for keys, codes in zip(self.keys, ids.T):
            wanted = places * self.num_embeddings + codes
            places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            missing = keys[places] != wanted
            if missing.any():
                row = int(np.argmax(missing))
                raise ValueError(
                    f"expected IDs that exist, received {tuple(ids[row].tolist())} in "
                    f"row {row}, which is none of the {len(self.ids):,} in the tree"
                )
        return places.reshape(shape)


def _checked(ids, num_embeddings):
    ids = ops.convert_to_numpy(check_codes(ids, num_embeddings, name="ids", least=0))
    if ids.ndim < 2 or not ids.size:
        raise ValueError(f"expected ids (items, levels), received shape={ids.shape}")
    return ids
