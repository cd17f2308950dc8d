import io
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.helpers.small_models import (
    make_images,
    make_model,
    to_files,
    to_floats,
    to_levels,
    two_tiers,
)
from vqzoo.export import image_files, signatures, wire
from vqzoo.images import to_uint8
from vqzoo.models.cloning import clone

KINDS = ("one tier", "two tiers")
THREE_TIERS = pytest.param("three tiers", marks=pytest.mark.slow)
IMAGES = make_images(3)
TOP = np.zeros((1, 8, 8), "int32")
BOTTOM = np.zeros((1, 16, 16), "int32")
FILES = to_files(IMAGES, "PNG")


def files_request(*files):
    return "encode_bytes", {"image_bytes": np.array([*files, None], object)[:-1]}


REFUSED = {
    "a larger image": (
        ("serving_default", {"images": make_images(1, 64)}),
        "[1,64,64,3] is not compatible with expected shape [?,32,32,3]",
    ),
    "a gray image": (
        ("encode", {"images": IMAGES[..., :1]}),
        "[3,32,32,1] is not compatible with expected shape [?,32,32,3]",
    ),
    "an image without a batch": (
        ("encode", {"images": IMAGES[0]}),
        "[32,32,3] is not compatible with expected shape [?,32,32,3]",
    ),
    "float images": (
        ("serving_default", {"images": to_floats(IMAGES)}),
        "to be uint8 but float is provided",
    ),
    "no images": (
        ("serving_default", {"images": IMAGES[:0]}),
        "expected a batch of 1 or more images, received a batch of 0",
    ),
    "a code beyond the codebook": (
        ("decode", {"top_codes": TOP + 16, "bottom_codes": BOTTOM}),
        "[expected top_codes in [0, 16), received values from] [16] [to] [16]",
    ),
    "a negative code": (
        ("decode", {"top_codes": TOP, "bottom_codes": BOTTOM - 1}),
        "[expected bottom_codes in [0, 16), received values from] [-1] [to] [-1]",
    ),
    "another grid": (
        ("decode", {"top_codes": TOP[:, 1:], "bottom_codes": BOTTOM}),
        "[1,7,8] is not compatible with expected shape [?,8,8]",
    ),
    "unequal batches": (
        ("decode", {"top_codes": TOP, "bottom_codes": np.repeat(BOTTOM, 2, 0)}),
        "[expected as many bottom_codes as top_codes, received] [2] [and] [1]",
    ),
    "codes of 64 bits": (
        ("decode", {"top_codes": TOP, "bottom_codes": BOTTOM.astype("int64")}),
        "to be int32 but int64 is provided",
    ),
    "a missing tier": (
        ("decode", {"top_codes": TOP}),
        "must feed a value for placeholder tensor 'decode_bottom_codes'",
    ),
    "a file of another kind": (
        files_request(b"GIF89a"),
        "[expected the bytes of JPEG or PNG files, received other bytes, as many as]",
    ),
    "an empty file": (files_request(b""), "received other bytes, as many as] [0]"),
    "a larger JPEG file among others": (
        files_request(*FILES, *to_files(make_images(1, 64), "JPEG")),
        "[expected images of 32 x 32 (height x width), received] [64] [x] [64]",
    ),
    "a PNG file that says it is huge": (
        files_request(FILES[0][:16] + b"\x7f\xff\xff\xff\0\0\0\x20" + FILES[0][24:]),
        "(height x width), received] [32] [x] [2147483647]",
    ),
    "half a PNG file": (files_request(FILES[0][:90]), "Invalid PNG data, size 90"),
    "half a JPEG file": (
        files_request(to_files(IMAGES, "JPEG")[0][:700]),
        "Invalid JPEG data or crop window",
    ),
    "no files": (
        ("encode_bytes", {"image_bytes": np.array([], object)}),
        "expected a batch of 1 or more images, received a batch of 0",
    ),
    "files in two axes": (
        ("encode_bytes", {"image_bytes": np.array([[FILES[0]]], object)}),
        "[1,1] is not compatible with expected shape [?]",
    ),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A function to the model of a kind and the folder of its SavedModel."""
    found = {}

    def get(kind):
        if kind not in found:
            folder = tmp_path_factory.mktemp("saved") / "1"
            model = make_model(kind)
            found[kind] = (model, folder, *signatures.save(model, folder))
        return found[kind]

    return get


@pytest.mark.parametrize("kind", (*KINDS, THREE_TIERS))
def test_the_c_library_computes_what_the_model_computes(kind, saved, run_c_api):
    model, folder, *_ = saved(kind)
    images = np.resize(IMAGES, (3, *model.image_shape))
    sent = {"three": images, "one": images[:1]}
    codes = {name: model.encode(to_floats(some)) for name, some in sent.items()}
    requests = {}
    for name, some in sent.items():
        named = zip(model.tier_names, codes[name])
        named = {f"{tier}_codes": np.asarray(tier_codes) for tier, tier_codes in named}
        requests[f"{name} encode"] = ("encode", {"images": some})
        requests[f"{name} rebuild"] = ("serving_default", {"images": some})
        requests[f"{name} decode"] = ("decode", named)
    answers = run_c_api(folder, requests)
    for name in sent:
        images = to_levels(model.decode(codes[name]))
        for tier, expected in zip(model.tier_names, codes[name]):
            found = answers[f"{name} encode|{tier}_codes"]
            assert found.dtype == np.int32
            np.testing.assert_array_equal(found, expected)
        for output in ("rebuild|reconstructions", "decode|images"):
            found = answers[f"{name} {output}"]
            assert found.dtype == np.uint8
            np.testing.assert_allclose(found, images, rtol=0, atol=1)
    assert len(np.unique(codes["three"][-1])) > 2


def test_the_c_library_reads_and_writes_image_files(saved, run_c_api):
    _, folder, *_ = saved("two tiers")
    jpeg = to_files(IMAGES, "JPEG")
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(file))) for file in jpeg])
    gray = to_files(IMAGES[..., 0], "PNG")
    answers = run_c_api(
        folder,
        {
            "png": files_request(*FILES),
            "pixels": ("encode", {"images": IMAGES}),
            "jpeg": files_request(*jpeg),
            "jpeg pixels": ("encode", {"images": pixels}),
            "gray": files_request(*gray),
            "gray pixels": ("encode", {"images": IMAGES[..., :1].repeat(3, axis=-1)}),
            "rebuilt": ("reconstruct_bytes", files_request(*FILES)[1]),
            "rebuilt pixels": ("serving_default", {"images": IMAGES}),
        },
    )
    for of_files, of_pixels in (
        ("png", "pixels"),
        ("jpeg", "jpeg pixels"),
        ("gray", "gray pixels"),
    ):
        found, known = (answers[f"{k}|bottom_codes"] for k in (of_files, of_pixels))
        np.testing.assert_array_equal(found, known)
    assert np.any(answers["png|bottom_codes"] != answers["gray|bottom_codes"])
    for file, known in zip(
        answers["rebuilt|image_bytes"], answers["rebuilt pixels|reconstructions"]
    ):
        np.testing.assert_array_equal(tf.io.decode_png(file), known)


def test_images_of_four_channels_have_no_files():
    functions = {"encode": None}
    assert image_files.trace(functions, (32, 32, 4)) == {}


@pytest.fixture(scope="module")
def refusals(saved, run_c_api):
    _, folder, *_ = saved("two tiers")
    return run_c_api(folder, {name: request for name, (request, _) in REFUSED.items()})


@pytest.mark.parametrize("name", REFUSED)
def test_the_c_library_answers_with_an_error_where_the_input_is(name, refusals):
    answers = [key for key in refusals if key.startswith(f"{name}|")]
    assert answers == [f"{name}|error"]
    assert REFUSED[name][1] in str(refusals[f"{name}|error"])


def test_every_level_survives_the_way_to_floats_and_back():
    levels = np.arange(256, dtype="uint8").reshape(1, 16, 16, 1)
    floats = wire.WIRES["image"].receive(levels)
    assert (float(floats[0, 0, 0, 0]), float(floats[0, -1, -1, 0])) == (-0.5, 0.5)
    np.testing.assert_array_equal(to_uint8(floats), levels)


def test_values_beyond_the_range_become_black_and_white():
    found = to_uint8(tf.constant([-9.0, -0.5, 0.1, 0.5, 9.0]))
    assert found.numpy().tolist() == [0, 0, 153, 255, 255]


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_weights_that_the_signatures_read_are_saved(kind, saved):
    model, folder, _, weights = saved(kind)
    codebooks = [layer.codebook for layer in model.quantizers]
    needed = {id(w): w for w in (*model.trainable_weights, *codebooks)}.values()
    found = tf.train.list_variables(str(folder / "variables" / "variables"))
    shapes = [tuple(shape) for name, shape in found if name.startswith("weights/")]
    assert sorted(shapes) == sorted(tuple(w.shape) for w in needed)
    assert weights == sum(math.prod(shape) for shape in shapes)
    names = {name.split("/")[0] for name, _ in found}
    assert names == {"weights", "_CHECKPOINTABLE_OBJECT_GRAPH"}


def test_signatures_are_described_with_names_dtypes_and_shapes(saved):
    _, _, described, _ = saved("two tiers")
    images = {"dtype": "uint8", "shape": [None, 32, 32, 3]}
    files = {"image_bytes": {"dtype": "string", "shape": [None]}}
    codes = {
        "top_codes": {"dtype": "int32", "shape": [None, 8, 8]},
        "bottom_codes": {"dtype": "int32", "shape": [None, 16, 16]},
    }
    assert described == {
        "serving_default": {
            "inputs": {"images": images},
            "outputs": {"reconstructions": images},
        },
        "encode": {"inputs": {"images": images}, "outputs": codes},
        "decode": {"inputs": codes, "outputs": {"images": images}},
        "reconstruct_bytes": {"inputs": files, "outputs": files},
        "encode_bytes": {"inputs": files, "outputs": codes},
        "decode_bytes": {"inputs": codes, "outputs": files},
    }
    assert list(described["decode"]["inputs"]) == ["top_codes", "bottom_codes"]


def test_the_graph_runs_no_python_and_names_no_device(saved):
    nodes = read_nodes(saved("two tiers")[1])
    operations = {node.op for node in nodes}
    assert {"Conv2D", "EnsureShape", "Assert", "DecodeJpeg", "EncodePng"} < operations
    assert not [name for name in operations if "PyFunc" in name]
    assert {node.device for node in nodes} == {""}


def test_a_model_of_mixed_precision_is_served_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        trained = make_model("two tiers")
    finally:
        keras.config.set_dtype_policy("float32")
    by_hand = two_tiers()
    by_hand.set_weights(trained.get_weights())
    encode = signatures.trace(clone(trained))["encode"]
    operations = encode.graph.get_operations()
    types = {tensor.dtype for op in operations for tensor in op.outputs}
    assert tf.float32 in types and tf.bfloat16 not in types
    found = encode(images=tf.constant(IMAGES))
    for tier, codes in zip(by_hand.tier_names, by_hand.encode(to_floats(IMAGES))):
        np.testing.assert_array_equal(found[f"{tier}_codes"], codes)


def read_nodes(folder):
    """Nodes of all functions of a SavedModel but those that move its variables."""
    from tensorflow.core.protobuf import saved_model_pb2

    data = (folder / "saved_model.pb").read_bytes()
    (graph,) = saved_model_pb2.SavedModel.FromString(data).meta_graphs
    functions = graph.graph_def.library.function
    computing = [f for f in functions if "_traced_" not in f.signature.name]
    return [node for function in computing for node in function.node_def]
