"""HTTP requests to an upstream, and their failures as errors of the bridge."""
