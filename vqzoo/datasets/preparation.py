"""Preparing tensorflow-datasets data sets, with errors that help."""

import pathlib
import socket
import urllib.parse
import urllib.request
from typing import Any

_TFDS_HOMEPAGE = "https://www.tensorflow.org/datasets"


def prepare(builder: Any, name: str) -> None:
    """Download and prepare a data set unless that is done.

    Args:
        builder: tfds.core.DatasetBuilder.
        name: str. What the user calls it.

    Raises: FileNotFoundError: if that is impossible; it says how to provide the files.
    """
    if builder.is_prepared():
        return
    import tensorflow_datasets as tfds

    root = pathlib.Path(builder._data_dir_root)
    manual_dir = root / "downloads" / "manual"
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS and not manual_dir.exists():
        manual_dir = root
    config = tfds.download.DownloadConfig(
        manual_dir=manual_dir, beam_options=_beam_options()
    )
    try:
        if not builder.MANUAL_DOWNLOAD_INSTRUCTIONS and not _has_network(builder):
            raise ConnectionError("this machine resolves no host name")
        builder.download_and_prepare(download_config=config)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise FileNotFoundError(
            f"expected the data set {name} in {root}, or a way to download it; "
            f"{type(error).__name__}: {reason}\n{_advice(builder, root)}"
        ) from None


def _has_network(builder) -> bool:
    """Tell at once what tensorflow-datasets finds out after minutes of retries."""
    if urllib.request.getproxies():
        return True  # host names may be resolved by the proxy alone
    for url in (builder.info.homepage, _TFDS_HOMEPAGE):
        try:
            socket.getaddrinfo(urllib.parse.urlsplit(url).hostname or "", 443)
            return True
        except (OSError, ValueError):
            continue
    return False


def _advice(builder, root):
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
        return (
            f"Put the files into {root / 'downloads' / 'manual'} and start again:\n"
            f"{builder.MANUAL_DOWNLOAD_INSTRUCTIONS.strip()}"
        )
    return (
        "On a machine with network run\n"
        f"    tfds build {builder.name} --data_dir=DIR\n"
        f"copy DIR/{builder.name} to {root / builder.name}, and start again with "
        f"--data_dir={root}.\n"
        "Images in a folder or an archive need none of this: "
        "--dataset=folder --data_dir=PATH"
    )


def _beam_options():
    try:
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError:
        return None
    return PipelineOptions(direct_num_workers=0, direct_running_mode="multi_processing")
