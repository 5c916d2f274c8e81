"""Records that report: the results of commands, and traces."""
