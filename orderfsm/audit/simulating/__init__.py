"""Logs of orders that never were."""
