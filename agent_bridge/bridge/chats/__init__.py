"""Chats: rooms in which one agent answers everything, and whose people may choose the agent."""
