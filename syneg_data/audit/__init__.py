"""Audit: what the finished set would teach a model besides relevance, measured before anything is trained."""
