"""Collections to shards of codes and back: `vqzoo encode`, `vqzoo decode`."""

from vqzoo.registry import on_demand

__all__, __getattr__ = on_demand(
    __name__,
    {
        "Encoder": "encoder.Encoder",
        "Job": "job.Job",
        "handler": "pipeline.handler",
        "run": "whole.run",
    },
)
