"""Metrics for Prometheus: the counters of the process, and values of the database that are read at a scrape.

Only wiring/metrics.py imports this package, and only if the configuration asks for metrics.
"""
