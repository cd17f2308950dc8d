"""What TensorFlow Serving and Docker read: the files beside the SavedModels."""

from vqzoo.export import files
from vqzoo.serving import MAX_BATCH_SIZE

# Of TensorFlow 2.21, as the package tensorflow-serving-api.
IMAGE = "tensorflow/serving:2.21.0"

MODELS = "model_config_list {{\n{models}}}\n"
MODEL = """\
  config {{
    name: "{served}"
    base_path: "/models/{name}/{folder}"
    model_platform: "tensorflow"
    model_version_policy {{ latest {{ num_versions: 1 }} }}
  }}
"""

# A batch waits two milliseconds for more rows, less than it takes to compute one; four
# batches at a time let one be copied while another is computed.
BATCHING = f"""\
max_batch_size {{ value: {MAX_BATCH_SIZE} }}
batch_timeout_micros {{ value: 2000 }}
max_enqueued_batches {{ value: 100 }}
num_batch_threads {{ value: 4 }}
"""

COMPOSE = """\
# `docker compose up serving` runs each request by itself;
# `docker compose up serving-batching` puts requests together to batches.
x-server: &server
  image: {image}
  platform: linux/amd64
  entrypoint: [tensorflow_model_server]
  ports:
    - "127.0.0.1:8500:8500"
    - "127.0.0.1:8501:8501"
  volumes:
    - ".:/models/{name}:ro"
  restart: unless-stopped
  healthcheck:
    # The image has neither curl nor Python, but bash.
    test:
      - CMD
      - bash
      - -c
      - >-
{health}
    interval: 10s
    timeout: 5s
    retries: 3
    start_period: 120s

services:
  serving:
    <<: *server
    command:
      - --port=8500
      - --rest_api_port=8501
      - --model_config_file=/models/{name}/models.config
  serving-batching:
    <<: *server
    profiles: [batching]
    command:
      - --port=8500
      - --rest_api_port=8501
      - --model_config_file=/models/{name}/models.config
      - --enable_batching
      - --batching_parameters_file=/models/{name}/batching_parameters.txt
"""
HEALTH = """\
        exec 3<>/dev/tcp/127.0.0.1/8501 &&
        printf 'GET /v1/models/{served} HTTP/1.0\\r\\n\\r\\n' >&3 &&
        grep -q '"AVAILABLE"' <&3"""


def config(name, precisions):
    """The models.config of TensorFlow Serving.

    Args:
        name: str, of the model and of the artifact's folder below `/models`.
        precisions: sequence of str, in which there are SavedModels.
    """
    models = [
        MODEL.format(
            name=name,
            served=files.served_name(name, precision),
            folder=files.FOLDERS[precision],
        )
        for precision in precisions
    ]
    return MODELS.format(models="".join(models))


def compose(name, precisions):
    """The docker-compose.yml of an artifact.

    Args:
        name: str, of the model and of the artifact's folder below `/models`.
        precisions: sequence of str, all of which have to be loaded to be healthy.
    """
    served = [files.served_name(name, precision) for precision in precisions]
    health = " &&\n".join(HEALTH.format(served=each) for each in served)
    return COMPOSE.format(name=name, image=IMAGE, health=health)


def write(folder, precisions):
    """Writes the files that a server reads into the folder of an artifact."""
    name = folder.name
    (folder / "models.config").write_text(config(name, precisions))
    (folder / "batching_parameters.txt").write_text(BATCHING)
    (folder / "docker-compose.yml").write_text(compose(name, precisions))
