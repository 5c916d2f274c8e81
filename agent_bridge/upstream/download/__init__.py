"""Downloads of files that answers link to, from public addresses only."""
