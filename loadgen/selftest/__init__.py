"""The verifier verified: a middleman between load and broker does wrong on purpose, and must be found out."""
