"""Servers, clients and records that the tests share."""
