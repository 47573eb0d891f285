"""A topology as Kubernetes resources: pure functions from a topology to documents, one file a kind.

The broker is made by RabbitMQ's cluster operator, its objects by the messaging topology operator. Fields are
those of their resource definitions, and whatever these have no field for is told by a note.
https://www.rabbitmq.com/kubernetes/operator/operator-overview
"""
