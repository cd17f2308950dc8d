"""The client of a model that TensorFlow Serving serves."""

from typing import NamedTuple

import numpy as np

from vqzoo.serving.protocol import (
    MAX_ANSWER_BYTES,
    MAX_BATCH_SIZE,
    ServingError,
    Signature,
    check,
    join,
    retrying,
    split,
    unexpected,
)


class Samples(NamedTuple):
    """What a server drew.

    Args:
        images: uint8 `(N, height, width, channels)`.
        codes: tuple of int32 `(N, h, w)`, top first.
        labels: int32 `(N,)`, the class of each image, or -1 without classes.
    """

    images: np.ndarray
    codes: tuple[np.ndarray, ...]
    labels: np.ndarray


class Client:
    """Encodes, decodes, reconstructs and samples on a TensorFlow Serving server.

    The client splits batches of any size into requests that the server accepts, and
    joins the answers. Several threads may use one client. An answer whose names,
    dtypes, shapes, rows or values do not fit the request raises a `ServingError`.

    Args:
        host: str. `"localhost:8500"` speaks gRPC, which needs the extra `serving`;
            `"http://localhost:8501"` speaks REST; `"grpcs://"` and `"https://"` speak
            them over TLS.
        model: str, the name under which the model is served.
        timeout: float, seconds for each request to the server, from the connection to
            the last byte of the answer, repetitions included.
        retries: int. How many times a request is repeated while the server is
            unavailable: not there yet, or its queue is full. All requests may be
            repeated: what they draw follows from their seed.
        max_batch_size: int, rows of one request. Defaults to what the artifact's
            `batching_parameters.txt` says.
        max_answer_bytes: int; a longer answer is refused before it is read whole.
        token: str, sent as a bearer's token over TLS; empty for none.
        certificates: path of a PEM file of the authorities to trust over TLS. Defaults
            to those of the system.
    Raises:
        ValueError: if an argument is out of its range.
        ServingError: of each method. Its `code` is the status, its `reason` what the
            server said.
    Example:
        client = Client("localhost:8500", "vqvae2_noisy")
        top, bottom = client.encode(images)  # uint8 (N, 32, 32, 3) to int32
        images = client.decode((top, bottom))
    """

    def __init__(
        self,
        host: str,
        model: str,
        *,
        timeout: float = 30.0,
        retries: int = 4,
        max_batch_size: int = MAX_BATCH_SIZE,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        token: str = "",
        certificates=None,
    ):
        for name, value, least in (
            ("timeout", timeout, 1e-3),
            ("retries", retries, 0),
            ("max_batch_size", max_batch_size, 1),
            ("max_answer_bytes", max_answer_bytes, 1),
        ):
            if not value >= least:
                raise ValueError(f"expected {name} >= {least}, received {name}={value}")
        if token and not host.startswith(("https://", "grpcs://")):
            raise ValueError(
                "expected host to begin with https:// or grpcs://, so that nobody "
                f"reads the token on its way, received host={host!r}"
            )
        self.host = host
        self.model = model
        self.timeout = timeout
        self.retries = retries
        self.max_batch_size = max_batch_size
        self._transport = _transport(host)(
            host, model, token, certificates, max_answer_bytes
        )
        self._signatures = None

    def encode(self, images) -> tuple[np.ndarray, ...]:
        """Codes of images: a tuple of int32 `(N, h, w)`, top first.

        Args:
            images: uint8 `(N, height, width, channels)`, or a sequence of bytes, each a
                whole JPEG or PNG file of that size.
        """
        return self._codes(*self._of_images("encode", "encode_bytes", images))

    def decode(self, codes) -> np.ndarray:
        """Images of codes: uint8 `(N, height, width, channels)`.

        Args:
            codes: sequence of int arrays `(N, h, w)`, one for each tier, top first.
        """
        signature = self.signature("decode")
        names = signature.codes(signature.inputs)
        if len(codes) != len(names):
            raise ValueError(
                f"expected codes of the tiers {', '.join(names)}, received {len(codes)}"
            )
        arrays = {name: _to_int32(name, c) for name, c in zip(names, codes)}
        return _take(self._predict(signature, arrays), "images")

    def reconstruct(self, images) -> np.ndarray:
        """Images as the model reconstructs them: uint8 `(N, height, width, channels)`.

        Args:
            images: as for `encode`.
        """
        signature, outputs = self._of_images(
            "serving_default", "reconstruct_bytes", images
        )
        if "reconstructions" in outputs:
            return outputs["reconstructions"]
        shape = _take(
            self.signature("serving_default").outputs, "reconstructions"
        ).shape
        files = _take(outputs, "image_bytes")
        return np.stack([_read_png(file, shape[1:]) for file in files])

    def sample(
        self,
        label: int | None = None,
        num_samples: int = 1,
        *,
        temperature: float = 1.0,
        guidance: float = 1.0,
        seed: int = 0,
    ) -> Samples:
        """Draws images of a class. The same seed draws the same images.

        Args:
            label: int, a class; None for any, and of priors without classes.
            num_samples: int.
            temperature: float above 0: below 1 likelier images, above 1 less likely
                ones.
            guidance: float of at least 0, scale of classifier-free guidance: above 1
                more of the class. It must be 1 unless the model's `sample` takes it.
            seed: int of at least 0. With the same seed, fewer samples are the first of
                more samples.
        """
        if num_samples < 1:
            raise ValueError(f"expected at least one sample, received {num_samples}")
        seeds = np.random.SeedSequence(seed).generate_state(num_samples)
        label = -1 if label is None else label
        arrays = {
            "label": np.full(num_samples, label, "int32"),
            "temperature": np.full(num_samples, temperature, "float32"),
            "seed": seeds.view("int32"),
        }
        signature = self.signature("sample")
        if "guidance" in signature.inputs:
            arrays["guidance"] = np.full(num_samples, guidance, "float32")
        elif guidance != 1:
            raise ValueError(
                f"expected guidance=1, since the priors of {self.model} do not know "
                f"codes without a class, received {guidance=}"
            )
        drawn = self._predict(signature, arrays)
        images, labels = (_take(drawn, name) for name in ("images", "label"))
        return Samples(images, self._codes(signature, drawn), labels)

    def signature(self, name: str) -> Signature:
        """Inputs and outputs of a signature, with dtypes and shapes."""
        if self._signatures is None:
            self._signatures = self._ask("metadata", self._transport.signatures)
        if name not in self._signatures:
            known = ", ".join(sorted(self._signatures))
            raise ServingError(
                "NOT_FOUND", f"{self.model} has no signature {name}, but {known}"
            )
        return self._signatures[name]

    def states(self) -> dict[int, str]:
        """State of each version of the model, such as `{1: "AVAILABLE"}`."""
        return self._ask("states", self._transport.states)

    def is_ready(self) -> bool:
        """Whether the server answers and has the model loaded, asked once."""
        try:
            return "AVAILABLE" in self._transport.states(self.timeout).values()
        except ServingError:
            return False

    def close(self):
        """Ends the connection."""
        self._transport.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def _of_images(self, of_pixels, of_files, images):
        """Signature and outputs for images that are arrays, or files in bytes."""
        if len(images) and isinstance(images[0], bytes):
            files = np.array([*images, None], object)[:-1]
            signature, arrays = self.signature(of_files), {"image_bytes": files}
        else:
            images = np.asarray(images)
            if images.dtype != np.uint8:
                raise ValueError(
                    "expected images of dtype uint8, or bytes of JPEG or PNG files, "
                    f"received dtype={images.dtype}"
                )
            signature, arrays = self.signature(of_pixels), {"images": images}
        return signature, self._predict(signature, arrays)

    @staticmethod
    def _codes(signature, outputs):
        return tuple(outputs[name] for name in signature.codes(signature.outputs))

    def _predict(self, signature, arrays):
        """Outputs of a signature, asked for in requests that the server takes."""
        answers = [
            self._ask(
                signature.name,
                lambda left, part=part: self._checked(signature, part, left),
            )
            for part in split(arrays, self.max_batch_size)
        ]
        return join(answers)

    def _checked(self, signature, arrays, timeout):
        outputs = self._transport.predict(signature, arrays, timeout)
        check(outputs, signature, arrays)
        return outputs

    def _ask(self, what, call):
        asked = f"{what} of {self.model} at {self.host}"
        return retrying(call, asked, self.timeout, self.retries)


def _transport(host):
    if host.startswith(("http://", "https://")):
        from vqzoo.serving.over_rest import OverREST

        return OverREST
    scheme, separator, _ = host.rpartition("://")
    if separator and scheme != "grpcs":
        raise ValueError(
            "expected host to be name:port, or to begin with grpcs://, http:// or "
            f"https://, received host={host!r}"
        )
    from vqzoo.serving.over_grpc import OverGRPC

    return OverGRPC


def _to_int32(name, codes):
    codes = np.asarray(codes)
    limits = np.iinfo("int32")
    if codes.dtype.kind not in "iu" or (
        codes.size and not limits.min <= codes.min() <= codes.max() <= limits.max
    ):
        raise ValueError(f"expected {name} of int32, received dtype={codes.dtype}")
    return codes.astype("int32")


def _take(values, name):
    """What has a name among outputs, or among what a signature says of them."""
    if name not in values:
        raise unexpected(f"an output {name}", ", ".join(values) or "none")
    return values[name]


def _read_png(file, shape):
    """Pixels of a PNG file: uint8 `(height, width, channels)`, which is `shape`."""
    from vqzoo.datasets.images import UnreadableImageError, open_image

    try:
        with open_image(file, ["PNG"]) as image:
            received = (image.height, image.width, len(image.getbands()))
            if received == tuple(shape):
                return np.asarray(image, np.uint8).reshape(shape)
    except UnreadableImageError as error:
        raise unexpected("PNG files", str(error)) from error
    raise unexpected(f"PNG files of {tuple(shape)}", received)
