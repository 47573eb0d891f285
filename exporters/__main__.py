"""``python -m exporters serve …``: the same command as ``warren exporter serve``, for the container."""

from exporters.cli import exporter

if __name__ == "__main__":
    exporter(prog_name="python -m exporters")
