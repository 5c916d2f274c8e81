"""Durable work: the queue of lanes, the leader, periodic work and retention. Knows nothing of Matrix or agents."""
