"""YAML becomes types, once: the rest of the bridge sees frozen models and never a string path."""
