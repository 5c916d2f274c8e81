"""Functions that people, agents and programs share, and the news about them."""
