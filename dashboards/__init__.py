"""Dashboards as code, the rules beside them, and a preview that draws them without Grafana."""
