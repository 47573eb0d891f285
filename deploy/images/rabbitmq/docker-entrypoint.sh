#!/bin/bash
# Starts what it is given as the rabbitmq user, with the habits of the official image: root is dropped first, the
# settings that once were environment variables are refused by name, and HOME is the data folder's.
set -euo pipefail

if [[ "${1:-}" == rabbitmq* && "$(id -u)" == 0 ]]; then
    if [[ "$1" == rabbitmq-server ]]; then
        find /var/lib/rabbitmq ! -user rabbitmq -exec chown rabbitmq:rabbitmq {} +
    fi
    exec setpriv --reuid=rabbitmq --regid=rabbitmq --init-groups -- "$0" "$@"
fi

refused=()
for name in \
    RABBITMQ_DEFAULT_{PASS,USER}_FILE \
    RABBITMQ_{,MANAGEMENT_}SSL_{CACERTFILE,CERTFILE,DEPTH,FAIL_IF_NO_PEER_CERT,KEYFILE,VERIFY} \
    RABBITMQ_VM_MEMORY_HIGH_WATERMARK; do
    [[ -z "${!name:-}" ]] || refused+=("$name")
done
if ((${#refused[@]})); then
    for name in "${refused[@]}"; do
        echo "error: $name is set, and no longer has any effect" >&2
    done
    echo "error: write these settings into a configuration file below /etc/rabbitmq instead" >&2
    exit 1
fi

exec "$@"
