"""Where vectors and their keys are in the user's files: flags, without TensorFlow."""

# Defaults and help of the flags.
COLUMNS = {
    "vector_column": (
        "",
        "name of the vectors in the file; empty: vectors, embeddings and the like",
    ),
    "key_column": (
        "",
        "name of the keys in the file; empty: key, item_id or id, otherwise "
        "row numbers",
    ),
}


def options_of(settings) -> dict:
    """What settings give to `vectors.load_vectors` beside the name: a dict.

    Args:
        settings: a recipe or flags with `data_dir`, `vector_column` and `key_column`.
    """
    return {
        "data_dir": settings.data_dir,
        "vectors": settings.vector_column,
        "keys": settings.key_column,
    }
