"""Images to small files and back: `python -m vqzoo.compress`, `vqzoo.decompress`."""

from vqzoo.codec.codec import Codec, load
from vqzoo.codec.container import CodecError

__all__ = ["Codec", "CodecError", "load"]
