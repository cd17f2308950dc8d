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
DEPTHS = (8, 10, 12, 14, 16)  # bits, of `datasets.ranges`
LUMA = (0.299, 0.587, 0.114)  # of `datasets.pixels`
# EXIF's tag of the way up, of one short number, big-endian and little-endian, up to
# the byte of its value; it stands in the first directory.
ORIENTATION = (b"\x01\x12\0\3\0\0\0\1\0", b"\x12\x01\3\0\1\0\0\0")
SIDEWAYS = 5  # and above: rows and columns change places
EXIF_WITHIN, TAGS_WITHIN = 2**17, 2**9  # bytes


def trace(functions, image_shape):
    """A signature `NAME_bytes` for each signature with images, `reconstruct_bytes` too.

    `image_bytes`, string `(batch,)`, replaces the images: going in, whole
    JPEG or PNG files of the size of the model's images, gray or in color; coming out,
    PNG files. The decoding is that of TensorFlow's own operations; the image is that of
    `datasets.reading`: turned as EXIF says, transparency on white, 16 bits as 8.

    Args:
        functions: dict of `tf.ConcreteFunction` by name, as in `signatures.trace`.
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
    """A signature with image files instead of its images."""
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
    is_png &= tf.strings.length(file) >= PNG_SIZES_AT + 10
    is_jpeg = tf.equal(tf.strings.substr(file, 0, len(JPEG)), JPEG)
    text = "expected the bytes of JPEG or PNG files, received other bytes, as many as"
    file = only_if(is_png | is_jpeg, [text, tf.strings.length(file)], file)
    # The size is read from the head first: a few bytes can name a huge image.
    size = tf.cond(is_png, lambda: _png_size(file), lambda: _jpeg_size(file))
    turned = _orientation(file)
    size = tf.where(turned >= SIDEWAYS, size[::-1], size)
    text = f"expected images of {height} x {width} (height x width), received"
    fits = tf.reduce_all(size == [height, width])
    file = only_if(fits, [text, size[0], "x", size[1]], file)
    image = tf.cond(is_png, lambda: _png_levels(file), lambda: _jpeg_levels(file))
    image = _upright(image, turned)
    if channels == 1:
        image = tf.round(tf.tensordot(image, tf.constant(LUMA), 1))[..., None]
    return tf.ensure_shape(tf.cast(image, tf.uint8), image_shape)


def _jpeg_levels(file):
    image = tf.io.decode_jpeg(file, channels=3, dct_method="INTEGER_ACCURATE")
    return tf.cast(image, tf.float32)


def _png_levels(file):
    """Float levels from 0 to 255, of what is transparent on white.

    As `datasets.ranges` does, of values of 16 bits the least depth that holds them is
    taken, unless they are 8-bit values that were widened, as those of 8 bits are here.
    """
    is_deep = tf.equal(tf.strings.substr(file, PNG_SIZES_AT + 8, 1), b"\x10")
    values = tf.cond(
        is_deep,
        lambda: tf.cast(tf.io.decode_png(file, 4, tf.uint16), tf.int32),
        lambda: 257 * tf.cast(_png_bytes(file), tf.int32),
    )
    colors = values[..., :3]
    depths = tf.constant([2**bits - 1 for bits in DEPTHS])
    fits = tf.reduce_max(colors) <= depths
    full = tf.where(
        tf.reduce_all(colors % 257 == 0),
        depths[-1],
        tf.reduce_min(tf.where(fits, depths, depths[-1])),
    )
    alpha = tf.cast(values[..., 3:], tf.float32) / 65535
    levels = tf.cast(colors, tf.float32) * (255 / tf.cast(full, tf.float32))
    return tf.round(levels * alpha + 255 * (1 - alpha))


def _png_bytes(file):
    values = tf.io.decode_png(file, 4)
    # Of gray in 1, 2 or 4 bits the decoder gives the most of as many bits as alpha.
    is_gray = tf.equal(tf.strings.substr(file, PNG_SIZES_AT + 9, 1), b"\0")
    alpha = values[..., 3:]
    alpha = tf.where(is_gray & (alpha > 0), tf.constant(255, tf.uint8), alpha)
    return tf.concat([values[..., :3], alpha], -1)


def _orientation(file):
    """What EXIF says of the way up, from 1 to 8; 1 where it says nothing."""
    head = tf.strings.substr(file, 0, EXIF_WITHIN)
    tags = tf.strings.join([_after(head, b"Exif\0\0"), _after(head, b"eXIf")])
    tags = tf.strings.substr(tags, 0, TAGS_WITHIN)
    values = [_after(tags, mark) for mark in ORIENTATION]
    value = tf.strings.substr(tf.strings.join([*values, b"\1"]), 0, 1)
    value = tf.cast(tf.io.decode_raw(value, tf.uint8)[0], tf.int32)
    return tf.where((value >= 1) & (value <= 8), value, 1)


def _after(text, mark):
    """What follows the first place of some bytes; empty where they are not."""
    parts = tf.strings.split(tf.strings.join([text, mark]), mark, maxsplit=1)[1]
    return tf.strings.substr(parts, 0, tf.strings.length(text))


def _upright(image, turned):
    """An image as it is seen, as `datasets.images` turns it."""
    image = tf.cond(
        turned >= SIDEWAYS, lambda: tf.transpose(image, [1, 0, 2]), lambda: image
    )
    for axis, kinds in ((0, (3, 4, 7, 8)), (1, (2, 3, 6, 7))):
        image = tf.cond(
            tf.reduce_any(turned == tf.constant(kinds)),
            lambda image=image, axis=axis: tf.reverse(image, [axis]),
            lambda image=image: image,
        )
    return image


def _png_size(file):
    sizes = tf.strings.substr(file, PNG_SIZES_AT, 8)
    return tf.io.decode_raw(sizes, tf.int32, little_endian=False)[::-1]


def _jpeg_size(file):
    return tf.image.extract_jpeg_shape(file)[:2]
