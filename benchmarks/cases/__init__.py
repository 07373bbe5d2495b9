"""The cases that the benchmarks are made of, and the world that they share."""
