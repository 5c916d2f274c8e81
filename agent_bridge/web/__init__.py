"""HTTP pages for machines: health checks."""
