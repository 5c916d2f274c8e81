"""Work on many rooms or agents, which an operator or a person requests."""
