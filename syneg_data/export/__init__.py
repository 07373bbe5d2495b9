"""Export: the finished set as tables, one per config, and those tables as files."""
