#!/bin/sh
# Second half of the base image, run in a container of the unpacked packages: configures them with their own tool.
# The packages' files are there already, but not their registration; without base-passwd and dpkg in working order the
# dependencies cannot be satisfied in any order, hence --force-depends (as every Debian bootstrapper does).
set -eu
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true

# No services, no manuals, no index translations in images.
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
mkdir -p /etc/dpkg/dpkg.cfg.d /etc/apt/apt.conf.d
cat > /etc/dpkg/dpkg.cfg.d/50slim <<'END'
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
END
echo 'Acquire::Languages "none";' > /etc/apt/apt.conf.d/50slim
mv /bootstrap/sources.list /etc/apt/sources.list

: > /var/lib/dpkg/status
dpkg --install --force-depends --force-unsafe-io /bootstrap/*.deb
dpkg --audit
rm -rf /bootstrap /var/lib/dpkg/*-old /var/log/dpkg.log /var/log/alternatives.log /var/cache/debconf/*-old
