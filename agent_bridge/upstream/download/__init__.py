"""Downloads of the files that answers link to, from public addresses only."""
