"""Benchmarks: this toolkit and its peers side by side in one run; every module here with `CASES` is one of them."""
