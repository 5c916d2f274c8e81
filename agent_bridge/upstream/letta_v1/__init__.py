"""The upstream kind ``letta_v1``: the REST API of Letta Cloud and of Letta's retired server."""
