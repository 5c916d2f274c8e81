"""Levers that people pull: commands to the bridge bot, and what the command line does beside running the bridge."""
