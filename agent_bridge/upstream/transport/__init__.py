"""HTTP requests to an upstream, and the bridge's errors for their failures."""
