"""placeholder"""
from dataclasses import dataclass
@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    docker: str
    compose: tuple[str, ...]
    server_version: str
    compose_version: str
