"""Sections of boards: panels that answer one question together."""
