"""Answering: a question, its generation, streaming and outcome. Contains no HTTP and no SQL."""
