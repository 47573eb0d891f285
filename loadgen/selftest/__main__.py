"""``python -m loadgen.selftest``: a middleman as it stands in a container, its post on standard input."""

from __future__ import annotations

import asyncio

from loadgen.pipes import first_line, say
from loadgen.selftest.middleman import read_post, stand

if __name__ == "__main__":
    asyncio.run(stand(read_post(first_line().decode()), say=say))
