"""Programs that use the HTTP API of a bridge. The standard library alone: a hook has to start within milliseconds."""
