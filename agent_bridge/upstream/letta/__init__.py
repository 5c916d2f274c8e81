"""The upstream kind ``letta``: the App Server of Letta, over its WebSocket."""
