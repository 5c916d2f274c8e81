"""Delivery: messages, reactions, uploads and receipts on the homeserver. Knows nothing of upstreams."""
