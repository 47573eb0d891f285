"""sslscan, and the grade of what it saw.

The grade is that of SSL Labs' rating guide (version 2009r): 30 % the versions, 30 % the key, 40 % the suites,
A from 80 points, capped at B without forward secrecy or without authenticated encryption, and at B and lower
for old versions. No A+: that asks for a header of web sites.
https://github.com/ssllabs/research/wiki/SSL-Server-Rating-Guide
"""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .attack import Port

_SCAN_S = 120
_FETCH_S = 90
_VERSION_POINTS = {"SSLv2": 0, "SSLv3": 80, "TLSv1.0": 90, "TLSv1.1": 95, "TLSv1.2": 100, "TLSv1.3": 100}
_OLD = {"SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"}
_BROKEN = ("NULL", "ADH", "AECDH", "EXP", "RC4", "DES-", "3DES", "MD5", "RC2", "IDEA", "SEED")
_AUTHENTICATED = ("GCM", "CHACHA20", "CCM")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a scan saw: versions that are on, (version, suite, bits) that are taken, the certificate's key,
    and the weaknesses that sslscan looks for."""

    versions: tuple[str, ...]
    suites: tuple[tuple[str, str, int], ...]
    key: str
    key_bits: int
    weaknesses: tuple[str, ...]

    def __str__(self) -> str:
        names = ", ".join(sorted({name for _, name, _ in self.suites}))
        weak = f"; {', '.join(self.weaknesses)}" if self.weaknesses else ""
        return f"{', '.join(self.versions)}; {self.key} {self.key_bits}; {names}{weak}"


def find_scanner(folder: Path) -> str | None:
    """The program on this machine, or out of Debian's package, unpacked in ``folder``; None without
    either."""
    if found := shutil.which("sslscan"):
        return found
    if not shutil.which("apt-get"):
        return None
    for command in (
        ["apt-get", "-qq", "download", "sslscan"],
        ["sh", "-c", "dpkg-deb --extract sslscan_*.deb ."],
    ):
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=_FETCH_S, check=False)
        if done.returncode != 0:
            return None
    return str(folder / "usr" / "bin" / "sslscan")


def scan(program: str, port: Port) -> Scan:
    options = ["--xml=-", "--no-colour", "--no-fallback", "--show-certificate", f"--sni-name={port.owner}"]
    command = [program, *options, f"{port.host}:{port.port}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SCAN_S, check=False)
    assert done.returncode == 0, done.stderr or done.stdout
    return read(done.stdout)


def read(text: str) -> Scan:
    """Out of sslscan's XML."""
    root = ET.fromstring(text)  # noqa: S314 - the answer of a program of our own choice
    test = root.find("ssltest")
    assert test is not None, text
    versions = [
        f"{each.get('type', '').upper().replace('TLS', 'TLSv').replace('SSL', 'SSLv')}{each.get('version')}"
        for each in test.findall("protocol")
        if each.get("enabled") == "1"
    ]
    key = test.find(".//pk[@bits]")
    curve = re.search(r"\d{3}", (key.get("curve_name") or "") if key is not None else "")
    return Scan(
        versions=tuple(versions),
        suites=tuple(
            (each.get("sslversion", ""), each.get("cipher", ""), int(each.get("bits", "0")))
            for each in test.findall("cipher")
        ),
        key=(key.get("type") or "none") if key is not None else "none",
        key_bits=int(curve[0] if curve else key.get("bits", "0")) if key is not None else 0,
        weaknesses=tuple(_weaknesses(test)),
    )


def _weaknesses(test: ET.Element) -> Sequence[str]:
    found = []
    if any(each.get("vulnerable") == "1" for each in test.findall("heartbleed")):
        found.append("heartbleed")
    if any(each.get("supported") == "1" for each in test.findall("compression")):
        found.append("compression")
    if any(
        each.get("supported") == "1" and each.get("secure") != "1" for each in test.findall("renegotiation")
    ):
        found.append("insecure renegotiation")
    return found


def grade(seen: Scan) -> str:
    """A to F."""
    if (
        seen.weaknesses
        or not seen.suites
        or any(broken in name for _, name, _ in seen.suites for broken in _BROKEN)
    ):
        return "F"
    strong = 256 if seen.key.upper() == "EC" else 2048
    if seen.key_bits < strong or "SSLv2" in seen.versions:
        return "F"
    points = [_VERSION_POINTS[version] for version in seen.versions]
    bits = [100 if each >= 256 else 80 if each >= 128 else 20 for _, _, each in seen.suites]
    total = 0.3 * (max(points) + min(points)) / 2 + 0.3 * 90 + 0.4 * (max(bits) + min(bits)) / 2
    letter = next((letter for letter, least in (("A", 80), ("B", 65), ("C", 50)) if total >= least), "F")
    old = [(version, name) for version, name, _ in seen.suites if version != "TLSv1.3"]
    secret = all(name.startswith(("ECDHE", "DHE")) for _, name in old)
    sealed = all(any(mode in name for mode in _AUTHENTICATED) for _, name in old)
    capped = bool(_OLD & set(seen.versions)) or not secret or not sealed
    return max(letter, "B") if capped else letter
