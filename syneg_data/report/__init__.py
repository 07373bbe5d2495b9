"""Report: the ledger of a build, and how it is shown on a terminal."""
