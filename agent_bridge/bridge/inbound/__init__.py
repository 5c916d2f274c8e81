"""Inbound: events become turns; invitations, refusals and backfill. Knows nothing of upstreams."""
