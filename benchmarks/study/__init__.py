"""The study of docs/study.md: `python -m benchmarks.study` runs what is missing, `--report` writes the page."""
