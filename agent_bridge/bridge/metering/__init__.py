"""Metering: the tokens and the cost of requests to agents are recorded, added up and limited."""
