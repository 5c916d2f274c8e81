"""Text: Markdown as Matrix HTML, long answers in parts, deltas as ops, the bridge's own words. Does no I/O."""
