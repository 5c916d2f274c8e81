"""What machines look at: health."""
