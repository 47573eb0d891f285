"""What a host's shell is told, as root, about files, data folders and the broker's package.

Each may be broken off anywhere and run again. What comes on standard input is laid beside what it replaces,
on the same file system, and renamed: nobody reads half of it. No secret is in an argument.
"""

from __future__ import annotations

from warren.runtime.units import BROKER, BROKER_USER

#: Where Debian's package has the data, and the broker's user its home.
DATA = "/var/lib/rabbitmq"
#: What a file is called until it has its name.
BESIDE = ".warren-new"
#: Where data are unpacked before the former go.
_RESTORED = ".warren-restored"

#: Arguments: the folder, the owner of files that are not there yet, ``all`` or ``changed`` (those that differ
#: only), then the files' names. An archive of the files, each called as `BESIDE` says, on standard input.
#: Files keep owner and mode; new ones are their owner's alone. Prints what was replaced. Each file has the
#: present time: by that Erlang sees that a certificate is another.
PUT = f"""\
set -eu
umask 077
cd -- "$1"
owner=$2 which=$3
shift 3
tar --extract --touch --no-same-owner --file=-
for each; do [ -e "$each{BESIDE}" ] || {{ echo "$each did not arrive" >&2; exit 1; }}; done
for each; do
  new=$each{BESIDE}
  if [ ! -e "$each" ]; then
    chown "$owner:" "$new"
    chmod 400 "$new"
  elif [ "$which" = changed ] && cmp -s "$new" "$each"; then
    rm -f "$new"
    continue
  else
    chown --reference="$each" "$new"
    chmod --reference="$each" "$new"
  fi
  mv -f "$new" "$each"
  printf '%s\\n' "$each"
done
"""
#: Arguments: a unit, then its files. Restarts it if it runs and one of them is younger than its start, so
#: that whoever comes after one that broke off in between makes it good.
REREAD = """\
set -eu
unit=$1
shift
started=$(systemctl show "$unit" --timestamp=unix --property=ExecMainStartTimestamp --value)
[ -z "$(find "$@" -newermt "@${started#@}" -print -quit)" ] || exec systemctl try-restart "$unit"
"""
_AT_REST = f"""\
set -eu
case $(systemctl show {BROKER} --property=ActiveState --value) in
  inactive | failed) ;;
  *) echo 'the broker runs: its data are in use' >&2; exit 1 ;;
esac
cd {DATA}
"""
#: The data folder of a broker that is stopped, as an archive on standard output. The cookie is the cluster's
#: secret of today, and no data.
COPY = f"""\
{_AT_REST}
exec tar --create --exclude='./.erlang.cookie*' --exclude=./{_RESTORED} --file=- .
"""
#: Remove all data, but for the cookie.
EMPTY = f"""\
{_AT_REST}
find . -mindepth 1 -maxdepth 1 ! -name .erlang.cookie -exec rm -rf -- {{}} +
"""
#: Argument: the SHA-256 of the archive that comes on standard input. What is there is removed only once all
#: of it has arrived, so that there has to be room for both. Everything becomes the broker's.
FILL = f"""\
{_AT_REST}
umask 077
rm -rf {_RESTORED}
mkdir {_RESTORED}
{{ tee /dev/fd/3 | sha256sum >{_RESTORED}.sum; }} 3>&1 |
  tar --extract --no-same-owner --same-permissions --directory={_RESTORED} --file=-
read -r sum rest <{_RESTORED}.sum
rm -f {_RESTORED}.sum
if [ "$sum" != "$1" ]; then
  rm -rf {_RESTORED}
  echo 'what arrived is not what was sent; the data that were there are untouched' >&2
  exit 1
fi
chown -R {BROKER_USER}:{BROKER_USER} {_RESTORED}
find . -mindepth 1 -maxdepth 1 ! -name .erlang.cookie ! -name {_RESTORED} -exec rm -rf -- {{}} +
find {_RESTORED} -mindepth 1 -maxdepth 1 -exec mv -t . -- {{}} +
rmdir {_RESTORED}
"""
_APT = (
    "apt-get --quiet --quiet --assume-yes --no-install-recommends --reinstall -o DPkg::Lock::Timeout=120"
    " -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold"
)
#: Arguments: what `WANTED` prints. Says what apt would do, and does nothing.
SIMULATE = f"""\
export LC_ALL=C
exec {_APT} --simulate install "$@"
"""
#: Argument: a version. Prints what apt is to be told for it, or fails.
WANTED = """\
version=$(apt-cache madison rabbitmq-server | cut -d '|' -f 2 | tr -d ' ' | grep -Em 1 "^([0-9]+:)?$1-") || {
  echo "the package sources have no such rabbitmq-server" >&2
  exit 1
}
echo "rabbitmq-server=$version"
"""
#: Arguments: what apt is told. Replaces the packages, at the same version where there is no other; settings
#: are kept as they are. The package's own start is suppressed as Ansible suppresses it (``policy-rc.d``); a
#: policy of the host's owner is put back.
INSTALL = f"""\
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
policy=/usr/sbin/policy-rc.d
back() {{
  ! grep -qs '^# of Warren' "$policy" || rm -f "$policy"
  [ ! -e "$policy.kept" ] || mv -f "$policy.kept" "$policy"
}}
trap back EXIT
trap 'exit 143' HUP INT TERM
back
[ ! -e "$policy" ] || mv -f "$policy" "$policy.kept"
printf '#!/bin/sh\\n# of Warren, for as long as it replaces the broker\\nexit 101\\n' >"$policy"
chmod 755 "$policy"
{_APT} install "$@" >&2
"""
#: Argument: where a package is to lie. It comes on standard input.
LAY = """\
set -eu
mkdir -p "${1%/*}"
cat >"$1.part"
mv -f "$1.part" "$1"
"""
#: How long the unit lets the broker stop before systemd kills it, as systemd writes a time.
STOPS = f"systemctl show {BROKER} --property=TimeoutStopUSec --value"
#: Where Raft members of the metadata store are, in whatever folder the node's own name makes.
KEEPS = f"find {DATA} -path '*/coordination/*' -type f 2>/dev/null | head -n 1"
