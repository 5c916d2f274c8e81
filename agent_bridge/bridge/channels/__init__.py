"""Servers and channels: rooms of several agents and people that the bridge makes."""
