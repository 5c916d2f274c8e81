"""The feed: the events of rooms become entries, and programs that subscribe get them."""
