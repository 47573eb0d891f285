"""Broker objects (vhosts, users, policies, queues, …): wanted, found, compared and written."""
