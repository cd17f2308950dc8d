"""Small encodings and what they wrote."""

import numpy as np

from vqzoo.datasets import code_shards
from vqzoo.encode.job import Job


def job_of(pattern, folder, batch_size=4, **options):
    """An encoding in small batches, for an encoder that is loaded already."""
    return Job(
        model="", pattern=pattern, output=str(folder), batch_size=batch_size, **options
    )


def rows_of(folder):
    """All rows of a folder, by the names of columns."""
    parts = list(code_shards.read(folder, check=True))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
