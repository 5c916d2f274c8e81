"""The figures of the project: measured with a real Synapse and reported, never asserted."""
