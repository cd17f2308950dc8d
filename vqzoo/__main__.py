"""`python -m vqzoo` is the command `vqzoo`."""

import sys

from vqzoo import cli

if __name__ == "__main__":
    sys.exit(cli.main())
