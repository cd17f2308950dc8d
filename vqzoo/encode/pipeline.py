"""The Apache Beam pipeline: units to shards, and keys that come twice."""

from collections.abc import Sequence

import apache_beam as beam
from apache_beam.ml.inference.base import ModelHandler, RunInference
from apache_beam.options.pipeline_options import PipelineOptions

from vqzoo.datasets.bounds import BOUNDS
from vqzoo.encode import encoder as encoders
from vqzoo.encode import units as inputs
from vqzoo.encode import whole
from vqzoo.encode.job import Job
from vqzoo.encode.output import EncodingError

LOCAL = "FnApiRunner"


class EncoderHandler(ModelHandler[inputs.Unit, dict, encoders.Encoder]):
    """What `RunInference` needs of an encoding: the model, once a process, and a unit.

    Beam carries the names of units alone. Pixels and codes stay in the process that
    reads, decodes, encodes in batches and writes, whatever the runner.

    Args:
        job: `Job`.
        total: int, number of units.
        encoder: `Encoder` that is at hand, where the pipeline runs in this process.
    """

    def __init__(self, job: Job, total: int, encoder=None) -> None:
        self._job, self._total, self._encoder = job, total, encoder

    def __getstate__(self):
        return self.__dict__ | {"_encoder": None}

    def load_model(self) -> encoders.Encoder:
        """The model of this process."""
        BOUNDS.allow(self._job.max_bytes)
        return self._encoder or encoders.Encoder(self._job.model)

    def run_inference(self, batch, model, inference_args=None):
        """The records of units, of which Beam gives one at a time."""
        return [self._job.encode(model, unit, self._total) for unit in batch]

    def batch_elements_kwargs(self) -> dict:
        """One unit a batch: each holds many images, which are encoded in batches."""
        return {"min_batch_size": 1, "max_batch_size": 1}

    def get_metrics_namespace(self) -> str:
        """Where Beam counts."""
        return "vqzoo_encode"


def run(job: Job, options: Sequence[str] = (), workers: int = 1, encoder=None) -> dict:
    """Encodes a collection, or the rest of it; the manifest.

    Args:
        job: what is to be done.
        options: of Beam, such as `["--runner=FlinkRunner"]`. Defaults to the local
            runner of this process.
        workers: int, processes of the local runner.
        encoder: `Encoder` of the job's model, if it is loaded already.

    Raises:
        EncodingError: if the output is of other settings, shards are broken, keys come
            twice, too many images are bad, or there is no room.
        FileNotFoundError, ValueError: for an input that is not there or not understood.
    """
    with whole.begun(job, encoder) as (units, encoder):
        _run(job, units, options, workers, encoder)
    return whole.finish(job, encoder, units)


def _run(job, units, options, workers, encoder):
    local = not any(option.startswith("--runner") for option in options)
    if local:
        options = [*options, f"--runner={LOCAL}", f"--direct_num_workers={workers}"]
        if workers > 1:
            options.append("--direct_running_mode=multi_processing")
    handler = EncoderHandler(job, len(units), encoder if local else None)
    try:
        with beam.Pipeline(options=PipelineOptions(options)) as pipeline:
            records = (
                pipeline
                | "units" >> beam.Create(units)
                | "spread" >> beam.Reshuffle()
                | "encode" >> RunInference(handler)
            )
            _ = (
                records
                | "keys" >> beam.FlatMap(whole.buckets, job.output)
                | "same" >> beam.GroupByKey()
                | "twice" >> beam.FlatMap(whole.twice)
                | "all" >> beam.combiners.Sample.FixedSizeGlobally(whole.NAMED)
                | "note" >> beam.Map(whole.note, job.output)
            )
    except Exception as error:
        # Beam wraps what a step raises, with all the steps around it.
        raise _own(error) from error


def _own(error):
    """The error of ours that Beam's is about, else Beam's."""
    text = str(error)
    marker = f"{EncodingError.__name__}: "
    if isinstance(error, EncodingError) or marker not in text:
        first, _, _ = text.partition(" [while running")
        return EncodingError(first) if isinstance(error, EncodingError) else error
    return EncodingError(text.rpartition(marker)[2].partition(" [while running")[0])
