"""Test hosts: Debian with systemd and sshd, a container each, to provision and to break as real ones."""
