"""The judge: what a retriever gains that is trained on a release, and against what it gains it."""
