"""Reads untrusted files for models and clients. This package uses neither the network nor Matrix."""
