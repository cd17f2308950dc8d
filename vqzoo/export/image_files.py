"""Signatures that take and give the bytes of image files, for users of REST.

A model server hands what JSON holds as `{"b64": ...}` to an input of strings, and
writes an output of strings in that way if its name ends in `_bytes`.
"""

import tensorflow as tf

from vqzoo.export.graph import only_if

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"
# The signature, its length and its type stand before the sizes in a PNG file.
PNG_SIZES_AT = 16
CHANNELS = (1, 3)


def trace(functions, image_shape):
    """A signature `NAME_bytes` for each signature with images, `reconstruct_bytes` too.

    `image_bytes`, string `(batch,)`, stands in the place of the images: going in, whole
    JPEG or PNG files of the size of the model's images, gray or in color; coming out,
    PNG files. The decoding is that of TensorFlow's own operations.

    Args:
        functions: dict of `tf.ConcreteFunction` by name, as of `signatures.trace`.
        image_shape: `(height, width, channels)`.

    Returns:
        dict of `tf.ConcreteFunction`; empty for images of other than 1 or 3 channels,
        of which there are no such files.
    """
    if image_shape[-1] not in CHANNELS:
        return {}
    names = {"serving_default": "reconstruct_bytes"}
    return {
        names.get(name, f"{name}_bytes"): _with_files(function, image_shape)
        for name, function in functions.items()
    }


def _with_files(function, image_shape):
    """A signature with image files in the place of its images."""
    specs = input_specs(function)
    if "images" in specs:
        specs = {"image_bytes": tf.TensorSpec([None], tf.string, "image_bytes")}

    @tf.function(autograph=False)
    def signature(**inputs):
        if "image_bytes" in inputs:
            inputs = {"images": read(inputs["image_bytes"], image_shape)}
        outputs = dict(function(**inputs))
        for name in ("images", "reconstructions"):
            if name in outputs:
                outputs["image_bytes"] = tf.io.encode_png(outputs.pop(name))
        return outputs

    return signature.get_concrete_function(**specs)


def input_specs(function):
    """`{name: tf.TensorSpec}` of the inputs of a signature."""
    positional, named = function.structured_input_signature
    return {spec.name: spec for spec in (*positional, *named.values())}


def read(files, image_shape):
    """Images, uint8 `(batch, height, width, channels)`, of the bytes of their files.

    Args:
        files: string tensor `(batch,)`.
        image_shape: `(height, width, channels)` that each image has to have.
    """
    files = tf.ensure_shape(files, [None])
    return tf.map_fn(
        lambda file: _read_one(file, image_shape),
        files,
        fn_output_signature=tf.TensorSpec(image_shape, tf.uint8),
    )


def _read_one(file, image_shape):
    height, width, channels = image_shape
    is_png = tf.equal(tf.strings.substr(file, 0, len(PNG)), PNG)
    is_png &= tf.strings.length(file) >= PNG_SIZES_AT + 8
    is_jpeg = tf.equal(tf.strings.substr(file, 0, len(JPEG)), JPEG)
    text = "expected the bytes of JPEG or PNG files, received other bytes, as many as"
    file = only_if(is_png | is_jpeg, [text, tf.strings.length(file)], file)
    # The size is read from the head first: a few bytes can name a huge image.
    size = tf.cond(is_png, lambda: _png_size(file), lambda: _jpeg_size(file))
    text = f"expected images of {height} x {width} (height x width), received"
    fits = tf.reduce_all(size == [height, width])
    file = only_if(fits, [text, size[0], "x", size[1]], file)
    # This operation reads PNG files, too, which its documentation says.
    image = tf.io.decode_jpeg(file, channels=channels, dct_method="INTEGER_ACCURATE")
    return tf.ensure_shape(image, image_shape)


def _png_size(file):
    sizes = tf.strings.substr(file, PNG_SIZES_AT, 8)
    return tf.io.decode_raw(sizes, tf.int32, little_endian=False)[::-1]


def _jpeg_size(file):
    return tf.image.extract_jpeg_shape(file)[:2]
