"""The page that goes along with the rendered resources: how to apply them, and what they leave out."""

from __future__ import annotations

from collections.abc import Iterable

from warren.kubernetes.place import OPERATORS_NAMESPACE, Note, Place
from warren.render import MANAGED

_PAGE = """\
<!-- {managed} -->
# {cluster} on Kubernetes

Needed there: RabbitMQ's cluster operator and messaging topology operator (in `{operators}`), and for
`monitoring/` the Prometheus operator (Prometheus in `{monitoring}`) and Grafana with its sidecar for
dashboards. All resources are for the namespace `{namespace}`: it is part of the nodes' names and of
certificates, so that another one wants another rendering.

## In this order

    kubectl create namespace {namespace}
    warren topology kubernetes-secrets --namespace {namespace} | kubectl apply --server-side -f -
    kubectl apply -k cluster
    kubectl -n {namespace} wait rabbitmqcluster/{cluster} --for=condition=AllReplicasReady --timeout=15m
    kubectl apply -k objects
    kubectl apply --server-side -k monitoring
    kubectl apply -k load

The first three folders come together as well (`kubectl apply --server-side -k .`): the operators try again
until what they need is there. The secrets are made from the cluster's state folder and go nowhere but into
the pipe; the same command renews certificates before they expire. The topology operator must trust the
authority that signs the broker's:

    kubectl -n {namespace} get secret {ca} -o jsonpath='{{.data.ca\\.crt}}' | base64 -d \\
      | kubectl -n {operators} create secret generic rabbitmq-ca --from-file=ca.crt=/dev/stdin

mounted below `/etc/ssl/certs` of its pod (https://www.rabbitmq.com/kubernetes/operator/tls-topology-operator).

What is yours goes into a kustomization of your own beside this folder, so that a new rendering does not undo
it: the image `warren` of exporter, probe and load from your registry, the label by which your Prometheus
chooses monitors and rules, a storage class.

    resources: [../kubernetes/monitoring]
    images: [{{name: warren, newName: REGISTRY/warren, newTag: TAG}}]
    labels: [{{pairs: {{release: NAME}}}}]

`objects/` says `deletionPolicy: retain` for virtual hosts and queues: deleting the resource leaves them, and
their messages, in the broker.

## The secrets that are named

{secrets}

## What is not said here

{notes}
"""


def page(place: Place, notes: Iterable[Note], secrets: Iterable[str]) -> str:
    return _PAGE.format(
        managed=MANAGED,
        cluster=place.cluster,
        namespace=place.namespace,
        monitoring=place.monitoring,
        operators=OPERATORS_NAMESPACE,
        ca=place.secret("ca"),
        secrets="\n".join(f"- `{name}`" for name in sorted(secrets)),
        notes="\n".join(f"- {note}" for note in notes),
    )
