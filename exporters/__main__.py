"""``python -m exporters serve …``: the same command as ``warren exporter serve``, for the container."""

import sys

from exporters.cli import exporter
from warren.errors import WarrenError

if __name__ == "__main__":
    try:
        exporter(prog_name="python -m exporters")
    except WarrenError as error:
        sys.stderr.write(f"exporter: {error}\n")
        raise SystemExit(error.exit_code) from error
