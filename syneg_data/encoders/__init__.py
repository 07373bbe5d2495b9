"""Encoders: bi-encoders and cross-encoders, with the stores that keep what they computed."""
