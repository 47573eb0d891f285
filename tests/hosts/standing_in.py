"""A package that stands in for Grafana's, which is in no Debian suite: a service of its name and account that
reads the files that the role writes, and answers over TLS.

It shows that files are where the configuration says and that the account can read them; not what Grafana
makes of them.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

_CONTROL = """\
Package: grafana
Version: 0.1
Architecture: all
Depends: python3
Maintainer: Nobody <nobody@example.org>
Description: stands in for Grafana in tests
"""
#: Grafana's own package makes the account and these folders, and leaves starting to others.
_POSTINST = """\
#!/bin/sh
set -e
id grafana >/dev/null 2>&1 || useradd --system --home-dir /usr/share/grafana --shell /usr/sbin/nologin grafana
install -d -o grafana -g grafana /var/lib/grafana /var/log/grafana
"""
_UNIT = """\
[Unit]
Description=Stands in for Grafana

[Service]
User=grafana
Group=grafana
RuntimeDirectory=grafana
ExecStart=/usr/bin/python3 /usr/share/grafana/stand_in.py /etc/grafana

[Install]
WantedBy=multi-user.target
"""
SERVER = '''\
"""Serves what Grafana would: health to everybody, nothing else without a login."""
import configparser, http.server, json, pathlib, re, ssl, sys

etc = pathlib.Path(sys.argv[1])
settings = configparser.ConfigParser(interpolation=None)
settings.read_string((etc / "grafana.ini").read_text())
provisioned = [path for path in etc.glob("provisioning/*/*.yml") if path.read_text()]
secrets = [pathlib.Path(name).read_text() for path in [etc / "grafana.ini", *provisioned]
           for name in re.findall(r"\\$__file\\{([^}]*)\\}", path.read_text())]
home = json.loads(pathlib.Path(settings["dashboards"]["default_home_dashboard_path"]).read_text())
boards = [json.loads(path.read_text()) for path in (etc / "dashboards").glob("*.json")]
found = {"boards": len(boards), "home": home["uid"], "provisioned": len(provisioned),
         "secrets": len([each for each in secrets if each.strip()])}
health = json.dumps({"database": "ok", **found}).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        known = self.path == "/api/health"
        self.send_response(200 if known else 401)
        self.end_headers()
        self.wfile.write(health if known else b"")


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.minimum_version = ssl.TLSVersion.TLSv1_2
context.load_cert_chain(settings["server"]["cert_file"], settings["server"]["cert_key"])
server = http.server.ThreadingHTTPServer(("", int(settings["server"]["http_port"])), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
print("listening", flush=True)
server.serve_forever()
'''


def grafana(folder: Path) -> Path:
    """Build the package below ``folder``; wants dpkg-deb. Returns its file."""
    root = folder / "grafana"
    files = {
        "DEBIAN/control": (_CONTROL, 0o644),
        "DEBIAN/postinst": (_POSTINST, 0o755),
        "usr/lib/systemd/system/grafana-server.service": (_UNIT, 0o644),
        "usr/share/grafana/stand_in.py": (SERVER, 0o644),
    }
    for name, (text, mode) in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
    for path in root.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
    target = folder / "grafana_0.1_all.deb"
    command = ["dpkg-deb", "--root-owner-group", "--build", str(root), str(target)]
    subprocess.run(command, capture_output=True, timeout=60, check=True)
    return target
