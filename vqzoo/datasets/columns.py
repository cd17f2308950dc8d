"""What is where in files of vectors and in shards: flags, without TensorFlow."""

# Defaults and help of the flags: of vectors, and of shards of images.
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
SHARDS = {
    "validation_shards": (
        "",
        "shards of validation images, as --data_dir; empty: a share of the keys, by "
        "their hash",
    ),
    "test_shards": ("", "the same of test images"),
    "image_column": (
        "",
        "name of the images in shards: a column, feature or suffix; empty: image, jpg "
        "and the like",
    ),
    "key_column": COLUMNS["key_column"],
    "label_column": ("", "name of the labels in shards; empty: label, cls"),
    "shuffle_window": (4096, "images of shards that are shuffled with each other"),
    "index_dir": (
        "",
        "where it is kept what was found in shards, for later runs and other workers; "
        "empty: the cache folder of the user",
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
