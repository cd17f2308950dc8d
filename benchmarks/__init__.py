"""Speed, memory and quality beside peers: `python -m benchmarks.NAME`."""

import os

# TensorFlow's notes about the machine's abilities are not part of any result.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
