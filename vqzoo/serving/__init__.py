"""Models behind TensorFlow Serving: `Client("localhost:8500", "my_model")`."""

from vqzoo.serving.client import Client, Samples
from vqzoo.serving.protocol import MAX_BATCH_SIZE, ServingError

__all__ = ["MAX_BATCH_SIZE", "Client", "Samples", "ServingError"]
