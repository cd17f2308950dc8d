"""Models behind TensorFlow Serving: `Client("localhost:8500", "my_model")`."""

from vqzoo.serving.batches import MAX_BATCH_SIZE
from vqzoo.serving.client import Client, Samples
from vqzoo.serving.errors import ServingError

__all__ = ["MAX_BATCH_SIZE", "Client", "Samples", "ServingError"]
