"""The project's figures: measured beside a real Synapse, written down, never asserted."""
