"""Texts: what can be said of plain texts without a model of meaning: words, language, likeness."""
