"""The Apache Beam pipeline: units to shards, and keys that come twice."""

from collections.abc import Sequence

from vqzoo.datasets import bounds
from vqzoo.encode import encoder as encoders
from vqzoo.encode import whole
from vqzoo.encode.job import Job
from vqzoo.encode.output import EncodingError

LOCAL = "FnApiRunner"


def handler(job: Job, total: int):
    """What `RunInference` needs of an encoding: the model, once a process, and a unit.

    Beam carries the names of units alone. Pixels and codes stay in the process that
    reads, decodes, encodes in batches and writes, whatever the runner.

    Args:
        job: what is to be done.
        total: int, number of units.

    Returns: a `ModelHandler` from `units.Unit` to the record of a unit.
    """
    from apache_beam.ml.inference.base import ModelHandler

    class EncoderHandler(ModelHandler):
        def load_model(self):
            # Of the module, as Beam sends what this class refers to by value.
            bounds.BOUNDS.allow(job.max_bytes)
            ready = encoders.AT_HAND.get(job.model)
            return ready or encoders.Encoder(job.model, job.precision)

        def run_inference(self, batch, model, inference_args=None):
            return [job.encode(model, unit, total) for unit in batch]

        def batch_elements_kwargs(self):
            return {"min_batch_size": 1, "max_batch_size": 1}

        def get_metrics_namespace(self):
            return "vqzoo_encode"

    return EncoderHandler()


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
    import apache_beam as beam
    from apache_beam.ml.inference.base import RunInference
    from apache_beam.options.pipeline_options import PipelineOptions

    local = not any(option.startswith("--runner") for option in options)
    if local:
        options = [*options, f"--runner={LOCAL}", f"--direct_num_workers={workers}"]
        if workers > 1:
            options.append("--direct_running_mode=multi_processing")
    encoders.AT_HAND[job.model] = encoder
    try:
        with beam.Pipeline(options=PipelineOptions(options)) as pipeline:
            records = (
                pipeline
                | "units" >> beam.Create(units)
                | "spread" >> beam.Reshuffle()
                | "encode" >> RunInference(handler(job, len(units)))
            )
            if not local:
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
    finally:
        del encoders.AT_HAND[job.model]
    if local:  # The local runner would keep all hashes in memory.
        whole.note_here(job.output)


def _own(error):
    """The error of ours that Beam's is about, else Beam's."""
    text = str(error)
    marker = f"{EncodingError.__name__}: "
    if isinstance(error, EncodingError) or marker not in text:
        first, _, _ = text.partition(" [while running")
        return EncodingError(first) if isinstance(error, EncodingError) else error
    return EncodingError(text.rpartition(marker)[2].partition(" [while running")[0])
