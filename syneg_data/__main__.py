"""`python -m syneg_data` is the command line."""

from syneg_data.cli import main

main()
