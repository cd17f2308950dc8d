"""The README.md of an artifact."""

from vqzoo.export import serving
from vqzoo.serving import MAX_BATCH_SIZE

README = """\
# {name}

A trained `{model_class}` of vqzoo: `{model_name}`, {weights:,} weights.

| tier | codes per image | codes in the codebook | length of a code vector |
|---|---|---|---|
{tiers}
{metrics}
{terms}

| file | contents |
|---|---|
| `model.keras` | the Keras model; images are float32 in [-0.5, 0.5] |
{saved_models}
| `models.config` | the configuration of TensorFlow Serving |
| `batching_parameters.txt` | for a server that batches requests |
| `docker-compose.yml` | the server, with its health check |
| `manifest.json` | shapes, checksums of the files, versions, metrics |

## In Python

```python
import keras, vqzoo

model = keras.saving.load_model("model.keras")
codes = model.encode(images)  # a tuple, one tensor per tier: {tier_names}
images = model.decode(codes)
```

## As a service

From this folder:

```sh
docker compose up serving      # gRPC at localhost:8500, REST at localhost:8501
docker compose ps              # healthy, when every model is loaded
```

or without Compose:

```sh
docker run --rm -p 127.0.0.1:8500:8500 -p 127.0.0.1:8501:8501 \\
  -v "$PWD:/models/{name}:ro" {image} \\
  --model_config_file=/models/{name}/models.config
```

The server does not authenticate clients, so its ports are open only to this machine. It
serves the highest version number in `saved_model/`, also one that appears while it
runs. {warmup}

| signature | inputs | outputs |
|---|---|---|
{signatures}

`?` is the batch, of any size.{files} For an input of another shape or dtype, or a code
that is out of range, the server returns an error.

### Python

```python
from vqzoo.serving import Client  # pip install 'vqzoo[serving]'

client = Client("localhost:8500", "{name}")
# REST: Client("http://localhost:8501", "{name}")
codes = client.encode(images)  # uint8 {shape}{or_files}
images = client.decode(codes)
images = client.reconstruct(images)
{client_sample}```

It splits batches into {max_batch_size} rows and gRPC messages of 4 MB, retries while
the server is unavailable, and raises `ServingError` with the server's reason.

### gRPC without vqzoo

```python
import grpc, tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

channel = grpc.insecure_channel("localhost:8500")
stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
request = predict_pb2.PredictRequest()
request.model_spec.name = "{name}"
request.model_spec.signature_name = "encode"
request.inputs["images"].CopyFrom(tf.make_tensor_proto(images))
outputs = stub.Predict(request, timeout=30).outputs
codes = {{name: tf.make_ndarray(tensor) for name, tensor in outputs.items()}}
```

### REST

```sh
URL=http://localhost:8501/v1/models/{name}
curl "$URL"           # AVAILABLE when the model is loaded
curl "$URL/metadata"  # the signatures
```

Encode a black image; the answer has the codes of each tier:

```sh
python3 -c 'import json; print(json.dumps({{"signature_name": "encode",
  "instances": [{pixels}]}}))' |
  curl -d @- "$URL:predict"
```

Decode codes, here code 0 everywhere; the answer is an image, rows of pixels:

```sh
python3 -c 'import json; print(json.dumps({{"signature_name": "decode",
  "instances": [{{{codes}}}]}}))' |
  curl -d @- "$URL:predict"
```

{image_files}{sampling}\
Without a `signature_name`, the server returns reconstructions of images.

### Many requests at once

`docker compose up serving-batching` starts a server that batches the rows of several
requests, up to {max_batch_size}. A request may then have at most {max_batch_size} rows;
the Python client splits larger batches. A row's result does not depend on the others,
but an invalid request fails the others in its batch, and a full queue returns
`UNAVAILABLE`: use this server only if you trust all its clients.
"""

ITEMS = """\
# {name}

A trained `{model_class}` of vqzoo: `{model_name}`, {weights:,} weights, of {items} of
{shape}. {meaning} {terms}

| tier | codes per {item} | codes in the codebook | length of a code vector |
|---|---|---|---|
{tiers}
{metrics}
| file | contents |
|---|---|
| `model.keras` | the Keras model; {items} are float32 in the units of the data |
{saved_models}
| `models.config`, `docker-compose.yml` | TensorFlow Serving, with its health check |
| `manifest.json` | shapes, checksums of the files, versions, metrics |

```python
import keras, vqzoo

model = keras.saving.load_model("model.keras")
(codes,) = model.encode({items})
{items} = model.decode(codes)
```

`docker compose up serving` serves gRPC at localhost:8500, REST at localhost:8501. The
server does not authenticate clients, so its ports are open only to this machine.
{warmup}

| signature | inputs | outputs |
|---|---|---|
{signatures}

`?` is the batch, of any size{any_time}. For an input of another shape or dtype, or a
code that is out of range, the server returns an error.

```sh
python3 -c 'import json; print(json.dumps({{"signature_name": "encode",
  "instances": [{zeros}]}}))' |
  curl -d @- http://localhost:8501/v1/models/{name}:predict
```
"""
WORDS = {
    "vector": {
        "shape": "{width}",
        "meaning": "The codes of a vector are its semantic ID.",
        "zeros": "[0.0] * {width}",
        "any_time": "",
    },
    "sequence": {
        "shape": "any number of\nsteps of {width} channels",
        "meaning": "Each code stands for several steps.",
        "zeros": "[[0.0] * {width}] * 100",
        "any_time": ", or the number of steps; with no mask, one sequence per request",
    },
}
FILES = """ `image_bytes` are whole files: inputs are JPEG or PNG of
{height} x {width} pixels (height x width), outputs are PNG."""

OR_FILES = ", or a list of JPEG or PNG bytes"
IMAGE_FILES = """\
Reconstruct an image file of {height} x {width} pixels, as a PNG file in base64:

```sh
python3 -c 'import base64, json; file = open("image.jpg", "rb").read()
print(json.dumps({{"signature_name": "reconstruct_bytes",
  "instances": [{{"b64": base64.b64encode(file).decode()}}]}}))' |
  curl -d @- "$URL:predict"
```

"""

SAMPLING = """\
Draw images, here two of any class, at temperature 0.9{guided}; a label is an index into
`class_names` in manifest.json; equal seeds draw equal images:

```sh
curl -d '{{"signature_name": "sample", "inputs": {{"label": [-1, -1],
  "temperature": [0.9, 0.9], "seed": [1, 2]{scales}}}}}' "$URL:predict"
```

"""
CLIENT_SAMPLE = """\
images, codes, labels = client.sample(num_samples=8, temperature=0.9, seed=0)
"""


def text(name, facts):
    """The README.md of an artifact.

    Args:
        name: str, of the served model.
        facts: dict, as from `manifest.describe`.
    """
    tiers = facts["tiers"]
    saved_models = [facts["saved_model"], *facts["variants"].values()]
    shared = {
        "name": name,
        "model_class": facts["model"]["class"],
        "model_name": facts["model"]["name"],
        "weights": facts["model"]["weights"],
        "tiers": "\n".join(map(_tier_row, tiers)),
        "metrics": _metrics_table(facts["metrics"]),
        "saved_models": "\n".join(map(_saved_model_row, saved_models)),
        "terms": terms_line(facts["training"]["terms"]),
        "warmup": _warmup(facts["saved_model"]),
        "signatures": _signature_rows(facts["saved_model"]["signatures"]),
    }
    for item, words in WORDS.items():
        if f"{item}s" in facts:
            *_, width = facts[f"{item}s"]["shape"]
            words = {key: word.format(width=width) for key, word in words.items()}
            return ITEMS.format(item=item, items=f"{item}s", **words, **shared)
    height, width, channels = facts["images"]["shape"]
    return README.format(
        **shared,
        tier_names=", ".join(tier["name"] for tier in tiers),
        image=serving.IMAGE,
        max_batch_size=MAX_BATCH_SIZE,
        shape=f"(N, {height}, {width}, {channels})",
        pixels=f"[[[0] * {channels}] * {width}] * {height}",
        codes=",\n    ".join(map(_zero_codes, tiers)),
        **_optional(facts, height=height, width=width),
    )


def terms_line(terms):
    """A sentence on what the artifact may be used for."""
    if terms:
        return f"It may be used for {terms}."
    return (
        "What it may be used for depends on its training data and is not recorded: the "
        "flag `--terms` of an export records it."
    )


def _optional(facts, **sizes):
    """Parts that only some artifacts have; empty strings for the others."""
    signatures = facts["saved_model"]["signatures"]
    has_files = "reconstruct_bytes" in signatures
    has_priors = bool(facts["priors"])
    return {
        "files": FILES.format(**sizes) * has_files,
        "or_files": OR_FILES * has_files,
        "image_files": IMAGE_FILES.format(**sizes) * has_files,
        "sampling": _sampling(signatures) * has_priors,
        "client_sample": CLIENT_SAMPLE * has_priors,
    }


def _sampling(signatures):
    """How to draw images, with a guidance scale if the signature takes one."""
    if "guidance" not in signatures.get("sample", {}).get("inputs", {}):
        return SAMPLING.format(guided="", scales="")
    return SAMPLING.format(
        guided=" and guidance scale 2.0",
        scales=', "guidance": [2.0, 2.0]',
    )


def _saved_model_row(saved):
    graph = saved["graph_bytes"]
    return (
        "| `{folder}/{version}/` | the SavedModel in {dtype}, served as `{served_name}`"
        ": {weights:,} weights in {of_weights:.1f} MB, a graph of {of_graph:.1f} MB |"
    ).format(of_weights=(saved["bytes"] - graph) / 1e6, of_graph=graph / 1e6, **saved)


def _warmup(saved):
    if not saved["warmup_requests"]:
        return "Its first requests are slow, as it has no warm-up requests."
    return (
        f"Before it opens, it runs the {saved['warmup_requests']} warm-up requests in\n"
        "`assets.extra/`, so that first requests are as fast as later ones."
    )


def _tier_row(tier):
    grid = " x ".join(map(_side, tier["grid"]))
    sizes = f"{tier['num_embeddings']} | {tier['embedding_dim']}"
    return f"| {tier['name']} | {grid} | {sizes} |"


def _zero_codes(tier):
    zeros = "0"
    for size in reversed(tier["grid"]):
        zeros = f"[{zeros}] * {size}"
    return f'"{tier["name"]}_codes": {zeros}'


def _signature_rows(signatures):
    return "\n".join(
        f"| `{name}` | {_tensors(facts['inputs'])} | {_tensors(facts['outputs'])} |"
        for name, facts in signatures.items()
    )


def _tensors(specs):
    return ", ".join(
        f"`{name}` {spec['dtype']} {_shape(spec['shape'])}"
        for name, spec in specs.items()
    )


def _shape(shape):
    return "(" + ", ".join(map(_side, shape)) + ")"


def _side(size):
    return "?" if size is None else str(size)


def _metrics_table(metrics):
    """A table for each split that was measured, with an empty line around it."""
    tables = []
    for split, measures in metrics.items():
        rows = [f"| {name} | {value:.4g} |" for name, value in measures.items()]
        tables.append("\n".join([f"\n| {split} | |", "|---|---|", *rows, ""]))
    return "".join(tables)
