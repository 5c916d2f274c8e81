"""Functions that people, agents and programs share: a command, a tool and the API call the same ones."""
