"""The upstream kind ``openai``: servers with the OpenAI API."""
