"""The demo's agents: an OpenAI-compatible server without a model. Each answer is computed from the question."""
