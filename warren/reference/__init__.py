"""The reference pages in ``docs/`` that follow from the code: commands, metrics, alerts."""
