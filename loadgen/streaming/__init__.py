"""Workers that speak the stream protocol instead of AMQP 0-9-1. https://www.rabbitmq.com/docs/stream"""
