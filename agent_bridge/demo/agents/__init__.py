"""The demo's agents: an OpenAI-compatible server whose agents answer from what they are told, without a model."""
