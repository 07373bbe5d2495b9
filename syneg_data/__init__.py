"""Training sets for dense retrieval with mined and LLM-written hard negatives, and the evidence for each of them."""

__version__ = "0.1.0"
