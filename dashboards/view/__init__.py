"""A preview of Grafana dashboards without Grafana: a server, and a renderer in plain JavaScript modules.

The renderer draws the dashboards' own JSON from the same Prometheus; the report uses the same modules.
"""
